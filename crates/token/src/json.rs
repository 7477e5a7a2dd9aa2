//! JSON objects with unique names, and the claims in them.
//!
//! RFC 7515 §4 and RFC 7519 §4 allow a parser to reject duplicate names or to use the last one. Two
//! parsers that choose differently read different tokens, so duplicates are rejected here.

use std::fmt;

use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::error::TokenError;

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
                        return Err(A::Error::custom("duplicate name"));
                    }
                }
                Ok(UniqueMap(map))
            }
        }

        deserializer.deserialize_map(Unique)
    }
}

/// Parses a JSON object with unique top-level names. `None` for anything else.
pub(crate) fn object(json: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(json).ok().map(|UniqueMap(map)| map)
}

/// The claims of a token, read one by one so that errors can name the claim at fault.
pub(crate) struct ClaimReader(Map<String, Value>);

impl ClaimReader {
    /// Parses the payload of a token.
    pub(crate) fn new(payload: &[u8]) -> Result<Self, TokenError> {
        object(payload).map(Self).ok_or(TokenError::MalformedClaims)
    }

    /// Takes a claim that must be present.
    pub(crate) fn required<T: DeserializeOwned>(
        &mut self,
        claim: &'static str,
    ) -> Result<T, TokenError> {
        self.optional(claim)?.ok_or(TokenError::MissingClaim { claim })
    }

    /// Takes a claim that may be absent. A claim that is present must have its type: `null` is
    /// malformed, not absent.
    pub(crate) fn optional<T: DeserializeOwned>(
        &mut self,
        claim: &'static str,
    ) -> Result<Option<T>, TokenError> {
        let Some(value) = self.0.remove(claim) else { return Ok(None) };
        serde_json::from_value(value).map(Some).map_err(|_| TokenError::MalformedClaim { claim })
    }

    /// A claim that has not been taken.
    pub(crate) fn get(&self, claim: &str) -> Option<&Value> {
        self.0.get(claim)
    }

    /// Drops a claim.
    pub(crate) fn discard(&mut self, claim: &str) {
        self.0.remove(claim);
    }

    /// The claims that have not been taken.
    pub(crate) fn rest(self) -> Map<String, Value> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicate_names_are_rejected() {
        assert!(object(br#"{"a":1,"b":2}"#).is_some());
        assert!(object(br#"{"a":1,"a":1}"#).is_none());
        assert!(object(br#"{"a":1,"\u0061":2}"#).is_none());
    }

    #[test]
    fn anything_but_an_object_is_rejected() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
        for invalid in ["", "[]", "1", "null", "{} x", "{\"a\":1,}", &deep] {
            assert!(object(invalid.as_bytes()).is_none());
        }
    }

    #[test]
    fn a_null_claim_is_malformed_and_not_absent() {
        let mut claims = ClaimReader::new(br#"{"exp":null,"other":1}"#).unwrap();
        let malformed = Err(TokenError::MalformedClaim { claim: "exp" });
        assert_eq!(claims.optional::<u64>("exp"), malformed);
        assert_eq!(claims.optional::<u64>("nbf"), Ok(None));
        assert_eq!(claims.required::<u64>("iat"), Err(TokenError::MissingClaim { claim: "iat" }));
        assert_eq!(claims.rest().len(), 1);
    }
}
