//! Records as flat structs of plain values: what every adapter writes, and what it reads back.
//!
//! An adapter maps the fields to its columns and nothing else. Each conversion names every field of
//! the record, so adding one to [`Session`](crate::Session) breaks the build here until it is
//! stored. Reading checks each value; one that this program cannot have written becomes
//! [`StoreError::Corrupt`](super::StoreError::Corrupt), which names the field and the record's key
//! and never repeats the value, since it may hold personal data.
//!
//! All of them implement `serde`, with absent optional fields left out, so a document or
//! key-value store can keep them as JSON. Unknown fields are ignored: a newer release may have
//! written them.

#[cfg(feature = "accounts")]
mod account;
#[cfg(feature = "accounts")]
mod outbox;
mod session;

use serde_json::Value;

#[cfg(feature = "accounts")]
pub use self::account::StoredAccount;
#[cfg(feature = "accounts")]
pub use self::outbox::StoredEntry;
pub use self::session::StoredSession;
use crate::session::ExtraClaims;

/// Claims as a column keeps them: JSON text, or nothing if there are none.
fn claims_text(claims: &ExtraClaims) -> Option<String> {
    (!claims.is_empty()).then(|| Value::Object(claims.clone()).to_string())
}

fn read_claims(text: Option<&str>) -> Result<ExtraClaims, &'static str> {
    text.map_or(Ok(ExtraClaims::new()), |text| {
        serde_json::from_str(text).map_err(|_| "claims: not a JSON object")
    })
}

/// Bytes as base64url text, which JSON can carry.
mod base64url {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&URL_SAFE_NO_PAD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        URL_SAFE_NO_PAD.decode(text).map_err(|_| D::Error::custom("invalid base64url"))
    }

    pub(super) mod option {
        use serde::{Deserialize, Deserializer, Serializer};

        pub(in super::super) fn serialize<S: Serializer>(
            bytes: &Option<Vec<u8>>,
            to: S,
        ) -> Result<S::Ok, S::Error> {
            match bytes {
                Some(bytes) => super::serialize(bytes, to),
                None => to.serialize_none(),
            }
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<Option<Vec<u8>>, D::Error> {
            #[derive(Deserialize)]
            struct Bytes(#[serde(with = "super")] Vec<u8>);
            Ok(Option::<Bytes>::deserialize(from)?.map(|Bytes(bytes)| bytes))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn empty_claims_are_stored_as_absent() {
        assert_eq!(claims_text(&ExtraClaims::new()), None);
        assert_eq!(read_claims(None), Ok(ExtraClaims::new()));
    }

    #[test]
    fn claims_round_trip_exactly() {
        let claims = json!({
            "roles": ["a", "\u{0}", "\u{1F41F}"], "share": 0.1 + 0.2, "tiny": 5e-324,
            "many": u64::MAX, "few": i64::MIN, "none": null,
        });
        let claims = claims.as_object().unwrap();
        assert_eq!(read_claims(claims_text(claims).as_deref()).as_ref(), Ok(claims));
    }

    #[test]
    fn claims_that_are_not_an_object_are_rejected() {
        for bad in ["", "[]", "null", "{\"a\":", "1"] {
            assert!(read_claims(Some(bad)).is_err(), "{bad}");
        }
    }
}
