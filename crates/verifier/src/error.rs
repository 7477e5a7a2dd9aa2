//! What can go wrong when keys and status lists are fetched, and when a verifier is set up.
//!
//! Why a token is refused is another matter: `rejection.rs`.

use std::error::Error as StdError;
use std::sync::Arc;

use aquaware_token::id::InvalidId;
use aquaware_token::jwt::TokenError;
use thiserror::Error;

use crate::fetch::{FetchError, TIMEOUT};
use crate::lists::MOST_LISTS;

/// Keys or a status list could not be fetched. What is already there stays in use.
#[derive(Debug, Error)]
#[error("nothing usable from {url}")]
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
    #[error("the answer is too long")]
    TooLong,
    /// It has a content coding that wasn't asked for, or isn't what its coding says.
    #[error("the answer can't be unpacked")]
    Coding,
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
    /// It is no status list, or not a good one (draft-ietf-oauth-status-list-20 §8.3).
    #[error("the answer is no status list to go by")]
    StatusList(#[source] TokenError),
    /// It is a good status list, but was signed before the one in hand and says something else: a
    /// cache on the way has kept it, or another machine of the issuer has a wrong clock.
    #[error("the status list is older than the one in hand")]
    Older,
    /// It doesn't say which status lists there are (§9.2).
    #[error("the answer is no list of status lists")]
    NotAnAggregation,
    /// Status lists may not come from there: it is neither the issuer's origin nor one that was
    /// allowed by name, or it isn't safe. Nothing was asked.
    #[error("status lists may not come from there")]
    Foreign,
    /// As many status lists are kept as there may be. Nothing was asked.
    #[error("there are more than {MOST_LISTS} status lists")]
    TooMany,
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
    /// Below the least.
    #[error("the staleness of status lists is less than {} s", crate::builder::LEAST_STATUS_STALENESS.as_secs())]
    StatusStaleness,
    /// A status list that was given isn't good.
    #[error("the status list of {0} is not good")]
    StatusList(String, #[source] TokenError),
    /// An address that keys or status lists may not come from.
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

/// An error and what caused it, in one line.
pub(crate) fn whole(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
