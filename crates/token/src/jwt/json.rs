//! JSON objects with unique names: RFC 7515 §4 and RFC 7519 §4 leave open whether a duplicate is
//! refused or the last wins; two readers that differ are an attack, so it is refused.

use std::fmt;

use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

struct UniqueMap(Map<String, Value>);

impl<'de> Deserialize<'de> for UniqueMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Unique;

        impl<'de> Visitor<'de> for Unique {
            type Value = UniqueMap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with unique names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<UniqueMap, A::Error> {
                let mut map = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if map.insert(name, value).is_some() {
                        return Err(A::Error::custom("a duplicate name"));
                    }
                }
                Ok(UniqueMap(map))
            }
        }

        deserializer.deserialize_map(Unique)
    }
}

/// Reads a JSON object whose top-level names are unique as a `T`. `None` for anything else.
pub(super) fn object<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    let UniqueMap(map) = serde_json::from_slice(json).ok()?;
    serde_json::from_value(Value::Object(map)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicate_names_are_refused() {
        assert!(object::<Value>(br#"{"a":1,"b":2}"#).is_some());
        assert!(object::<Value>(br#"{"a":1,"a":1}"#).is_none());
        assert!(object::<Value>(br#"{"a":1,"\u0061":2}"#).is_none());
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
        for bad in ["", "[]", "1", "null", "{} x", "{\"a\":1,}", &deep] {
            assert!(object::<Value>(bad.as_bytes()).is_none());
        }
    }
}
