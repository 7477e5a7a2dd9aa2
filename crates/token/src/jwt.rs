//! JSON Web Signatures in compact serialization (RFC 7515 §3.1): keys, signing and verification.
//!
//! This is the only module that uses the `jsonwebtoken` crate, for keys and signatures. The rules
//! for headers and claims are implemented here and are strict (RFC 8725 §3): one algorithm per key,
//! explicit types, no critical extensions, no duplicate names, canonical base64url, and numbers
//! that are JSON numbers.

mod algorithm;
mod digest;
mod django_form;
mod generate;
mod jwk;
mod key;
mod profile;
mod sign;
mod token_type;
mod verify;

pub use self::algorithm::{Algorithm, AlgorithmError};
pub use self::digest::TokenDigest;
pub use self::django_form::DjangoForm;
pub use self::generate::{KeyGenerationError, generate_key};
pub use self::jwk::{KeySet, PublicKey, PublicKeySet};
pub use self::key::{KeyError, SigningKey, VerifyingKey};
pub use self::profile::{Profile, ProfileBuilder, ProfileError, ScopeClaim};
pub use self::sign::SignError;
pub use self::token_type::{MAX_STATUS_LIST_BYTES, MAX_TOKEN_BYTES, TokenType};
pub use self::verify::{
    AccessCheck, Keys, MessageCheck, RefreshCheck, SimpleJwtCheck, SimpleJwtClaims, SimpleJwtError,
    StatusListCheck, Unverified, Verified, inspect, unverified_issuer,
};
pub use crate::error::TokenError;
