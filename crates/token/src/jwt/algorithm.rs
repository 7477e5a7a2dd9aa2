//! Signature algorithms.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A signature algorithm. Every key has exactly one (RFC 8725 §3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Algorithm {
    /// Ed25519 under its older name (RFC 8037).
    #[default]
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// Ed25519 under its fully specified name (RFC 9864 §2.2).
    #[serde(rename = "Ed25519")]
    Ed25519,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, which RFC 9068 §2.1 requires of every implementation.
    #[serde(rename = "RS256")]
    Rs256,
    /// HMAC with SHA-256. Verification requires the same secret as signing.
    #[serde(rename = "HS256")]
    Hs256,
}

/// The name is not that of a supported algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("unsupported signature algorithm")]
pub struct AlgorithmError;

impl Algorithm {
    /// Every supported algorithm.
    pub const ALL: &'static [Self] =
        &[Self::EdDsa, Self::Ed25519, Self::Es256, Self::Rs256, Self::Hs256];

    /// The algorithm's `alg` value (RFC 7518 §3.1).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Ed25519 => "Ed25519",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Hs256 => "HS256",
        }
    }

    /// Whether the key is a shared secret, which must never be published.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256)
    }
}

impl FromStr for Algorithm {
    type Err = AlgorithmError;

    /// Parses an `alg` value. `EdDSA` and `Ed25519` are different: a key is bound to one name.
    fn from_str(alg: &str) -> Result<Self, AlgorithmError> {
        Self::ALL.iter().copied().find(|known| known.as_str() == alg).ok_or(AlgorithmError)
    }
}
