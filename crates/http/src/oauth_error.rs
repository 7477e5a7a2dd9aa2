//! The error type of `/oauth2/*`: RFC 6749 §5.2 for the errors that it defines, problem documents
//! for all others.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

use crate::problem::Problem;

/// The error codes of RFC 6749 §5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OauthErrorCode {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    UnauthorizedClient,
    UnsupportedGrantType,
    InvalidScope,
    /// RFC 8707 §2.
    InvalidTarget,
}

impl OauthErrorCode {
    /// All codes.
    #[cfg(feature = "documents")]
    pub(crate) const ALL: [Self; 7] = [
        Self::InvalidRequest,
        Self::InvalidClient,
        Self::InvalidGrant,
        Self::UnauthorizedClient,
        Self::UnsupportedGrantType,
        Self::InvalidScope,
        Self::InvalidTarget,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
        }
    }

    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::InvalidClient => StatusCode::UNAUTHORIZED,
            Self::InvalidRequest
            | Self::InvalidGrant
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType
            | Self::InvalidScope
            | Self::InvalidTarget => StatusCode::BAD_REQUEST,
        }
    }
}

/// An error response of an OAuth endpoint.
#[derive(Debug)]
pub(crate) enum OauthError {
    /// A code of RFC 6749 and a description, in the characters that it allows.
    Code(OauthErrorCode, String),
    /// An error without a code in RFC 6749.
    Problem(Problem),
}

impl OauthError {
    pub(crate) fn new(code: OauthErrorCode, description: &str) -> Self {
        Self::Code(code, description.to_owned())
    }

    pub(crate) fn missing(parameter: &str) -> Self {
        Self::Code(OauthErrorCode::InvalidRequest, format!("The parameter {parameter} is missing."))
    }

    pub(crate) fn invalid_client() -> Self {
        Self::new(OauthErrorCode::InvalidClient, "The client could not be authenticated.")
    }

    /// The client may not use the grant.
    pub(crate) fn unauthorized_client() -> Self {
        Self::new(
            OauthErrorCode::UnauthorizedClient,
            "The client is not allowed to use this grant.",
        )
    }

    /// The scope is malformed, or exceeds what the client or session was granted.
    pub(crate) fn invalid_scope() -> Self {
        Self::new(OauthErrorCode::InvalidScope, "The scope is malformed or wider than allowed.")
    }
}

impl fmt::Display for OauthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code, _) => f.write_str(code.as_str()),
            Self::Problem(problem) => problem.fmt(f),
        }
    }
}

impl std::error::Error for OauthError {}

/// RFC 6749 §5.2.
#[derive(Serialize)]
#[cfg_attr(feature = "documents", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "documents", schema(as = OauthError))]
pub(crate) struct Body<'a> {
    error: &'static str,
    error_description: &'a str,
}

impl ResponseError for OauthError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Code(code, _) => code.status(),
            Self::Problem(problem) => problem.status_code(),
        }
    }

    fn error_response(&self) -> HttpResponse {
        let (code, description) = match self {
            Self::Code(code, description) => (*code, description),
            Self::Problem(problem) => return problem.error_response(),
        };
        let mut response = HttpResponse::build(code.status());
        response
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::PRAGMA, "no-cache"));
        if code == OauthErrorCode::InvalidClient {
            let basic = HeaderValue::from_static(r#"Basic realm="aquaware", charset="UTF-8""#);
            response.insert_header((header::WWW_AUTHENTICATE, basic));
        }
        response.json(Body { error: code.as_str(), error_description: description })
    }
}

impl From<Problem> for OauthError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use aquaware_core::jwt::{SignError, TokenError};
    use aquaware_core::password::Overloaded;
    use aquaware_core::service::{ClientError, LoginError, RefreshError, ServiceError};
    use aquaware_core::session::EndReason;
    use aquaware_core::store::StoreError;

    use super::*;
    use crate::error_code::ErrorCode;
    use crate::login::LoginRejection;
    use crate::problem::PROBLEM_JSON;

    const MARK: &str = "marked-cause-4711";

    struct Response {
        status: u16,
        head: HttpResponse<()>,
        body: serde_json::Value,
    }

    impl Response {
        fn header(&self, name: header::HeaderName) -> Option<&str> {
            self.head.headers().get(name).map(|value| value.to_str().unwrap())
        }
    }

    async fn respond(error: impl Into<OauthError>) -> Response {
        let error = error.into();
        let response = error.error_response();
        assert_eq!(response.status(), error.status_code());
        let (response, body) = response.into_parts();
        let body = to_bytes(body).await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains(MARK), "a cause is in the response");
        let body = serde_json::from_slice(&body).unwrap();
        Response { status: response.status().as_u16(), head: response, body }
    }

    fn outage() -> ServiceError {
        ServiceError::Store(StoreError::Unreachable(MARK.into()))
    }

    async fn has_code(error: impl Into<OauthError>, code: &str) -> Response {
        let response = respond(error).await;
        assert_eq!(response.body["error"], code);
        let status = if code == "invalid_client" { 401 } else { 400 };
        assert_eq!(response.status, status, "{code}");
        assert_eq!(response.header(header::CONTENT_TYPE), Some("application/json"));
        assert_eq!(response.header(header::CACHE_CONTROL), Some("no-store"));
        assert_eq!(response.header(header::PRAGMA), Some("no-cache"));
        let challenge = r#"Basic realm="aquaware", charset="UTF-8""#;
        let challenge = (code == "invalid_client").then_some(challenge);
        assert_eq!(response.header(header::WWW_AUTHENTICATE), challenge);
        let text = response.body["error_description"].as_str().unwrap();
        let plain = |b| matches!(b, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        assert!(!text.is_empty() && text.bytes().all(plain), "{text}");
        assert_eq!(response.body.as_object().unwrap().len(), 2);
        response
    }

    async fn is_problem(error: impl Into<OauthError>, status: u16, code: &str) {
        let response = respond(error).await;
        assert_eq!((response.status, response.body["code"].as_str()), (status, Some(code)));
        assert_eq!(response.header(header::CONTENT_TYPE), Some(PROBLEM_JSON));
        let retry = response.header(header::RETRY_AFTER).and_then(|it| it.parse::<u32>().ok());
        assert_eq!(retry.is_some_and(|wait| wait > 0), status == 503 || status == 429);
    }

    #[actix_web::test]
    async fn every_unusable_refresh_token_is_the_same_invalid_grant() {
        let mut bodies = Vec::new();
        for error in [
            RefreshError::Token(TokenError::Malformed),
            RefreshError::Token(TokenError::InvalidSignature),
            RefreshError::Unknown,
            RefreshError::Expired,
            RefreshError::Reused,
            RefreshError::Ended(EndReason::Logout),
            RefreshError::Ended(EndReason::Reuse),
            RefreshError::Foreign,
        ] {
            bodies.push(has_code(error, "invalid_grant").await.body);
        }
        bodies.dedup();
        assert_eq!(bodies.len(), 1);
    }

    #[actix_web::test]
    async fn refreshes_logins_and_clients_fail_with_the_codes_of_rfc_6749() {
        has_code(RefreshError::NotAllowed, "unauthorized_client").await;
        has_code(RefreshError::InvalidScope, "invalid_scope").await;
        has_code(ClientError::Invalid, "invalid_client").await;
        has_code(ClientError::NotAllowed, "unauthorized_client").await;
        has_code(ClientError::InvalidScope, "invalid_scope").await;
        let rejected = |error| OauthError::from(LoginRejection::Login(error));
        has_code(rejected(LoginError::InvalidCredentials), "invalid_grant").await;
        has_code(rejected(LoginError::NotAllowed), "unauthorized_client").await;
        has_code(rejected(LoginError::InvalidScope), "invalid_scope").await;
        has_code(
            OauthError::new(OauthErrorCode::UnsupportedGrantType, "No."),
            "unsupported_grant_type",
        )
        .await;
        has_code(OauthError::missing("token"), "invalid_request").await;
    }

    #[actix_web::test]
    async fn errors_without_a_code_in_rfc_6749_are_problem_documents() {
        let rejected = |error| OauthError::from(LoginRejection::Login(error));
        is_problem(RefreshError::Service(outage()), 503, "store_unavailable").await;
        is_problem(ClientError::Service(outage()), 503, "store_unavailable").await;
        is_problem(rejected(LoginError::Service(outage())), 503, "store_unavailable").await;
        is_problem(ClientError::Overloaded(Overloaded), 503, "overloaded").await;
        is_problem(rejected(LoginError::Overloaded(Overloaded)), 503, "overloaded").await;
        is_problem(RefreshError::Service(ServiceError::Sign(SignError)), 500, "internal_error")
            .await;
        let corrupt = StoreError::Corrupt { what: MARK.into(), key: MARK.into() };
        let corrupt = RefreshError::Service(ServiceError::Store(corrupt));
        is_problem(corrupt, 500, "internal_error").await;
        let limited = Problem::from(ErrorCode::RateLimited);
        is_problem(LoginRejection::Problem(limited), 429, "rate_limited").await;
        let large = Problem::from(ErrorCode::PayloadTooLarge);
        is_problem(large, 413, "payload_too_large").await;
    }
}
