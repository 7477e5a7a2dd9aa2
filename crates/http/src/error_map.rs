//! The one map from what the use cases say to what clients read.
//!
//! Every match is without `_`: a new outcome must be given its answer here. Causes end here too,
//! in one log line; public text never holds one.

use std::time::Duration;

use aquaware_core::password::{Overloaded, Weakness};
use aquaware_core::service::{
    AuthError, LoginError, PasswordError, RefreshError, ServiceError, SignUpError, StatusListError,
};
use aquaware_core::store::StoreError;

use super::problem::{Code, FieldError, Problem};
use crate::error_chain::chain;

/// After how long a client may try a store again that failed.
const STORE_PATIENCE: Duration = Duration::from_secs(1);

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::from(&error)
    }
}

impl From<&StoreError> for Problem {
    fn from(error: &StoreError) -> Self {
        let cause = chain(error);
        match error {
            StoreError::Unreachable(_)
            | StoreError::UnknownOutcome(_)
            | StoreError::Rejected(_) => {
                tracing::error!(%cause, "store unavailable");
                Self::from(Code::StoreUnavailable).retry_after(STORE_PATIENCE)
            }
            StoreError::Corrupt { .. } => {
                tracing::error!(%cause, "corrupt record");
                Self::from(Code::InternalError)
            }
        }
    }
}

impl From<ServiceError> for Problem {
    fn from(failure: ServiceError) -> Self {
        match failure {
            ServiceError::Store(error) => error.into(),
            ServiceError::Sign(_) | ServiceError::IdTaken(_) => {
                tracing::error!(cause = %failure, "a token could not be made");
                Self::from(Code::InternalError)
            }
        }
    }
}

impl From<StatusListError> for Problem {
    fn from(error: StatusListError) -> Self {
        match error {
            StatusListError::SharedSecret => Self::from(Code::NotFound),
            StatusListError::Store(error) => Self::from(&*error),
            StatusListError::Sign(error) => ServiceError::from(error).into(),
        }
    }
}

impl From<Overloaded> for Problem {
    fn from(_: Overloaded) -> Self {
        tracing::warn!("password checks overloaded");
        Self::from(Code::Overloaded).retry_after(Duration::from_secs(2))
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Token(_) | AuthError::SessionOver => Self::invalid_token(),
            AuthError::Store(error) => error.into(),
        }
    }
}

impl From<RefreshError> for Problem {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Token(_) | RefreshError::Unknown => Self::from(Code::InvalidRefreshToken),
            RefreshError::Expired => Self::from(Code::RefreshTokenExpired),
            RefreshError::Reused => Self::from(Code::RefreshTokenReused),
            RefreshError::Ended(_) => Self::from(Code::SessionRevoked),
            RefreshError::NotAllowed => Self::from(Code::ClientNotAllowed),
            RefreshError::Foreign => Self::from(Code::InvalidRefreshToken),
            RefreshError::InvalidScope => Self::from(Code::InvalidScope),
            RefreshError::Service(failure) => failure.into(),
        }
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::InvalidCredentials => Self::from(Code::InvalidCredentials),
            LoginError::UnknownClient => Self::from(Code::UnknownClient),
            LoginError::NotAllowed => Self::from(Code::ClientNotAllowed),
            LoginError::InvalidScope => Self::from(Code::InvalidScope),
            LoginError::Overloaded(overloaded) => overloaded.into(),
            LoginError::Service(failure) => failure.into(),
        }
    }
}

impl From<SignUpError> for Problem {
    fn from(error: SignUpError) -> Self {
        match error {
            SignUpError::Email => {
                Self::invalid_fields(vec![FieldError::new("email", "is not an e-mail address")])
            }
            SignUpError::Taken => Self::from(Code::AccountExists),
            SignUpError::Weak(why) => weak("password", &why),
            SignUpError::Overloaded(overloaded) => overloaded.into(),
            SignUpError::Store(error) => error.into(),
        }
    }
}

impl From<PasswordError> for Problem {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Wrong => Self::from(Code::InvalidCredentials),
            PasswordError::Weak(why) => weak("new_password", &why),
            PasswordError::Overloaded(overloaded) => overloaded.into(),
            PasswordError::Store(error) => error.into(),
        }
    }
}

fn weak(field: &str, why: &[Weakness]) -> Problem {
    let errors = why.iter().map(|weakness| FieldError::new(field, weakness.to_string())).collect();
    Problem::from(Code::WeakPassword).with_errors(errors)
}
