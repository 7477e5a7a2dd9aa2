//! Telling an honest retry from a second holder of the token: the `Idempotency-Key` and its mark.

use std::fmt;

use aws_lc_rs::digest;
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::id::SessionId;
use crate::random::Random;

/// The value of an `Idempotency-Key` header that is long enough to count.
///
/// It is a secret: presented with a superseded refresh token, it yields the successor.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct RetryKey(String);

/// The `Idempotency-Key` header is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an Idempotency-Key must be 1 to 255 visible ASCII characters")]
pub struct InvalidRetryKeyError;

impl RetryKey {
    /// Minimum length for a key to count. Shorter keys could be guessed and are ignored.
    pub const MIN_LENGTH: usize = 16;
    /// Maximum length of a key.
    pub const MAX_LENGTH: usize = 255;

    /// Parses the value of the header; `None` if the key is too short to count.
    ///
    /// # Errors
    /// [`InvalidRetryKeyError`] unless it is 1–255 visible ASCII characters.
    pub fn parse(header: &[u8]) -> Result<Option<Self>, InvalidRetryKeyError> {
        let visible = header.iter().all(u8::is_ascii_graphic);
        if header.is_empty() || header.len() > Self::MAX_LENGTH || !visible {
            return Err(InvalidRetryKeyError);
        }
        if header.len() < Self::MIN_LENGTH {
            return Ok(None);
        }
        String::from_utf8(header.to_vec())
            .map(|key| Some(Self(key)))
            .map_err(|_| InvalidRetryKeyError)
    }
}

impl fmt::Debug for RetryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RetryKey(…)")
    }
}

/// The mark that an advance leaves in the record, by which a repetition of the same attempt is
/// recognized: a hash of the request's [`RetryKey`] and the session id, or random bytes without a key.
///
/// A stolen store reveals nothing: the key cannot be derived from the hash. Marks are compared in
/// constant time.
#[derive(Clone, Copy, Eq)]
pub struct Mark([u8; 16]);

impl Mark {
    /// The mark of an attempt with `key`. Without a key, the mark is unique to this attempt.
    #[must_use]
    pub fn of(key: Option<&RetryKey>, session: &SessionId, random: &dyn Random) -> Self {
        let mut bytes = [0; 16];
        match key {
            None => random.fill(&mut bytes),
            Some(key) => {
                let mut context = digest::Context::new(&digest::SHA256);
                context.update(b"aquaware retry mark\0");
                context.update(session.as_bytes());
                context.update(key.0.as_bytes());
                let hash = context.finish();
                for (byte, hashed) in bytes.iter_mut().zip(hash.as_ref()) {
                    *byte = *hashed;
                }
            }
        }
        Self(bytes)
    }

    /// The mark with these bytes, as a store keeps them.
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

impl PartialEq for Mark {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mark(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn keys_are_visible_ascii_of_bounded_length() {
        assert!(matches!(RetryKey::parse(b"0123456789abcdef"), Ok(Some(_))));
        assert!(matches!(RetryKey::parse(b"0123456789abcde"), Ok(None)));
        assert!(matches!(RetryKey::parse(&[b'k'; 255]), Ok(Some(_))));
        for bad in
            [&b""[..], &[b'k'; 256], b"0123456789 abcdef", b"0123456789\x7fabcdef", "é".as_bytes()]
        {
            assert!(RetryKey::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_mark_depends_on_key_and_session() {
        let key = |text: &[u8]| RetryKey::parse(text).unwrap();
        let (one, two) = (key(b"0123456789abcdef"), key(b"0123456789abcdeg"));
        let (here, there) = (SessionId::from_bytes([1; 16]), SessionId::from_bytes([2; 16]));
        let mark = |key: &Option<RetryKey>, id| Mark::of(key.as_ref(), id, &SystemRandom);
        assert_eq!(mark(&one, &here), mark(&one, &here));
        assert_ne!(mark(&one, &here), mark(&two, &here));
        assert_ne!(mark(&one, &here), mark(&one, &there));
        assert_ne!(mark(&None, &here), mark(&None, &here));
    }

    #[test]
    fn formatting_reveals_neither_key_nor_mark() {
        let key = RetryKey::parse(b"0123456789abcdef").unwrap();
        let mark = Mark::of(key.as_ref(), &SessionId::from_bytes([1; 16]), &SystemRandom);
        assert_eq!(format!("{key:?} {mark:?}"), "Some(RetryKey(…)) Mark(…)");
    }
}
