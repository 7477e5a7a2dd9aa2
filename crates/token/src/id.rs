//! Ids and names: a newtype for each kind, validated on construction, so that one kind cannot be
//! used in place of another.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::random::Random;

/// The text is not a valid id of the expected kind.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not a valid {kind}")]
pub struct IdError {
    kind: &'static str,
}

impl IdError {
    pub(crate) const fn new(kind: &'static str) -> Self {
        Self { kind }
    }
}

/// A session's id: 128 random bits, written as 22 characters of base64url.
///
/// It is not a secret: access tokens and session lists contain it, and it authorizes nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// Generates the id of a new session.
    #[must_use]
    pub fn generate(random: &dyn Random) -> Self {
        let mut bytes = [0; 16];
        random.fill(&mut bytes);
        Self(bytes)
    }

    /// Restores an id from the bytes that a store keeps.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes for a store to keep.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 22];
        let _ = URL_SAFE_NO_PAD.encode_slice(self.0, &mut text);
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

impl Serialize for SessionId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for SessionId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let mut bytes = [0; 16];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(16) if text.len() == 22 => Ok(Self(bytes)),
            _ => Err(IdError::new("session id")),
        }
    }
}

/// The generation of a session: 1 after the login, increased by one at each refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Generation(u64);

impl Generation {
    /// The generation after a login.
    pub const FIRST: Self = Self(1);
    /// The maximum generation. It is exact in a 64-bit float, so that JSON, Lua and every database
    /// read the same number.
    pub const MAX: Self = Self((1 << 53) - 2);

    /// The generation `number`; `None` outside [`Generation::FIRST`]..=[`Generation::MAX`].
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        if number >= Self::FIRST.0 && number <= Self::MAX.0 { Some(Self(number)) } else { None }
    }

    /// The generation as a number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The next generation. Saturates at [`Generation::MAX`], which no session can reach in practice.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.0 < Self::MAX.0 { Self(self.0 + 1) } else { self }
    }
}

impl<'de> Deserialize<'de> for Generation {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        Self::new(number).ok_or_else(|| serde::de::Error::custom("generation out of range"))
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Validates `text`.
            ///
            /// # Errors
            /// [`IdError`] when `text` breaks the rule above.
            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                let check: fn(&str) -> bool = $check;
                if check(&text) { Ok(Self(text)) } else { Err(IdError::new($kind)) }
            }

            /// The value as a string.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

fn is_printable(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len()) && !text.chars().any(char::is_control)
}

text_id!(
    /// The subject of a token: 1–255 bytes without control characters. The server uses the id of
    /// the account; applications with their own users may use any unique value.
    Subject, "subject", |text| is_printable(text, 255)
);
text_id!(
    /// A client's id: 1–64 characters of `A-Z a-z 0-9 . _ -`.
    ClientId, "client id", |text| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    }
);
text_id!(
    /// A key's id, the `kid` of RFC 7515 §4.1.4: 1–64 characters of `A-Z a-z 0-9 _ -`.
    ///
    /// The value in a token is controlled by its bearer, so it is only ever looked up in memory.
    KeyId, "key id", |text| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
    }
);
text_id!(
    /// An issuer, the `iss` of RFC 7519 §4.1.1: an http or https URL of at most 255 bytes without
    /// query or fragment (RFC 8414 §2). Compared byte by byte.
    Issuer, "issuer", |text| {
        (text.starts_with("https://") || text.starts_with("http://"))
            && text.len() <= 255
            && text.split("://").nth(1).is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
            && text.bytes().all(|b| b.is_ascii_graphic() && !b"?#\"\\<>".contains(&b))
    }
);
text_id!(
    /// One audience of a token, a value of `aud` (RFC 7519 §4.1.3): 1–255 bytes without control
    /// characters.
    Audience, "audience", |text| is_printable(text, 255)
);

impl KeyId {
    /// Generates a random id of eight characters.
    #[must_use]
    pub fn generate(random: &dyn Random) -> Self {
        let mut bytes = [0; 6];
        random.fill(&mut bytes);
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl From<&Issuer> for Audience {
    fn from(issuer: &Issuer) -> Self {
        Self(issuer.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_has_one_spelling() {
        let id = SessionId::from_bytes([255; 16]);
        let text = id.to_string();
        assert_eq!(text.len(), 22);
        assert_eq!(text.parse(), Ok(id));
        // The last character carries two bits that must be zero: 'x' has them set.
        assert_eq!(
            format!("{}x", &text[..21]).parse::<SessionId>(),
            Err(IdError::new("session id"))
        );
        for invalid in ["", "short", &format!("{text}="), "../../../../etc/passwd"] {
            assert!(invalid.parse::<SessionId>().is_err(), "{invalid}");
        }
    }

    #[test]
    fn generations_range_from_one_to_the_maximum() {
        assert_eq!(Generation::new(0), None);
        assert_eq!(Generation::FIRST.next().number(), 2);
        assert_eq!(Generation::MAX.next(), Generation::MAX);
        assert!(serde_json::from_str::<Generation>("\"1\"").is_err());
        assert!(serde_json::from_str::<Generation>("-1").is_err());
    }

    #[test]
    fn issuers_are_urls_without_query_or_fragment() {
        assert!(Issuer::new("https://auth.example.com/eu").is_ok());
        for invalid in
            ["", "auth.example.com", "https://", "https://a?b", "http://a#b", "http:///x"]
        {
            assert!(Issuer::new(invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn a_key_id_cannot_be_a_path() {
        assert!(KeyId::new("../secret").is_err());
        assert!(KeyId::new("a".repeat(65)).is_err());
    }
}
