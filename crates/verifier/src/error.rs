//! The errors of this crate: a rejected token, a failed refresh, a failed set-up.

use std::sync::Arc;

use aquaware_token::claims::InsufficientScopeError;
use aquaware_token::id::IdError;
use aquaware_token::jwt::TokenError;
use thiserror::Error;

use crate::fetch::FetchError;
use crate::limits::{
    FETCH_TIMEOUT, MAX_STATUS_LISTS, MIN_COOLDOWN, MIN_MAX_STALENESS, MIN_MAX_STATUS_STALENESS,
};

/// Why a token is rejected. Reveals nothing that the bearer of the token does not know.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The token breaks a rule. A `kid` that is not in the key set is [`Self::UnknownKey`] instead.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The key set has no key with the token's `kid`. Unless the cooldown forbids it, the keys are
    /// being fetched: a token signed with a newly published key becomes valid a moment later.
    #[error("the token's key is unknown")]
    UnknownKey,
    /// No keys have been fetched yet.
    #[error("the signing keys have not been fetched yet")]
    NoKeys,
    /// The keys are stale, and the policy is [`StalePolicy::Reject`](crate::StalePolicy::Reject).
    #[error("the signing keys are stale")]
    StaleKeys,
    /// The token is bound to a key of its bearer (`cnf`: DPoP, mutual TLS), and the service does
    /// not check possession of that key.
    #[error("the token is bound to a key")]
    BoundToken,
    /// The status list marks the token as invalid or suspended.
    #[error("the token was revoked")]
    Revoked,
    /// The token's index is beyond the end of its status list.
    #[error("the token's index is not in its status list")]
    NotListed,
    /// The token names a status list at an origin that is not allowed. Nothing was fetched. Status
    /// lists are allowed from the issuer's origin and those given to
    /// [`Builder::status_lists_at`](crate::Builder::status_lists_at).
    #[error("the token's status list is at an untrusted origin")]
    UntrustedStatusList,
    /// The token's status list has not been fetched yet. It is being fetched.
    #[error("the token's status list has not been fetched yet")]
    NoStatusList,
    /// The token's status list has expired, or is stale under
    /// [`StalePolicy::Reject`](crate::StalePolicy::Reject).
    #[error("the token's status list is stale")]
    StaleStatusList,
    /// The token is valid, but lacks a required scope.
    #[error(transparent)]
    Scope(#[from] InsufficientScopeError),
}

impl VerifyError {
    /// Whether the same token may be accepted once keys or its status list have been fetched.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::UnknownKey) || self.is_unavailable()
    }

    /// Whether the verifier lacks keys or a status list, so that it cannot check the token at all.
    /// Respond with 503 instead of 401.
    #[must_use]
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::NoKeys | Self::StaleKeys | Self::NoStatusList | Self::StaleStatusList)
    }
}

/// A refresh of the keys or of a status list failed. The previous version stays in use.
#[derive(Debug, Error)]
#[error("failed to refresh {url}")]
pub struct RefreshError {
    /// The URL of the document.
    pub url: String,
    /// The cause.
    pub source: DocumentError,
}

/// Why a document is unusable.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// No response arrived.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The response did not arrive in time.
    #[error("no complete response within {} s", FETCH_TIMEOUT.as_secs())]
    TimedOut,
    /// The status is neither 200 nor, after a conditional request, 304. Redirects are not followed.
    #[error("the response has status {0}")]
    Status(u16),
    /// The body exceeds its limit, before or after decompression.
    #[error("the response is too large")]
    TooLarge,
    /// The `Content-Encoding` was not requested, or the body does not match it.
    #[error("the response cannot be decoded")]
    Encoding,
    /// The file of keys cannot be read.
    #[error("the file cannot be read")]
    File(#[source] std::io::Error),
    /// The response is not authorization server metadata (RFC 8414 §2) with a `jwks_uri`.
    #[error("the response is not authorization server metadata with a jwks_uri")]
    NotMetadata,
    /// The metadata belongs to another issuer (RFC 8414 §3.3).
    #[error("the metadata names the issuer {found:?}, expected {expected:?}")]
    WrongIssuer {
        /// The `issuer` in the metadata, cut off if it is very long.
        found: String,
        /// The issuer given to the builder.
        expected: String,
    },
    /// The `jwks_uri` in the metadata is not safe to read keys from.
    #[error("the jwks_uri in the metadata is not an https URL")]
    InsecureKeys,
    /// The response is not a JWK set.
    #[error("the response is not a JWK set")]
    NotAKeySet,
    /// The JWK set contains no key that could verify a token.
    #[error("the JWK set contains no usable key")]
    NoUsableKey,
    /// The response is not a valid status list (draft-ietf-oauth-status-list-20 §8.3).
    #[error("the response is not a valid status list")]
    StatusList(#[source] TokenError),
    /// The status list was signed before the cached one and differs from it. An HTTP cache has kept
    /// an old version, or the clock of one of the issuer's machines is wrong.
    #[error("the status list is older than the cached one")]
    OlderStatusList,
    /// The response is not a status list aggregation (§9.2).
    #[error("the response is not a status list aggregation")]
    NotAnAggregation,
    /// Status lists are not allowed from this origin, or the URL is not https. Nothing was fetched.
    #[error("status lists are not allowed from this origin")]
    UntrustedOrigin,
    /// The cache of status lists is full. Nothing was fetched.
    #[error("more than {MAX_STATUS_LISTS} status lists are in use")]
    TooManyStatusLists,
}

/// A verifier could not be set up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The issuer or an audience is not a valid identifier.
    #[error(transparent)]
    Id(#[from] IdError),
    /// The leeway is too long.
    #[error("the leeway exceeds 60 s")]
    Leeway,
    /// The list of algorithms is empty or contains a symmetric one.
    #[error("the algorithms must be one or more of EdDSA, ES256 and RS256")]
    Algorithms,
    /// The cooldown is too short.
    #[error("the cooldown is shorter than {} s", MIN_COOLDOWN.as_secs())]
    Cooldown,
    /// The maximum staleness of keys is too short.
    #[error("the maximum staleness of keys is shorter than {} s", MIN_MAX_STALENESS.as_secs())]
    Staleness,
    /// The maximum staleness of status lists is too short.
    #[error(
        "the maximum staleness of status lists is shorter than {} s",
        MIN_MAX_STATUS_STALENESS.as_secs()
    )]
    StatusStaleness,
    /// [`Verifier::any_of`](crate::Verifier::any_of) was given no verifier, or two of one issuer.
    #[error("the verifiers must be for different issuers, and at least one")]
    Issuers,
    /// A status list given to the builder is invalid.
    #[error("the status list {uri} is invalid")]
    StatusList {
        /// The URI under which it was given.
        uri: String,
        /// The cause.
        source: TokenError,
    },
    /// Keys or status lists must not be read from this URL.
    #[error("{0:?} is not an https URL; plain http requires allow_http()")]
    InsecureUrl(String),
    /// The fixed JWK set is invalid or contains no usable key.
    #[error("the JWK set contains no usable key")]
    NoUsableKey,
    /// The HTTP client could not be set up, or the crate was built without the feature `client`.
    #[error("no HTTP client; enable the feature `client` or set one with fetch()")]
    NoHttpClient(#[source] Option<FetchError>),
    /// The first fetch of the keys failed.
    #[error("failed to fetch the signing keys")]
    Refresh(#[source] Arc<RefreshError>),
}
