//! What may be shown of a request or an answer: tokens abbreviated, passwords not at all.
//!
//! Everything that is told goes through here, whichever way it came, so that no step can forget it.

use serde_json::{Map, Value};

/// What stands for a password.
const MASK: &str = "••••";
/// How many characters of a token are left at its start and at its end. The start is the same for
/// every token of a kind; the end is the signature's, so two tokens differ there.
const KEPT: (usize, usize) = (8, 6);

/// `text` with every token in it abbreviated, as in `eyJ0eXAi…k3Zt9Q (396 bytes)`.
pub(super) fn text(text: &str) -> String {
    let words: Vec<String> = text.split(' ').map(word).collect();
    words.join(" ")
}

/// `value` with every token in it abbreviated and every password masked.
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
    let shown = |(name, member): (&String, &Value)| {
        let secret = name.contains("password") && member.is_string();
        (name.clone(), if secret { MASK.into() } else { value(member) })
    };
    members.iter().map(shown).collect()
}

/// A value in the middle of a sentence.
pub(super) fn inline(value: &Value) -> String {
    match self::value(value) {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text,
        other => other.to_string(),
    }
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
    fn a_token_is_abbreviated_wherever_it_stands() {
        let short = "eyJhbGci…dHVyZQ (66 bytes)";
        assert_eq!(text(TOKEN), short);
        assert_eq!(text(&format!("Bearer {TOKEN}")), format!("Bearer {short}"));
        let nested = json!({"tokens": [{"refresh_token": TOKEN}]});
        assert_eq!(value(&nested), json!({"tokens": [{"refresh_token": short}]}));
        assert_eq!(inline(&json!(TOKEN)), short);
    }

    #[test]
    fn a_password_is_masked_under_any_of_its_names() {
        let body = json!({"password": "horse", "password2": "horse", "current_password": "horse"});
        let shown = value(&body).to_string();
        assert!(!shown.contains("horse") && shown.contains(MASK), "{shown}");
    }

    #[test]
    fn what_is_no_token_stays_as_it_is() {
        for plain in
            ["http://127.0.0.1:8080/auth/me", "a.b.c", "eyJ", "Ann’s laptop", "", "eyJé.é.é"]
        {
            assert_eq!(text(plain), plain);
        }
        assert_eq!(inline(&json!(401)), "401");
        assert_eq!(inline(&Value::Null), "nothing");
    }
}
