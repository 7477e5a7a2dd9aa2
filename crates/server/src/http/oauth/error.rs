//! The errors of `/oauth2/*`: RFC 6749 §5.2 for what it has a word for, a problem document for the
//! rest.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use aquaware_core::service::{ClientError, LoginError, RefreshError};
use serde::Serialize;

use crate::http::body::oauth::FormError;
use crate::http::login::Refused;
use crate::http::problem::Problem;

/// The words of RFC 6749 §5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    UnauthorizedClient,
    UnsupportedGrantType,
    InvalidScope,
}

impl Word {
    const fn text(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::InvalidClient => StatusCode::UNAUTHORIZED,
            Self::InvalidRequest
            | Self::InvalidGrant
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType
            | Self::InvalidScope => StatusCode::BAD_REQUEST,
        }
    }
}

/// Why an OAuth request is refused.
#[derive(Debug)]
pub(super) enum OauthError {
    /// In the words of RFC 6749, with a description in its characters.
    Told(Word, String),
    /// What it has no word for.
    Problem(Problem),
}

impl OauthError {
    pub(super) fn new(word: Word, description: &str) -> Self {
        Self::Told(word, description.to_owned())
    }

    pub(super) fn missing(parameter: &str) -> Self {
        Self::Told(Word::InvalidRequest, format!("The parameter {parameter} is missing."))
    }

    pub(super) fn invalid_client() -> Self {
        Self::new(Word::InvalidClient, "The client could not be authenticated.")
    }
}

impl fmt::Display for OauthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told(word, _) => f.write_str(word.text()),
            Self::Problem(problem) => problem.fmt(f),
        }
    }
}

impl std::error::Error for OauthError {}

#[derive(Serialize)]
struct Body<'a> {
    error: &'static str,
    error_description: &'a str,
}

impl ResponseError for OauthError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Told(word, _) => word.status(),
            Self::Problem(problem) => problem.status_code(),
        }
    }

    fn error_response(&self) -> HttpResponse {
        let (word, description) = match self {
            Self::Told(word, description) => (*word, description),
            Self::Problem(problem) => return problem.error_response(),
        };
        let mut response = HttpResponse::build(word.status());
        response
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::PRAGMA, "no-cache"));
        if word == Word::InvalidClient {
            let basic = HeaderValue::from_static(r#"Basic realm="aquaware", charset="UTF-8""#);
            response.insert_header((header::WWW_AUTHENTICATE, basic));
        }
        response.json(Body { error: word.text(), error_description: description })
    }
}

impl From<Problem> for OauthError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<FormError> for OauthError {
    fn from(error: FormError) -> Self {
        match error {
            FormError::Refused(problem) => Self::Problem(problem),
            FormError::InvalidRequest(description) => Self::Told(Word::InvalidRequest, description),
        }
    }
}

impl From<ClientError> for OauthError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Invalid => Self::invalid_client(),
            ClientError::NotAllowed => {
                Self::new(Word::UnauthorizedClient, "The client may not use this grant.")
            }
            ClientError::InvalidScope => scope(),
            ClientError::Overloaded(overloaded) => Self::Problem(overloaded.into()),
            ClientError::Failure(failure) => Self::Problem(failure.into()),
        }
    }
}

impl From<RefreshError> for OauthError {
    /// One answer for every dead token (RFC 6749 §5.2): nobody learns why it is dead.
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Token(_)
            | RefreshError::Unknown
            | RefreshError::Expired
            | RefreshError::Reused
            | RefreshError::Ended(_)
            | RefreshError::Foreign => Self::new(
                Word::InvalidGrant,
                "The refresh token is invalid, expired, revoked or another client's.",
            ),
            RefreshError::NotAllowed => {
                Self::new(Word::UnauthorizedClient, "The client may not use this grant.")
            }
            RefreshError::InvalidScope => scope(),
            RefreshError::Failure(failure) => Self::Problem(failure.into()),
        }
    }
}

impl From<Refused> for OauthError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Here(problem) => Self::Problem(problem),
            Refused::There(LoginError::InvalidCredentials) => {
                Self::new(Word::InvalidGrant, "The user name or the password is wrong.")
            }
            Refused::There(LoginError::UnknownClient) => Self::invalid_client(),
            Refused::There(LoginError::NotAllowed) => {
                Self::new(Word::UnauthorizedClient, "The client may not use this grant.")
            }
            Refused::There(LoginError::InvalidScope) => scope(),
            Refused::There(LoginError::Overloaded(overloaded)) => Self::Problem(overloaded.into()),
            Refused::There(LoginError::Failure(failure)) => Self::Problem(failure.into()),
        }
    }
}

/// A scope that is malformed, or more than there is to give.
pub(super) fn scope() -> OauthError {
    OauthError::new(Word::InvalidScope, "The scope is malformed or wider than allowed.")
}
