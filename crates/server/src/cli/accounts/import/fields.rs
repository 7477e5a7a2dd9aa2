//! The fields of an account to import. In CSV every value is a text, and an empty one is absent.

use aquaware_core::claims::{check_extra, parse_exact};
use aquaware_core::id::Subject;
use aquaware_core::secret::PasswordHash;
use aquaware_core::service::Import;
use aquaware_core::session::ExtraClaims;
use aquaware_core::time::Timestamp;
use serde_json::{Map, Value};

/// The fields of one line, by name.
pub(super) type Fields = Map<String, Value>;

const NAMES: [&str; 10] = [
    "email",
    "password_hash",
    "id",
    "login",
    "first_name",
    "last_name",
    "claims",
    "email_verified",
    "disabled",
    "created_at",
];

/// Whether `name` is a field of accounts.
pub(super) fn is_field(name: &str) -> bool {
    NAMES.contains(&name)
}

/// An unknown name for an error, if it looks like one: it can be a value in the wrong place.
pub(super) fn shown(name: &str) -> String {
    const MAX_LENGTH: usize = 24;
    let plain = name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if plain && name.len() <= MAX_LENGTH { format!(" {name:?}") } else { String::new() }
}

/// Reads the fields of one line.
///
/// # Errors
/// What is wrong with a field, without its value.
pub(super) fn read(mut fields: Fields) -> Result<Import, String> {
    let fields = &mut fields;
    let import = Import {
        email: text(fields, "email")?.unwrap_or_default(),
        login: text(fields, "login")?,
        id: id(fields)?,
        password: text(fields, "password_hash")?.map(PasswordHash::new),
        first_name: text(fields, "first_name")?,
        last_name: text(fields, "last_name")?,
        created_at: instant(fields, "created_at")?,
        email_verified: flag(fields, "email_verified")?,
        disabled: flag(fields, "disabled")?,
        claims: claims(fields)?,
    };
    match fields.keys().next() {
        Some(unknown) => Err(format!("a field{} is unknown", shown(unknown))),
        None => Ok(import),
    }
}

/// Takes a field that has a value.
fn take(fields: &mut Fields, name: &str) -> Option<Value> {
    fields.remove(name).filter(|value| !value.is_null() && value.as_str() != Some(""))
}

fn text(fields: &mut Fields, name: &str) -> Result<Option<String>, String> {
    match take(fields, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name}: expected a string")),
    }
}

/// An id. Django's are numbers by default.
fn id(fields: &mut Fields) -> Result<Option<Subject>, String> {
    let text = match take(fields, "id") {
        None => return Ok(None),
        Some(Value::String(text)) => Some(text),
        Some(Value::Number(number)) if number.is_u64() => Some(number.to_string()),
        Some(_) => None,
    };
    let id = text.and_then(|text| Subject::new(text).ok());
    id.map(Some).ok_or_else(|| {
        "id: expected a number, or a string of at most 255 bytes without control characters"
            .to_owned()
    })
}

/// A boolean, also as databases export it.
fn flag(fields: &mut Fields, name: &str) -> Result<bool, String> {
    let Some(value) = take(fields, name) else { return Ok(false) };
    let text = match &value {
        Value::Bool(flag) => return Ok(*flag),
        Value::String(text) => text.to_ascii_lowercase(),
        other => other.to_string(),
    };
    match text.as_str() {
        "true" | "t" | "1" => Ok(true),
        "false" | "f" | "0" => Ok(false),
        _ => Err(format!("{name}: expected true or false")),
    }
}

/// An instant in RFC 3339, also with a space in place of `T`, or in seconds since 1970.
fn instant(fields: &mut Fields, name: &str) -> Result<Option<Timestamp>, String> {
    let Some(value) = take(fields, name) else { return Ok(None) };
    let instant = match &value {
        Value::String(text) => Timestamp::from_rfc3339(&text.replacen(' ', "T", 1)),
        number => serde_json::from_value(number.clone()).ok(),
    };
    let expected = "expected an instant with a time zone, such as 2026-01-31T08:00:00Z";
    instant.map(Some).ok_or_else(|| format!("{name}: {expected}"))
}

fn claims(fields: &mut Fields) -> Result<ExtraClaims, String> {
    let value = match take(fields, "claims") {
        None => return Ok(ExtraClaims::new()),
        Some(Value::String(text)) => parse_exact(&text).ok(),
        value => value,
    };
    let Some(Value::Object(claims)) = value else {
        return Err("claims: expected a JSON object".to_owned());
    };
    check_extra(claims).map_err(|error| format!("claims: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn import(fields: Value) -> Result<Import, String> {
        let Value::Object(fields) = fields else { panic!("an object") };
        read(fields)
    }

    #[test]
    fn values_are_read_as_json_and_as_texts() {
        let json = json!({
            "email": "ann@example.com", "password_hash": "hash", "id": 7, "login": "ann",
            "first_name": "Ann", "last_name": null, "claims": { "roles": ["a"] },
            "email_verified": true, "disabled": true, "created_at": "2020-01-02T03:04:05+01:00",
        });
        let texts = json!({
            "email": "ann@example.com", "password_hash": "hash", "id": "7", "login": "ann",
            "first_name": "Ann", "last_name": "", "claims": "{\"roles\": [\"a\"]}",
            "email_verified": "t", "disabled": "True", "created_at": "2020-01-02 02:04:05.0Z",
        });
        for fields in [json, texts] {
            let read = import(fields).unwrap();
            assert_eq!(read.email, "ann@example.com");
            assert_eq!(read.password, Some(PasswordHash::new("hash".to_owned())));
            assert_eq!(read.id.unwrap().as_str(), "7");
            assert_eq!(read.login.as_deref(), Some("ann"));
            assert_eq!((read.first_name.as_deref(), read.last_name), (Some("Ann"), None));
            assert_eq!(Value::Object(read.claims), json!({ "roles": ["a"] }));
            assert!(read.disabled && read.email_verified);
            assert_eq!(read.created_at.unwrap().to_rfc3339(), "2020-01-02T02:04:05.000Z");
        }
    }

    #[test]
    fn invalid_values_are_named_and_not_quoted() {
        for (name, value) in [
            ("email", json!(5)),
            ("password_hash", json!(["secret"])),
            ("id", json!(-1)),
            ("id", json!(1.5)),
            ("id", json!("secret\n")),
            ("claims", json!("secret")),
            ("claims", json!(["secret"])),
            ("claims", json!({ "sub": "secret" })),
            ("disabled", json!("secret")),
            ("email_verified", json!(2)),
            ("created_at", json!("2020-01-02")),
            ("created_at", json!("2020-01-02T03:04:05")),
            ("created_at", json!(true)),
        ] {
            let message = import(json!({ name: value })).unwrap_err();
            assert!(message.starts_with(&format!("{name}: ")), "{message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn unknown_fields_are_rejected_and_named_if_they_look_like_names() {
        let message = import(json!({ "email": "a", "pasword_hash": "x" })).unwrap_err();
        assert!(message.contains("\"pasword_hash\""), "{message}");
        for value in ["$2b$12$secret", "5f4dcc3b5aa765d61d8327deb882cf99"] {
            let message = import(json!({ value: "x" })).unwrap_err();
            assert!(!message.contains(value), "{message}");
        }
    }
}
