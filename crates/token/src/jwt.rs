//! The wire form: JWS in compact serialisation (RFC 7515 §3.1), made and checked.
//!
//! The only part that knows the `jsonwebtoken` crate. That crate does keys and signatures; which
//! headers and claims are good is decided here, strictly: one algorithm per key, explicit types,
//! no unknown `crit`, no duplicate names, canonical base64url, numbers that are numbers
//! (RFC 8725 §3).

mod generate;
mod json;
mod jwk;
mod key;
mod sign;
mod verify;

use std::ops::Deref;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::generate::{KeyGenerationError, generate_key};
pub use self::jwk::{KeySet, PublicKey};
pub use self::key::{KeyError, SigningKey, VerifyingKey};
pub use self::sign::SignError;
pub use self::verify::{AccessCheck, Keys, RefreshCheck, StatusListCheck, Unverified, inspect};

/// How a token is signed. One key, one algorithm (RFC 8725 §3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037).
    #[default]
    #[serde(rename = "EdDSA", alias = "Ed25519")]
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, which RFC 9068 §2.1 wants available.
    #[serde(rename = "RS256")]
    Rs256,
    /// HMAC with SHA-256: whoever checks can also sign.
    #[serde(rename = "HS256")]
    Hs256,
}

impl Algorithm {
    /// Every algorithm there is.
    pub const ALL: [Self; 4] = [Self::EdDsa, Self::Es256, Self::Rs256, Self::Hs256];

    /// Its `alg` (RFC 7518 §3.1).
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Hs256 => "HS256",
        }
    }

    /// The algorithm with this `alg`; Ed25519 under its newer name too (RFC 9864).
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        if word == "Ed25519" {
            return Some(Self::EdDsa);
        }
        Self::ALL.into_iter().find(|algorithm| algorithm.word() == word)
    }

    /// Whether checking needs the same secret as signing, so that no key set may publish it.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256)
    }
}

/// What a token is, told by its `typ` (RFC 8725 §3.11). None passes for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenType {
    /// `at+jwt` (RFC 9068 §2.1).
    Access,
    /// `rt+jwt`, this system's own.
    Refresh,
}

impl TokenType {
    /// The `typ` it is issued with.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Refresh => "rt+jwt",
        }
    }
}

/// The `typ` of a status list (draft-ietf-oauth-status-list-20 §5.1), signed by an issuer's key for
/// access tokens.
const STATUS_LIST: &str = "statuslist+jwt";

/// Whether `typ` is `word`: without regard to case, and with `application/` spelled out or not
/// (RFC 7515 §4.1.9).
fn is_named(typ: &str, word: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    typ.strip_prefix("application/").unwrap_or(&typ) == word
}

/// The longest token that is looked at.
pub const MAX_TOKEN_BYTES: usize = 8192;
/// The longest status list that is looked at.
pub const MAX_STATUS_LIST_BYTES: usize = 1 << 20;

/// Claims whose token was checked. Only the check makes one.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// The claims by themselves.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Why a token isn't accepted. Says nothing that its bearer couldn't know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Longer than [`MAX_TOKEN_BYTES`], or [`MAX_STATUS_LIST_BYTES`].
    #[error("the token is too long")]
    TooLong,
    /// Not three parts of canonical base64url around JSON objects with unique names.
    #[error("the token is malformed")]
    Malformed,
    /// A `crit` header: nothing critical is understood here (RFC 7515 §4.1.11).
    #[error("the token has critical extensions that are not understood")]
    Critical,
    /// Another `typ`.
    #[error("the token is of another type")]
    Type,
    /// A `kid` that isn't known, or none.
    #[error("the token's key is not known")]
    UnknownKey,
    /// Another `alg` than the key's, `none` included.
    #[error("the token's algorithm is not its key's")]
    Algorithm,
    /// The signature doesn't match.
    #[error("the token's signature is wrong")]
    Signature,
    /// A claim is missing or of the wrong type.
    #[error("the token's claims are not well-formed")]
    Claims,
    /// Another issuer.
    #[error("the token is from another issuer")]
    Issuer,
    /// About something else.
    #[error("the token is about something else")]
    Subject,
    /// For somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// Its `exp` has come.
    #[error("the token has expired")]
    Expired,
    /// Its `nbf` has not come.
    #[error("the token is not valid yet")]
    NotYet,
}
