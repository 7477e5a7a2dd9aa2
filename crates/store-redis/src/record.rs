//! Records as hashes: the fields of a key, there and back.
//!
//! Each way names every field of the record, so that a new one breaks it. A key that can't be what
//! this program wrote is an error that names the key and never repeats what is in it. Fields that
//! nobody here knows are left alone: a newer release may have put them there.

mod account;
mod session;

use std::collections::HashMap;

use aquaware_core::session::ExtraClaims;
use aquaware_core::store::StoreError;
use aquaware_core::time::Timestamp;
use redis::Value;

pub(crate) use self::account::{account_fields, account_of};
pub(crate) use self::session::{index_of, session_fields, session_of};
use crate::error::Failure;

/// The fields of a key as names and values in turn.
pub(crate) type FieldList = Vec<Vec<u8>>;

/// Collects the fields that are to be written.
#[derive(Default)]
struct Writer(FieldList);

impl Writer {
    fn put(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.0.push(name.as_bytes().to_vec());
        self.0.push(value.into());
    }

    fn put_some(&mut self, name: &str, value: Option<impl Into<Vec<u8>>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    fn put_time(&mut self, name: &str, time: Timestamp) {
        self.put(name, time.millis().to_string());
    }
}

/// The fields that a key was found to have.
struct Reader(HashMap<Vec<u8>, Vec<u8>>);

/// What is wrong with a key, without what is in it.
type Read<T> = Result<T, &'static str>;

impl Reader {
    /// Reads what `HGETALL` answers; `None` where there is no key.
    fn of(value: Value) -> Read<Option<Self>> {
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
                    let value = items.next().ok_or("a field has no value")?;
                    fields.insert(bytes(name)?, bytes(value)?);
                }
            }
            _ => return Err("it is no hash"),
        }
        Ok((!fields.is_empty()).then_some(Self(fields)))
    }

    fn some_bytes(&mut self, name: &str) -> Option<Vec<u8>> {
        self.0.remove(name.as_bytes())
    }

    fn some_text(&mut self, name: &str) -> Read<Option<String>> {
        self.some_bytes(name).map(String::from_utf8).transpose().map_err(|_| "a text is no UTF-8")
    }

    fn text(&mut self, name: &str) -> Read<String> {
        self.some_text(name)?.ok_or("a field is missing")
    }

    fn some_time(&mut self, name: &str) -> Read<Option<Timestamp>> {
        let text = self.some_text(name)?;
        let millis =
            text.map(|text| text.parse().map_err(|_| "a time is no number")).transpose()?;
        Ok(millis.map(Timestamp::from_millis))
    }

    fn time(&mut self, name: &str) -> Read<Timestamp> {
        self.some_time(name)?.ok_or("a time is missing")
    }

    fn claims(&mut self, name: &str) -> Read<ExtraClaims> {
        self.some_bytes(name).map_or(Ok(ExtraClaims::new()), |json| {
            serde_json::from_slice(&json).map_err(|_| "the claims are no JSON object")
        })
    }
}

/// The bytes of a plain answer.
pub(crate) fn bytes(value: Value) -> Read<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        _ => Err("a field is no text"),
    }
}

/// Claims as a field keeps them: JSON, or nothing for none.
pub(crate) fn claims_text(claims: &ExtraClaims) -> Result<Option<Vec<u8>>, StoreError> {
    if claims.is_empty() {
        return Ok(None);
    }
    serde_json::to_vec(claims)
        .map(Some)
        .map_err(|_| Failure::Unexpected("claims that are no JSON".to_owned()).before())
}
