//! The errors of `/oauth2/*`: RFC 6749 §5.2 for what it has a word for, a problem document for the
//! rest.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use aquaware_core::service::{ClientError, LoginError, RefreshError};
use serde::Serialize;

use crate::body::oauth::FormError;
use crate::login::Refused;
use crate::problem::Problem;

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
            FormError::Problem(problem) => Self::Problem(problem),
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
            ClientError::Service(failure) => Self::Problem(failure.into()),
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
            RefreshError::Service(failure) => Self::Problem(failure.into()),
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
            Refused::There(LoginError::NotAllowed) => {
                Self::new(Word::UnauthorizedClient, "The client may not use this grant.")
            }
            Refused::There(LoginError::InvalidScope) => scope(),
            Refused::There(LoginError::Overloaded(overloaded)) => Self::Problem(overloaded.into()),
            Refused::There(LoginError::Service(failure)) => Self::Problem(failure.into()),
        }
    }
}

/// A scope that is malformed, or more than there is to give.
pub(super) fn scope() -> OauthError {
    OauthError::new(Word::InvalidScope, "The scope is malformed or wider than allowed.")
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use aquaware_core::jwt::{SignError, TokenError};
    use aquaware_core::password::Overloaded;
    use aquaware_core::service::ServiceError;
    use aquaware_core::session::EndReason;
    use aquaware_core::store::StoreError;

    use super::*;
    use crate::error_code::ErrorCode;
    use crate::problem::PROBLEM_JSON;

    const MARK: &str = "marked-cause-4711";

    struct Shown {
        status: u16,
        response: HttpResponse<()>,
        body: serde_json::Value,
    }

    impl Shown {
        fn header(&self, name: header::HeaderName) -> Option<&str> {
            self.response.headers().get(name).map(|value| value.to_str().unwrap())
        }
    }

    async fn shown(error: impl Into<OauthError>) -> Shown {
        let error = error.into();
        let response = error.error_response();
        assert_eq!(response.status(), error.status_code());
        let (response, body) = response.into_parts();
        let body = to_bytes(body).await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains(MARK), "a cause is public");
        let body = serde_json::from_slice(&body).unwrap();
        Shown { status: response.status().as_u16(), response, body }
    }

    fn outage() -> ServiceError {
        ServiceError::Store(StoreError::Unreachable(MARK.into()))
    }

    async fn is_word(error: impl Into<OauthError>, word: &str) -> Shown {
        let shown = shown(error).await;
        assert_eq!(shown.body["error"], word);
        let status = if word == "invalid_client" { 401 } else { 400 };
        assert_eq!(shown.status, status, "{word}");
        assert_eq!(shown.header(header::CONTENT_TYPE), Some("application/json"));
        assert_eq!(shown.header(header::CACHE_CONTROL), Some("no-store"));
        assert_eq!(shown.header(header::PRAGMA), Some("no-cache"));
        let challenge = r#"Basic realm="aquaware", charset="UTF-8""#;
        let challenge = (word == "invalid_client").then_some(challenge);
        assert_eq!(shown.header(header::WWW_AUTHENTICATE), challenge);
        let text = shown.body["error_description"].as_str().unwrap();
        let plain = |b| matches!(b, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        assert!(!text.is_empty() && text.bytes().all(plain), "{text}");
        assert_eq!(shown.body.as_object().unwrap().len(), 2);
        shown
    }

    async fn is_problem(error: impl Into<OauthError>, status: u16, code: &str) {
        let shown = shown(error).await;
        assert_eq!((shown.status, shown.body["code"].as_str()), (status, Some(code)));
        assert_eq!(shown.header(header::CONTENT_TYPE), Some(PROBLEM_JSON));
        let retry = shown.header(header::RETRY_AFTER).and_then(|it| it.parse::<u32>().ok());
        assert_eq!(retry.is_some_and(|wait| wait > 0), status == 503 || status == 429);
    }

    #[actix_web::test]
    async fn every_dead_refresh_token_is_one_invalid_grant() {
        let mut bodies = Vec::new();
        for error in [
            RefreshError::Token(TokenError::Malformed),
            RefreshError::Token(TokenError::Signature),
            RefreshError::Unknown,
            RefreshError::Expired,
            RefreshError::Reused,
            RefreshError::Ended(EndReason::Logout),
            RefreshError::Ended(EndReason::Reuse),
            RefreshError::Foreign,
        ] {
            bodies.push(is_word(error, "invalid_grant").await.body);
        }
        bodies.dedup();
        assert_eq!(bodies.len(), 1);
    }

    #[actix_web::test]
    async fn the_words_of_refreshes_logins_and_clients() {
        is_word(RefreshError::NotAllowed, "unauthorized_client").await;
        is_word(RefreshError::InvalidScope, "invalid_scope").await;
        is_word(ClientError::Invalid, "invalid_client").await;
        is_word(ClientError::NotAllowed, "unauthorized_client").await;
        is_word(ClientError::InvalidScope, "invalid_scope").await;
        let refused = |error| OauthError::from(Refused::There(error));
        is_word(refused(LoginError::InvalidCredentials), "invalid_grant").await;
        is_word(refused(LoginError::NotAllowed), "unauthorized_client").await;
        is_word(refused(LoginError::InvalidScope), "invalid_scope").await;
        is_word(OauthError::new(Word::UnsupportedGrantType, "No."), "unsupported_grant_type").await;
        is_word(OauthError::missing("token"), "invalid_request").await;
        is_word(FormError::InvalidRequest("No.".to_owned()), "invalid_request").await;
    }

    #[actix_web::test]
    async fn what_rfc_6749_has_no_word_for_is_a_problem_document() {
        let refused = |error| OauthError::from(Refused::There(error));
        is_problem(RefreshError::Service(outage()), 503, "store_unavailable").await;
        is_problem(ClientError::Service(outage()), 503, "store_unavailable").await;
        is_problem(refused(LoginError::Service(outage())), 503, "store_unavailable").await;
        is_problem(ClientError::Overloaded(Overloaded), 503, "overloaded").await;
        is_problem(refused(LoginError::Overloaded(Overloaded)), 503, "overloaded").await;
        is_problem(RefreshError::Service(ServiceError::Sign(SignError)), 500, "internal_error")
            .await;
        let corrupt = StoreError::Corrupt { what: MARK.into(), key: MARK.into() };
        let corrupt = RefreshError::Service(ServiceError::Store(corrupt));
        is_problem(corrupt, 500, "internal_error").await;
        let limited = Problem::from(ErrorCode::RateLimited);
        is_problem(Refused::Here(limited), 429, "rate_limited").await;
        let large = FormError::Problem(Problem::from(ErrorCode::PayloadTooLarge));
        is_problem(large, 413, "payload_too_large").await;
    }
}
