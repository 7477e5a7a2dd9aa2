//! The reasons for which a token is rejected, and the one-line form of any error.

use std::fmt::Write as _;

use thiserror::Error;

/// The reason for which a token is rejected.
///
/// The messages are safe to return to the client: they reveal nothing beyond the token itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The token is longer than the limit for its type.
    #[error("the token is too long")]
    TooLong,
    /// The token does not consist of three parts of canonical base64url, or its header is not a
    /// JSON object with unique names.
    #[error("the token is malformed")]
    Malformed,
    /// The header has a `crit` member; no critical extensions are supported (RFC 7515 §4.1.11).
    #[error("the token has unsupported critical extensions")]
    CriticalHeader,
    /// The `typ` is not the expected one.
    #[error("the token is of the wrong type")]
    WrongType,
    /// The `kid` is missing or unknown.
    #[error("the token's key is unknown")]
    UnknownKey,
    /// The `alg` is not the algorithm of the key; `none` is never accepted.
    #[error("the token's algorithm does not match its key")]
    WrongAlgorithm,
    /// The signature does not match.
    #[error("the token's signature is invalid")]
    InvalidSignature,
    /// The payload is not a JSON object with unique names.
    #[error("the token's claims are not a JSON object with unique names")]
    MalformedClaims,
    /// A required claim is missing.
    #[error("the token has no claim \"{claim}\"")]
    MissingClaim {
        /// The name of the claim.
        claim: &'static str,
    },
    /// A claim has the wrong type or an invalid value.
    #[error("the token's claim \"{claim}\" is malformed")]
    MalformedClaim {
        /// The name of the claim.
        claim: &'static str,
    },
    /// The claims that RFC 9068 does not define cannot be read as the type that the caller expects.
    #[error("the token's additional claims do not have the expected form")]
    UnexpectedClaims,
    /// The `iss` is not the expected issuer.
    #[error("the token is from another issuer")]
    WrongIssuer,
    /// The `sub` of a status list is not its address.
    #[error("the token has another subject")]
    WrongSubject,
    /// No accepted audience is in `aud`.
    #[error("the token is for another audience")]
    WrongAudience,
    /// The token has reached its `exp`.
    #[error("the token has expired")]
    Expired,
    /// The token has not reached its `nbf`.
    #[error("the token is not valid yet")]
    NotYetValid,
}

/// `error` and its causes on one line, outermost first: for logs and terminals, never for clients.
#[must_use]
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let _ = write!(line, ": {next}");
        cause = next.source();
    }
    line
}
