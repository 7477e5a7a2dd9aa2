//! The fields of a key, as they are written and read.

use std::collections::HashMap;

use aquaware_core::session::ExtraClaims;
use redis::Value;

/// Names and values of fields, alternating.
pub(crate) type FieldList = Vec<Vec<u8>>;

/// Collects the fields of a record.
#[derive(Default)]
pub(super) struct Writer(FieldList);

impl Writer {
    pub(super) fn put(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.0.push(name.as_bytes().to_vec());
        self.0.push(value.into());
    }

    pub(super) fn put_some(&mut self, name: &str, value: Option<impl Into<Vec<u8>>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    pub(super) fn put_integer(&mut self, name: &str, value: i64) {
        self.put(name, value.to_string());
    }

    pub(super) fn put_some_integer(&mut self, name: &str, value: Option<i64>) {
        self.put_some(name, value.map(|value| value.to_string()));
    }

    pub(super) fn finish(self) -> FieldList {
        self.0
    }
}

/// The fields of a key.
pub(super) struct Reader(HashMap<Vec<u8>, Vec<u8>>);

/// The error describes the problem, without the value.
pub(super) type Read<T> = Result<T, String>;

impl Reader {
    /// Reads the response of `HGETALL`; `None` if the key does not exist.
    pub(super) fn new(value: Value) -> Read<Option<Self>> {
        let mut fields = HashMap::new();
        match value {
            Value::Nil => return Ok(None),
            Value::Map(pairs) => {
                for (name, value) in pairs {
                    fields.insert(bytes(name)?, bytes(value)?);
                }
            }
            Value::Array(items) => {
                let mut items = items.into_iter();
                while let Some(name) = items.next() {
                    let value = items.next().ok_or("a field without a value")?;
                    fields.insert(bytes(name)?, bytes(value)?);
                }
            }
            _ => return Err("not a hash".to_owned()),
        }
        Ok((!fields.is_empty()).then_some(Self(fields)))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name.as_bytes())
    }

    pub(super) fn some_bytes(&mut self, name: &str) -> Option<Vec<u8>> {
        self.0.remove(name.as_bytes())
    }

    pub(super) fn some_text(&mut self, name: &str) -> Read<Option<String>> {
        let text = self.some_bytes(name).map(String::from_utf8).transpose();
        text.map_err(|_| format!("{name}: not UTF-8"))
    }

    pub(super) fn text(&mut self, name: &str) -> Read<String> {
        self.some_text(name)?.ok_or_else(|| format!("{name}: missing"))
    }

    pub(super) fn some_integer(&mut self, name: &str) -> Read<Option<i64>> {
        let text = self.some_text(name)?;
        let integer = text.map(|text| canonical_integer(&text).ok_or(name)).transpose();
        integer.map_err(|name| format!("{name}: not an integer"))
    }

    pub(super) fn integer(&mut self, name: &str) -> Read<i64> {
        self.some_integer(name)?.ok_or_else(|| format!("{name}: missing"))
    }
}

/// An integer in its only valid spelling. The scripts compare texts, so `7` and `07` would differ.
fn canonical_integer(text: &str) -> Option<i64> {
    text.parse().ok().filter(|integer: &i64| integer.to_string() == text)
}

/// The bytes of a simple response.
pub(crate) fn bytes(value: Value) -> Read<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        _ => Err("a field is not text".to_owned()),
    }
}

/// Claims as the value of a field: JSON, or `None` without claims.
pub(crate) fn claims_text(claims: &ExtraClaims) -> Option<String> {
    (!claims.is_empty()).then(|| serde_json::Value::Object(claims.clone()).to_string())
}
