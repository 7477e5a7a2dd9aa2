//! Maps the errors of the use cases to responses: problems, and the errors of RFC 6749 for
//! `/oauth2/*`. No other module does.
//!
//! No match has a `_` arm, so a new error must be given its response here. Causes are logged here,
//! once, and never appear in a response.

use std::time::Duration;

use aquaware_core::password::{Overloaded, Weakness};
use aquaware_core::policy::InvalidTargetError;
use aquaware_core::service::{
    AuthError, ClientError, LoginError, PasswordError, RefreshError, ResetError, ServiceError,
    SignUpError, StatusListError, VerifyError,
};
use aquaware_core::store::StoreError;

use crate::error_code::ErrorCode;
use crate::login::LoginRejection;
use crate::oauth_error::{OauthError, OauthErrorCode};
use crate::problem::{FieldError, Problem};
use aquaware_core::error_chain;

/// When a client may retry while the clock is wrong.
const CLOCK_RETRY: Duration = Duration::from_secs(60);
/// When a client may retry after a store failure.
const STORE_RETRY: Duration = Duration::from_secs(1);

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::from(&error)
    }
}

impl From<&StoreError> for Problem {
    fn from(error: &StoreError) -> Self {
        let cause = error_chain(error);
        match error {
            StoreError::Unreachable(_)
            | StoreError::UnknownOutcome(_)
            | StoreError::Rejected(_) => {
                tracing::error!(%cause, "store unavailable");
                Self::from(ErrorCode::StoreUnavailable).retry_after(STORE_RETRY)
            }
            StoreError::Corrupt { .. } => {
                tracing::error!(%cause, "corrupt record");
                Self::from(ErrorCode::InternalError)
            }
        }
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Store(error) => error.into(),
            ServiceError::ClockUnreliable => {
                tracing::error!(cause = %error, "clock unreliable");
                Self::from(ErrorCode::ClockUnreliable).retry_after(CLOCK_RETRY)
            }
            ServiceError::Sign(_) | ServiceError::IdTaken(_) => {
                tracing::error!(cause = %error, "failed to issue a token");
                Self::from(ErrorCode::InternalError)
            }
        }
    }
}

impl From<StatusListError> for Problem {
    fn from(error: StatusListError) -> Self {
        match error {
            StatusListError::SharedSecret => Self::from(ErrorCode::NotFound),
            StatusListError::Store(error) => Self::from(&*error),
            StatusListError::Sign(error) => ServiceError::from(error).into(),
        }
    }
}

impl From<Overloaded> for Problem {
    fn from(_: Overloaded) -> Self {
        tracing::warn!("password checks overloaded");
        Self::from(ErrorCode::Overloaded).retry_after(Duration::from_secs(2))
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
            RefreshError::Token(_) | RefreshError::Unknown => {
                Self::from(ErrorCode::InvalidRefreshToken)
            }
            RefreshError::Expired => Self::from(ErrorCode::RefreshTokenExpired),
            RefreshError::Reused => Self::from(ErrorCode::RefreshTokenReused),
            RefreshError::Ended(_) => Self::from(ErrorCode::SessionRevoked),
            RefreshError::NotAllowed => Self::from(ErrorCode::ClientNotAllowed),
            RefreshError::Foreign => Self::from(ErrorCode::InvalidRefreshToken),
            RefreshError::InvalidScope => Self::from(ErrorCode::InvalidScope),
            RefreshError::Service(error) => error.into(),
        }
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::InvalidCredentials => Self::from(ErrorCode::InvalidCredentials),
            LoginError::EmailNotVerified(_) => Self::from(ErrorCode::EmailNotVerified),
            LoginError::NotAllowed => Self::from(ErrorCode::ClientNotAllowed),
            LoginError::InvalidScope => Self::from(ErrorCode::InvalidScope),
            LoginError::Overloaded(overloaded) => overloaded.into(),
            LoginError::Service(error) => error.into(),
        }
    }
}

impl From<SignUpError> for Problem {
    fn from(error: SignUpError) -> Self {
        match error {
            SignUpError::Email => Self::invalid_fields(vec![FieldError::new(
                "email",
                "is not a valid e-mail address",
            )]),
            SignUpError::Taken => Self::from(ErrorCode::AccountExists),
            SignUpError::Weak(why) => weak("password", &why),
            SignUpError::Overloaded(overloaded) => overloaded.into(),
            SignUpError::Store(error) => error.into(),
        }
    }
}

impl From<PasswordError> for Problem {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Wrong => Self::from(ErrorCode::InvalidCredentials),
            PasswordError::Weak(why) => weak("new_password", &why),
            PasswordError::Overloaded(overloaded) => overloaded.into(),
            PasswordError::Store(error) => error.into(),
        }
    }
}

impl From<ResetError> for Problem {
    fn from(error: ResetError) -> Self {
        match error {
            ResetError::Token => Self::from(ErrorCode::InvalidMessageToken),
            ResetError::Weak(why) => weak("new_password", &why),
            ResetError::Overloaded(overloaded) => overloaded.into(),
            ResetError::Store(error) => error.into(),
        }
    }
}

impl From<VerifyError> for Problem {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Token => Self::from(ErrorCode::InvalidMessageToken),
            VerifyError::Taken => Self::from(ErrorCode::AccountExists),
            VerifyError::Store(error) => error.into(),
        }
    }
}

impl From<InvalidTargetError> for Problem {
    fn from(_: InvalidTargetError) -> Self {
        Self::from(ErrorCode::InvalidTarget)
    }
}

impl From<InvalidTargetError> for OauthError {
    fn from(_: InvalidTargetError) -> Self {
        Self::new(OauthErrorCode::InvalidTarget, "A resource is not an audience of the client.")
    }
}

impl From<ClientError> for OauthError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Invalid => Self::invalid_client(),
            ClientError::NotAllowed => Self::unauthorized_client(),
            ClientError::InvalidScope => Self::invalid_scope(),
            ClientError::Overloaded(overloaded) => Self::Problem(overloaded.into()),
            ClientError::Service(error) => Self::Problem(error.into()),
        }
    }
}

impl From<RefreshError> for OauthError {
    /// All unusable tokens get the same response (RFC 6749 §5.2), which does not reveal the reason.
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Token(_)
            | RefreshError::Unknown
            | RefreshError::Expired
            | RefreshError::Reused
            | RefreshError::Ended(_)
            | RefreshError::Foreign => Self::new(
                OauthErrorCode::InvalidGrant,
                "The refresh token is invalid, expired, revoked or belongs to another client.",
            ),
            RefreshError::NotAllowed => Self::unauthorized_client(),
            RefreshError::InvalidScope => Self::invalid_scope(),
            RefreshError::Service(error) => Self::Problem(error.into()),
        }
    }
}

impl From<LoginRejection> for OauthError {
    fn from(rejection: LoginRejection) -> Self {
        match rejection {
            LoginRejection::Problem(problem) => Self::Problem(problem),
            LoginRejection::Login(LoginError::InvalidCredentials) => {
                Self::new(OauthErrorCode::InvalidGrant, "The user name or password is wrong.")
            }
            LoginRejection::Login(LoginError::EmailNotVerified(_)) => Self::new(
                OauthErrorCode::InvalidGrant,
                "The e-mail address is not verified yet. Follow the link in the message sent to it.",
            ),
            LoginRejection::Login(LoginError::NotAllowed) => Self::unauthorized_client(),
            LoginRejection::Login(LoginError::InvalidScope) => Self::invalid_scope(),
            LoginRejection::Login(LoginError::Overloaded(overloaded)) => {
                Self::Problem(overloaded.into())
            }
            LoginRejection::Login(LoginError::Service(error)) => Self::Problem(error.into()),
        }
    }
}

fn weak(field: &str, why: &[Weakness]) -> Problem {
    let errors = why.iter().map(|weakness| FieldError::new(field, weakness.to_string())).collect();
    Problem::from(ErrorCode::WeakPassword).with_errors(errors)
}
