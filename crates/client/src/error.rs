//! Why a call failed, and why a session ended.

use std::io;

/// A call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The session does not exist or has ended. Log in again.
    #[error("not logged in{}", reason.map(|it| format!(": {it}")).unwrap_or_default())]
    LoggedOut {
        /// Why the session ended, if this call learned it.
        reason: Option<Reason>,
    },
    /// Nothing was decided, or the outcome is unknown. The session is unaffected; the next call
    /// continues the same attempt.
    #[error("the server is unavailable")]
    Unavailable,
    /// The server or a proxy rejected the request. The session is unaffected.
    #[error("the server answered {status}: {code}")]
    Rejected {
        /// The HTTP status.
        status: u16,
        /// The server's code, such as `invalid_credentials`; empty if a proxy answered.
        code: String,
    },
    /// The storage failed. A response that could not be saved was not used, and is repeated by the
    /// next call.
    #[error("cannot use the storage of the session")]
    Storage(#[source] io::Error),
    /// The request goes to an origin that may not receive the access token; see
    /// [`Builder::origin`](crate::Builder::origin).
    #[error("{origin} is not an origin that may receive the access token")]
    ForbiddenOrigin {
        /// The origin.
        origin: String,
    },
    /// A request that was sent with the access token failed.
    #[error("the request failed")]
    Request(#[source] reqwest::Error),
}

/// Why a session ended: the four codes of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The refresh token was not used in time.
    Expired,
    /// Another party has a copy of the refresh token.
    Reused,
    /// The session was ended: by a logout, a password change, or a reuse.
    Revoked,
    /// The token is not one of this server.
    Invalid,
}

impl Reason {
    pub(crate) fn of(code: &str) -> Option<Self> {
        [Self::Expired, Self::Reused, Self::Revoked, Self::Invalid]
            .into_iter()
            .find(|reason| reason.as_str() == code)
    }

    /// The server's code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "refresh_token_expired",
            Self::Reused => "refresh_token_reused",
            Self::Revoked => "session_revoked",
            Self::Invalid => "invalid_refresh_token",
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A client cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The issuer or an origin is not an http or https URL.
    #[error("{0:?} is not an http or https URL")]
    Url(String),
    /// TLS cannot be set up, for example because the system has no root certificates.
    #[error("cannot set up the HTTP client")]
    Http(#[source] reqwest::Error),
}
