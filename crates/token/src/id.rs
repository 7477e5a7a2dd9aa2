//! Names of things: one newtype each, checked when made, so that none can stand in for another.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::random::Random;

/// A text that isn't a well-formed name of the kind asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not a valid {kind}")]
pub struct InvalidId {
    kind: &'static str,
}

impl InvalidId {
    pub(crate) const fn new(kind: &'static str) -> Self {
        Self { kind }
    }
}

/// A session: 128 random bits, written as 22 characters of base64url.
///
/// Not a secret (it stands in access tokens and session lists); nothing is authorised by it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// A new session's name.
    #[must_use]
    pub fn generate(random: &dyn Random) -> Self {
        let mut bytes = [0; 16];
        random.fill(&mut bytes);
        Self(bytes)
    }

    /// The name with these bytes, as a store keeps it.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, for a store to keep.
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

impl FromStr for SessionId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let mut bytes = [0; 16];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(16) if text.len() == 22 => Ok(Self(bytes)),
            _ => Err(InvalidId::new("session id")),
        }
    }
}

/// A session's place in its succession: 1 at the login, one more at each refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Generation(u64);

impl Generation {
    /// What a login starts with.
    pub const FIRST: Self = Self(1);
    /// The last one a store must hold: what fits a signed 53-bit number, so that JSON, Lua and
    /// every database agree about it.
    pub const LAST: Self = Self((1 << 53) - 2);

    /// The generation `number`; `None` outside [`Generation::FIRST`]..=[`Generation::LAST`].
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        if number >= Self::FIRST.0 && number <= Self::LAST.0 { Some(Self(number)) } else { None }
    }

    /// The number itself.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The one after this, stopping at [`Generation::LAST`] (which no client lives to see).
    #[must_use]
    pub const fn next(self) -> Self {
        if self.0 < Self::LAST.0 { Self(self.0 + 1) } else { self }
    }
}

impl<'de> Deserialize<'de> for Generation {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        Self::new(number).ok_or_else(|| serde::de::Error::custom("a generation out of range"))
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Checks `text` and makes it one.
            ///
            /// # Errors
            /// [`InvalidId`] when it breaks the rule above.
            pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                let check: fn(&str) -> bool = $check;
                if check(&text) { Ok(Self(text)) } else { Err(InvalidId::new($kind)) }
            }

            /// The text itself.
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
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
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

fn graphic(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && !text.chars().any(char::is_control)
}

text_id!(
    /// Whom a token is about: 1–255 bytes without control characters. The account's id here, but a
    /// team with its own accounts may use what it has.
    Subject, "subject", |text| graphic(text, 255)
);
text_id!(
    /// A client as the configuration names it: 1–64 of `A-Z a-z 0-9 . _ -`.
    ClientId, "client id", |text| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    }
);
text_id!(
    /// A key's name, the `kid` of RFC 7515 §4.1.4: 1–64 of `A-Z a-z 0-9 _ -`.
    ///
    /// It comes from whoever presents a token, so it is only ever looked up in memory.
    KeyId, "key id", |text| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
    }
);
text_id!(
    /// Who issues tokens: the `iss` of RFC 7519 §4.1.1, an http or https URL without query or
    /// fragment (RFC 8414 §2), compared byte by byte.
    Issuer, "issuer", |text| {
        (text.starts_with("https://") || text.starts_with("http://"))
            && text.len() <= 255
            && text.split("://").nth(1).is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
            && text.bytes().all(|b| b.is_ascii_graphic() && !b"?#\"\\<>".contains(&b))
    }
);
text_id!(
    /// Whom a token is for: one value of `aud`, RFC 7519 §4.1.3; 1–255 bytes.
    Audience, "audience", |text| graphic(text, 255)
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
            Err(InvalidId::new("session id"))
        );
        for bad in ["", "short", &format!("{text}="), "../../../../etc/passwd"] {
            assert!(bad.parse::<SessionId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn generations_start_at_one_and_end() {
        assert_eq!(Generation::new(0), None);
        assert_eq!(Generation::FIRST.next().number(), 2);
        assert_eq!(Generation::LAST.next(), Generation::LAST);
        assert!(serde_json::from_str::<Generation>("\"1\"").is_err());
        assert!(serde_json::from_str::<Generation>("-1").is_err());
    }

    #[test]
    fn issuers_are_urls_without_query_or_fragment() {
        assert!(Issuer::new("https://auth.example.com/eu").is_ok());
        for bad in ["", "auth.example.com", "https://", "https://a?b", "http://a#b", "http:///x"] {
            assert!(Issuer::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_id_cannot_be_a_path() {
        assert!(KeyId::new("../secret").is_err());
        assert!(KeyId::new("a".repeat(65)).is_err());
    }
}
