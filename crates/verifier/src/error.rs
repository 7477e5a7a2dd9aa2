//! What can go wrong when keys are fetched, and when a verifier is set up.
//!
//! Why a token is refused is another matter: `rejection.rs`.

use std::sync::Arc;

use aquaware_core::id::InvalidId;
use thiserror::Error;

use crate::fetch::{FetchError, MAX_BYTES, TIMEOUT};

/// Keys could not be fetched. The ones already there stay in use.
#[derive(Debug, Error)]
#[error("no keys from {url}")]
pub struct RefreshError {
    /// What was asked.
    pub url: String,
    /// What was wrong.
    #[source]
    pub problem: Problem,
}

/// What was wrong with an answer.
#[derive(Debug, Error)]
pub enum Problem {
    /// There was none.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// There was none in time.
    #[error("no whole answer within {} s", TIMEOUT.as_secs())]
    TimedOut,
    /// Neither 200 nor, where that was asked for, 304. A redirect is one of these.
    #[error("answered with status {0}")]
    Status(u16),
    /// It is too long.
    #[error("the answer is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// It is no metadata of an authorisation server (RFC 8414 §2) with a `jwks_uri`.
    #[error("the answer is no metadata with a jwks_uri")]
    NotMetadata,
    /// The metadata is another issuer's (RFC 8414 §3.3).
    #[error("the metadata is of another issuer")]
    OtherIssuer,
    /// The metadata has the keys at an address that isn't safe to read keys from.
    #[error("the jwks_uri is not an https URL")]
    Insecure,
    /// It is no JWK Set.
    #[error("the answer is no key set")]
    NotAKeySet,
    /// No key in it can check anything here.
    #[error("the key set has no usable key")]
    NoUsableKey,
}

/// A verifier could not be set up.
#[derive(Debug, Error)]
pub enum StartError {
    /// A name that isn't one.
    #[error(transparent)]
    Name(#[from] InvalidId),
    /// Nothing was said about whom tokens must be for. Without that, a token for any service opens
    /// every service.
    #[error("no audience is named")]
    NoAudience,
    /// More than a minute.
    #[error("the leeway is more than 60 s")]
    Leeway,
    /// An empty list, or one with a shared secret in it.
    #[error("the algorithms must be some of EdDSA, ES256 and RS256")]
    Algorithms,
    /// Below the least.
    #[error("the cooldown is less than {} s", crate::builder::LEAST_COOLDOWN.as_secs())]
    Cooldown,
    /// Below the least.
    #[error("the staleness allowed is less than {} s", crate::builder::LEAST_STALENESS.as_secs())]
    Staleness,
    /// An address that keys may not come from.
    #[error("{0} is not an https URL")]
    Insecure(String),
    /// The fixed set is none, or has no usable key.
    #[error("the key set has no usable key")]
    NoUsableKey,
    /// The HTTP client could not be set up, or the crate was built without one.
    #[error("there is no HTTP client")]
    NoClient(#[source] Option<FetchError>),
    /// The first fetch failed.
    #[error("the keys could not be fetched")]
    Refresh(#[source] Arc<RefreshError>),
}
