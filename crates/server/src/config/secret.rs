//! Masks secret values, and reads values from files of their own.

use std::fmt;
use std::path::Path;

use zeroize::Zeroizing;

use super::problem::Expected;
use super::schema::Secrecy;
use super::value::Value;

/// Replaces a secret.
const MASK: &str = "***";
/// The prefix of a value that names a file with the actual value.
const FILE_PREFIX: &str = "file:";
/// Parameters of URLs are masked if their name contains one of these.
const SECRET_WORDS: [&str; 5] = ["pass", "secret", "token", "auth", "key"];

/// Text that is never formatted and is zeroized on drop.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Wraps `text`.
    pub(super) fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The text, for opening a connection. Never log it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

/// `value` with secrets masked.
pub(super) fn masked(value: &Value, secrecy: Secrecy) -> Value {
    match (secrecy, value) {
        (Secrecy::Open, value) => value.clone(),
        (_, Value::Text(text)) if text.is_empty() || text.starts_with(FILE_PREFIX) => value.clone(),
        (Secrecy::Url, Value::Text(text)) => Value::Text(masked_url(text)),
        _ => Value::Text(MASK.to_owned()),
    }
}

/// `value` in TOML, with secrets masked.
pub(super) fn display(value: &Value, secrecy: Secrecy) -> String {
    masked(value, secrecy).to_string()
}

/// Masks too much rather than too little: a password may contain any character, and the URL may be
/// malformed.
pub(super) fn masked_url(url: &str) -> String {
    if url.starts_with("sqlite:") || url.starts_with("memory:") {
        return url.to_owned();
    }
    let (url, query) = url.split_once('?').map_or((url, None), |(url, query)| (url, Some(query)));
    // If the password contains a question mark, its end and the host are in the "query".
    let (url, query) = match query {
        Some(query) if query.contains('@') => (masked_user(url, true), MASK.to_owned()),
        Some(query) => (masked_user(url, false), masked_query(query)),
        None => return masked_user(url, false),
    };
    format!("{url}?{query}")
}

fn masked_user(url: &str, cut: bool) -> String {
    let start = url.find("://").map_or(0, |index| index + 3);
    let (scheme, rest) = url.split_at(start);
    let (user, host) = match rest.rsplit_once('@') {
        _ if cut => (rest, ""),
        Some((user, host)) => (user, host),
        None => return url.to_owned(),
    };
    let name = if scheme.is_empty() { "" } else { user.split(':').next().unwrap_or_default() };
    let password = if user.len() > name.len() { format!(":{MASK}") } else { String::new() };
    format!("{scheme}{name}{password}@{host}")
}

fn masked_query(query: &str) -> String {
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if SECRET_WORDS.iter().any(|word| name.to_lowercase().contains(word)) => {
            format!("{name}={MASK}")
        }
        _ => pair.to_owned(),
    });
    pairs.collect::<Vec<_>>().join("&")
}

/// The value itself, or the content of the file that it names, without one trailing line break. A
/// relative path starts at `base`.
pub(super) fn resolve(value: &Value, secrecy: Secrecy, base: &Path) -> Result<Value, Expected> {
    let named = value.text().and_then(|text| text.strip_prefix(FILE_PREFIX));
    let Some(path) = named.filter(|_| secrecy != Secrecy::Open) else {
        return Ok(value.clone());
    };
    let path = base.join(path);
    let failed = |what: &dyn fmt::Display| {
        let what = format!("cannot read the file {}: {what}", path.display());
        Expected(what.into())
    };
    let text = std::fs::read_to_string(&path).map_err(|error| failed(&error))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err(failed(&"it is empty"));
    }
    Ok(Value::Text(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_masked() {
        for (url, expected) in [
            ("sqlite:a@b:c.db", "sqlite:a@b:c.db"),
            ("postgres://ann@db/x?sslmode=require", "postgres://ann@db/x?sslmode=require"),
            ("postgres://ann:horse@db/x", "postgres://ann:***@db/x"),
            ("redis://:horse@db", "redis://:***@db"),
            ("postgres://ann:hor/se@x@db/x", "postgres://ann:***@db/x"),
            ("postgres://ann:ho?rse@db/x", "postgres://ann:***@?***"),
            ("postgres:ann:horse@db", ":***@db"),
            ("ann:horse@db", ":***@db"),
            ("postgres://db/x?password=horse&a=b", "postgres://db/x?password=***&a=b"),
        ] {
            assert_eq!(masked_url(url), expected);
        }
    }

    #[test]
    fn a_secret_of_any_type_is_masked_but_not_the_path_of_its_file() {
        assert_eq!(display(&Value::Text("horse".to_owned()), Secrecy::Secret), "\"***\"");
        assert_eq!(display(&Value::Integer(12_345), Secrecy::Secret), "\"***\"");
        assert_eq!(display(&Value::Integer(12_345), Secrecy::Url), "\"***\"");
        assert_eq!(display(&Value::Text("file:/a".to_owned()), Secrecy::Secret), "\"file:/a\"");
        assert_eq!(display(&Value::Text(String::new()), Secrecy::Secret), "\"\"");
    }

    #[test]
    fn one_line_break_at_the_end_of_a_secret_file_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let read = |content: &[u8]| {
            std::fs::write(directory.path().join("secret"), content).unwrap();
            let value = Value::Text("file:secret".to_owned());
            resolve(&value, Secrecy::Secret, directory.path())
        };
        for (content, expected) in
            [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a ", " a ")]
        {
            assert!(
                read(content.as_bytes()) == Ok(Value::Text(expected.to_owned())),
                "{content:?}"
            );
        }
        for content in [&b"\n"[..], b"", b"\xff\xfe"] {
            let error = read(content).unwrap_err().to_string();
            assert!(error.contains("/secret: "), "{error}");
        }
    }

    #[test]
    fn an_open_value_is_never_a_file() {
        let value = Value::Text("file:/etc/passwd".to_owned());
        assert!(resolve(&value, Secrecy::Open, Path::new("/")) == Ok(value));
    }

    #[test]
    fn secret_text_is_never_formatted() {
        assert!(!format!("{:?}", SecretText::new("horse")).contains("horse"));
    }
}
