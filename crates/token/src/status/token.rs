//! The claims of a status list token (§5.1).

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::StatusList;
use crate::error::TokenError;
use crate::json::ClaimReader;
use crate::time::Timestamp;

/// The claims of a status list token. `L` is the form of the entries: [`StatusList`] after
/// verification, a reference to a [`PackedList`](super::PackedList) for signing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatusListClaims<L = StatusList> {
    /// The URL of the list, which access tokens repeat as `uri`.
    pub sub: String,
    /// The time of signing.
    pub iat: Timestamp,
    /// The expiry, if the issuer sets one. The list must not be used from this second on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<Timestamp>,
    /// The time for which the list may be cached, if the issuer sets it.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "whole_seconds")]
    pub ttl: Option<Duration>,
    /// The entries.
    pub status_list: L,
}

impl StatusListClaims {
    pub(crate) fn read(mut claims: ClaimReader) -> Result<Self, TokenError> {
        Ok(Self {
            sub: claims.required("sub")?,
            iat: claims.required("iat")?,
            exp: claims.optional("exp")?,
            ttl: claims.optional("ttl")?.map(|Seconds(ttl)| ttl),
            status_list: claims.required("status_list")?,
        })
    }
}

fn whole_seconds<S: Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    span.map(|span| span.as_secs()).serialize(serializer)
}

/// A positive number of seconds.
struct Seconds(Duration);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = serde_json::Number::deserialize(deserializer)?.as_f64();
        let span = seconds.filter(|seconds| *seconds > 0.0).map(Duration::try_from_secs_f64);
        span.and_then(Result::ok).map(Self).ok_or_else(|| D::Error::custom("not a positive number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(members: &str) -> Option<StatusListClaims> {
        let lst = r#""status_list":{"bits":1,"lst":"eNrbuRgAAhcBXQ"}"#;
        let json = format!(r#"{{"sub":"https://a.example/1",{members}{lst}}}"#);
        StatusListClaims::read(ClaimReader::new(json.as_bytes()).unwrap()).ok()
    }

    #[test]
    fn times_are_numbers_or_absent() {
        let claims = read(r#""iat":1686920170,"exp":2291720170,"ttl":43200,"#).unwrap();
        assert_eq!(claims.exp, Some(Timestamp::from_seconds(2_291_720_170)));
        assert_eq!(claims.ttl, Some(Duration::from_secs(43_200)));
        let bare = read(r#""iat":1686920170,"#).unwrap();
        assert_eq!((bare.exp, bare.ttl), (None, None));
        let half = read(r#""iat":1,"ttl":0.5,"#).unwrap();
        assert_eq!(half.ttl, Some(Duration::from_millis(500)));
        for invalid in [
            r#""exp":1,"#,
            r#""iat":null,"#,
            r#""iat":1,"exp":null,"#,
            r#""iat":1,"exp":"1","#,
            r#""iat":1,"ttl":null,"#,
            r#""iat":1,"ttl":0,"#,
            r#""iat":1,"ttl":-1,"#,
            r#""iat":1,"ttl":1e300,"#,
            r#""iat":1,"ttl":"10","#,
        ] {
            assert_eq!(read(invalid), None, "{invalid}");
        }
    }

    #[test]
    fn claims_round_trip() {
        let claims = StatusListClaims {
            sub: "https://a.example/status-lists/0".to_owned(),
            iat: Timestamp::from_seconds(1),
            exp: Some(Timestamp::from_seconds(2)),
            ttl: Some(Duration::from_secs(10)),
            status_list: StatusList::new(16, [3, 15]).packed(),
        };
        let json = serde_json::to_vec(&claims).unwrap();
        let read = StatusListClaims::read(ClaimReader::new(&json).unwrap()).unwrap();
        assert_eq!(read.status_list, StatusList::new(16, [15, 3]));
        assert_eq!((read.sub, read.iat, read.ttl), (claims.sub, claims.iat, claims.ttl));
    }
}
