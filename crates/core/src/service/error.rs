//! One error for embedders: every error of the sessions converts into it, and [`Error::kind`] is all
//! that a transport needs to know.

use thiserror::Error;

use super::ServiceError;
use super::refresh::RefreshError;
use super::sessions::AuthError;
use crate::claims::ScopeError;
use crate::id::{ClientId, IdError};
use crate::jwt::{KeyGenerationError, TokenError};
use crate::keys::RingError;
use crate::policy::{ProfileErrors, UnknownClientError};
use crate::retry::InvalidRetryKeyError;
use crate::store::{Cause, StoreError};

/// Any error of building or using [`Sessions`](super::Sessions).
///
/// The use cases return narrower types, for callers that treat each reason differently.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// An id is invalid.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A scope is invalid.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// An `Idempotency-Key` is invalid.
    #[error(transparent)]
    RetryKey(#[from] InvalidRetryKeyError),
    /// The settings of a client are invalid.
    #[error("invalid settings of the client \"{client}\"")]
    Settings {
        /// The client.
        client: ClientId,
        /// Everything that is wrong with its settings.
        #[source]
        source: ProfileErrors,
    },
    /// No client with this id is configured.
    #[error(transparent)]
    UnknownClient(#[from] UnknownClientError),
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] RingError),
    /// A key could not be generated.
    #[error(transparent)]
    KeyGeneration(#[from] KeyGenerationError),
    /// An access token does not authenticate its bearer.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// A refresh was rejected.
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    /// A valid request could not be carried out.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// A store or a source of keys could not be opened.
    #[error(transparent)]
    Adapter(Cause),
}

/// What an [`enum@Error`] means to the sender of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is invalid: 400 in HTTP.
    InvalidRequest,
    /// The token is not accepted, and the user must log in again: 401 in HTTP.
    Unauthenticated,
    /// The request may succeed if it is repeated later: 503 in HTTP.
    Unavailable,
    /// The server is at fault: 500 in HTTP.
    Internal,
}

impl Error {
    /// What the error means to the sender of the request.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Id(_) | Self::Scope(_) | Self::RetryKey(_) | Self::UnknownClient(_) => {
                ErrorKind::InvalidRequest
            }
            Self::Settings { .. } | Self::Keys(_) | Self::KeyGeneration(_) | Self::Adapter(_) => {
                ErrorKind::Internal
            }
            Self::Auth(AuthError::Token(_) | AuthError::SessionOver) => ErrorKind::Unauthenticated,
            Self::Auth(AuthError::Store(error)) => of_store(error),
            Self::Refresh(RefreshError::InvalidScope) => ErrorKind::InvalidRequest,
            Self::Refresh(RefreshError::Service(error)) | Self::Service(error) => of_service(error),
            Self::Refresh(_) => ErrorKind::Unauthenticated,
        }
    }
}

const fn of_service(error: &ServiceError) -> ErrorKind {
    match error {
        ServiceError::Store(error) => of_store(error),
        ServiceError::ClockUnreliable => ErrorKind::Unavailable,
        ServiceError::Sign(_) | ServiceError::IdTaken(_) => ErrorKind::Internal,
    }
}

const fn of_store(error: &StoreError) -> ErrorKind {
    match error {
        StoreError::Corrupt { .. } => ErrorKind::Internal,
        _ => ErrorKind::Unavailable,
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Service(error.into())
    }
}

impl From<TokenError> for Error {
    fn from(error: TokenError) -> Self {
        Self::Auth(error.into())
    }
}
