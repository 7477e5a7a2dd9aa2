//! The digest of a token, by which a cache finds what it knows about the token.

use aws_lc_rs::digest::{SHA256, digest};

/// Identifies a token in a cache without keeping the token: its SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest of the whole token, its signature included.
    #[must_use]
    pub fn of(token: &str) -> Self {
        let digest = digest(&SHA256, token.as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }

    /// The first byte, which is evenly distributed.
    #[must_use]
    pub const fn first_byte(&self) -> u8 {
        let Self([first, ..]) = self;
        *first
    }
}
