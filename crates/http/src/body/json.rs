//! JSON bodies: one object of strings and `null`s.
//!
//! Other values are skipped without being built, so deep nesting costs nothing; their type is kept
//! for the error message. Names are kept in order with duplicates, which a map would silently drop.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

use super::malformed::Malformed;
use super::read::Text;

/// The value of a field.
pub(super) enum Value {
    /// `null` in JSON.
    Null,
    /// A string.
    Text(Text),
    /// An array of strings.
    Texts(Vec<Text>),
    /// A value of another type: the name of the type, with its article.
    Other(&'static str),
}

/// The members of the object in `body`.
pub(super) fn parse(body: &[u8]) -> Result<Vec<(String, Value)>, Malformed> {
    let text = std::str::from_utf8(without_mark(body))
        .map_err(|_| Malformed::new("The body is not valid UTF-8."))?;
    if !text.trim_ascii_start().starts_with('{') {
        return Err(Malformed::new("The body must be a JSON object."));
    }
    // The library's message may quote the body, so only the position is reported.
    serde_json::from_str::<Members>(text).map(|members| members.0).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Malformed::new(format!("The body is not valid JSON (line {line}, column {column})."))
    })
}

/// A body without the byte order mark that some platforms put first (RFC 8259 §8.1).
pub(super) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body)
}

struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor::<false>)
    }
}

/// An element of an array, in which further arrays are skipped.
struct Element(Value);

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor::<true>).map(Self)
    }
}

struct ValueVisitor<const IN_ARRAY: bool>;

impl<'de, const IN_ARRAY: bool> Visitor<'de> for ValueVisitor<IN_ARRAY> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Other("a boolean"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Other("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Other("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other("a number"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let (mut texts, mut others) = (Vec::new(), IN_ARRAY);
        while !others && let Some(Element(element)) = seq.next_element()? {
            match element {
                Value::Text(text) => texts.push(text),
                Value::Texts(_) | Value::Null | Value::Other(_) => others = true,
            }
        }
        while others && seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(if others { Value::Other("an array") } else { Value::Texts(texts) })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other("an object"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(body: &[u8]) -> String {
        parse(body).err().unwrap().detail.into_owned()
    }

    #[test]
    fn json_other_than_an_object_is_rejected() {
        for body in ["", " ", "[]", "\"a\"", "5", "null", "true", "a=b", "\u{feff}[]"] {
            assert_eq!(detail(body.as_bytes()), "The body must be a JSON object.", "{body:?}");
        }
    }

    #[test]
    fn malformed_json_is_rejected_with_its_position_and_without_its_content() {
        for body in [
            r#"{"#,
            r#"{"password": "horse"#,
            r#"{"password": "horse",}"#,
            r#"{"password": horse}"#,
            r#"{'password': 'horse'}"#,
            r#"{"password": "horse"} {}"#,
            r#"{"password": "horse\ud800"}"#,
            "{\"password\": \"ho\0rse\"}",
            r#"{"password" "horse"}"#,
            r#"{"password": 01}"#,
            r#"{"password": NaN}"#,
            r#"{5: "horse"}"#,
        ] {
            let detail = detail(body.as_bytes());
            assert!(detail.starts_with("The body is not valid JSON (line 1"), "{body:?} {detail}");
            assert!(!detail.contains("horse"), "{detail}");
        }
    }

    #[test]
    fn json_in_other_encodings_than_utf_8_is_rejected() {
        assert_eq!(detail(b"{\"a\": \"\xff\xfe\"}"), "The body is not valid UTF-8.");
        assert_eq!(detail(b"{\"a\": \"\xc3"), "The body is not valid UTF-8.");
        assert_eq!(detail(b"{\"a\": \"\xed\xa0\x80\"}"), "The body is not valid UTF-8.");
    }

    #[test]
    fn deep_nesting_costs_nothing() {
        let deep = format!("{{\"a\": {}1{}}}", "[".repeat(8000), "]".repeat(8000));
        let members = parse(deep.as_bytes()).ok().unwrap();
        assert!(matches!(members.as_slice(), [(name, Value::Other("an array"))] if name == "a"));
        let unclosed = format!("{{\"a\": {}", "{\"b\":".repeat(3000));
        assert!(parse(unclosed.as_bytes()).is_err());
    }

    #[test]
    fn wrong_types_are_named() {
        let body = br#"{"a": 1, "b": -1, "c": 1e3, "d": true, "e": [5], "f": {"x": []}}"#;
        let members = parse(body).ok().unwrap();
        let kinds: Vec<_> = members
            .iter()
            .map(|(_, value)| if let Value::Other(kind) = value { *kind } else { "" })
            .collect();
        assert_eq!(
            kinds,
            ["a number", "a number", "a number", "a boolean", "an array", "an object"]
        );
    }
}
