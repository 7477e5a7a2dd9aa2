//! What the token of a status list says (§5.1).

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::StatusList;
use crate::claims::present;
use crate::time::Timestamp;

/// The claims of a status list's token, with its entries as `L`: unpacked to be read, packed to be
/// signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusListClaims<L = StatusList> {
    /// Where the list is: the `uri` of the tokens that name it.
    pub sub: String,
    /// When it was signed.
    pub iat: Timestamp,
    /// From this second on it may not be used, where the issuer says so.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub exp: Option<Timestamp>,
    /// How long it may be kept before it is fetched again, where the issuer says so.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "seconds")]
    pub ttl: Option<Duration>,
    /// The entries.
    pub status_list: L,
}

/// A positive number of seconds; anything else is an error, never "absent".
mod seconds {
    use serde::de::Error as _;

    use super::*;

    pub(super) fn serialize<S: Serializer>(
        span: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        span.map_or(0, |span| span.as_secs()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let seconds = serde_json::Number::deserialize(deserializer)?.as_f64();
        let span = seconds.filter(|seconds| *seconds > 0.0).map(Duration::try_from_secs_f64);
        match span {
            Some(Ok(span)) => Ok(Some(span)),
            _ => Err(D::Error::custom("no positive number of seconds")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(members: &str) -> Option<StatusListClaims> {
        let lst = r#""status_list":{"bits":1,"lst":"eNrbuRgAAhcBXQ"}"#;
        serde_json::from_str(&format!(r#"{{"sub":"https://a.example/1",{members}{lst}}}"#)).ok()
    }

    #[test]
    fn the_times_of_a_list_are_numbers_or_absent() {
        let claims = read(r#""iat":1686920170,"exp":2291720170,"ttl":43200,"#).unwrap();
        assert_eq!(claims.exp, Some(Timestamp::from_seconds(2_291_720_170)));
        assert_eq!(claims.ttl, Some(Duration::from_secs(43_200)));
        let bare = read(r#""iat":1686920170,"#).unwrap();
        assert_eq!((bare.exp, bare.ttl), (None, None));
        let half = read(r#""iat":1,"ttl":0.5,"#).unwrap();
        assert_eq!(half.ttl, Some(Duration::from_millis(500)));
        for bad in [
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
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_signed_is_read_back() {
        let claims = StatusListClaims {
            sub: "https://a.example/status-lists/0".to_owned(),
            iat: Timestamp::from_seconds(1),
            exp: Some(Timestamp::from_seconds(2)),
            ttl: Some(Duration::from_secs(10)),
            status_list: StatusList::new(16, [3, 15]).packed(),
        };
        let read: StatusListClaims =
            serde_json::from_value(serde_json::to_value(&claims).unwrap()).unwrap();
        assert_eq!(read.status_list, StatusList::new(16, [15, 3]));
        assert_eq!((read.sub, read.iat, read.ttl), (claims.sub, claims.iat, claims.ttl));
    }
}
