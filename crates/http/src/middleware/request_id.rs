//! The id of a request, in its response and in every log line about it.

use std::fmt;

use actix_web::http::header::{HeaderMap, HeaderName};
use aquaware_core::random::{Random as _, SystemRandom};

/// The header that carries the id.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request: 1–128 characters of `A-Z a-z 0-9 . _ : -`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(String);

impl RequestId {
    /// The id that the caller sent, if it sent exactly one and it is well-formed; otherwise a new
    /// one.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(HEADER);
        match (values.next(), values.next()) {
            (Some(value), None) => match value.to_str() {
                Ok(text) if is_well_formed(text) => Self(text.to_owned()),
                _ => Self::generate(),
            },
            _ => Self::generate(),
        }
    }

    /// 128 random bits in hexadecimal.
    pub(super) fn generate() -> Self {
        let mut bytes = [0; 16];
        SystemRandom.fill(&mut bytes);
        Self(format!("{:032x}", u128::from_be_bytes(bytes)))
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_well_formed(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn of(values: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_bytes(value).unwrap());
        }
        RequestId::of(&headers).0
    }

    #[test]
    fn a_well_formed_id_of_the_caller_is_kept() {
        for id in ["a", "Aa0._:-", &"x".repeat(128)] {
            assert_eq!(of(&[id.as_bytes()]), id);
        }
    }

    #[test]
    fn any_other_id_is_replaced() {
        let long = "x".repeat(129);
        for id in
            [&b""[..], long.as_bytes(), b"a b", b"a,b", b"a/b", b"\xff", "é".as_bytes(), b"\""]
        {
            let new = of(&[id]);
            assert!(new.len() == 32 && new.bytes().all(|b| b.is_ascii_hexdigit()), "{id:?} {new}");
        }
        assert_eq!(of(&[b"a", b"a"]).len(), 32);
        assert_ne!(of(&[]), of(&[]));
    }
}
