//! Makes text safe to print: tokens are abbreviated and passwords are masked.

use serde_json::{Map, Value};

/// Replaces a password.
const MASK: &str = "••••";
/// How many characters of a token are kept at its start and at its end. The end belongs to the
/// signature, so different tokens look different.
const KEPT: (usize, usize) = (8, 6);

/// `text` with every token in it abbreviated, as in `eyJ0eXAi…k3Zt9Q (396 bytes)`.
pub(super) fn text(text: &str) -> String {
    let words: Vec<String> = text.split(' ').map(word).collect();
    words.join(" ")
}

/// `value` with every token abbreviated and every password masked.
pub(super) fn value(value: &Value) -> Value {
    match value {
        Value::String(string) => Value::String(text(string)),
        Value::Array(items) => items.iter().map(self::value).collect(),
        Value::Object(members) => Value::Object(object(members)),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// The same for the members of an object.
pub(super) fn object(members: &Map<String, Value>) -> Map<String, Value> {
    let redacted = |(name, member): (&String, &Value)| {
        let secret = name.contains("password") && member.is_string();
        (name.clone(), if secret { MASK.into() } else { value(member) })
    };
    members.iter().map(redacted).collect()
}

fn word(word: &str) -> String {
    let parts = word.split('.').count();
    if !word.is_ascii() || !word.starts_with("eyJ") || parts != 3 {
        return word.to_owned();
    }
    let (start, end) = (word.get(..KEPT.0), word.get(word.len().saturating_sub(KEPT.1)..));
    let (start, end) = (start.unwrap_or_default(), end.unwrap_or_default());
    format!("{start}…{end} ({} bytes)", word.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJlLXNpZ25hdHVyZQ";

    #[test]
    fn tokens_are_abbreviated_wherever_they_appear() {
        let short = "eyJhbGci…dHVyZQ (66 bytes)";
        assert_eq!(text(&format!("Bearer {TOKEN}")), format!("Bearer {short}"));
        let nested = json!({"tokens": [{"refresh_token": TOKEN}]});
        assert_eq!(value(&nested), json!({"tokens": [{"refresh_token": short}]}));
    }

    #[test]
    fn passwords_are_masked_under_any_of_their_names() {
        let body = json!({"password": "horse", "password2": "horse", "current_password": "horse"});
        let printed = value(&body).to_string();
        assert!(!printed.contains("horse") && printed.contains(MASK), "{printed}");
    }

    #[test]
    fn other_text_is_unchanged() {
        for plain in
            ["http://127.0.0.1:8080/auth/me", "a.b.c", "eyJ", "Ann’s laptop", "", "eyJé.é.é"]
        {
            assert_eq!(text(plain), plain);
        }
    }
}
