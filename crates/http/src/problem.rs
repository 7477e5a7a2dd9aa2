//! The error type of all handlers: a problem document (RFC 9457) with its headers.
//!
//! A problem contains only what a client may read. It has no field for a cause, so no cause can
//! leak: the code that meets a cause logs it once and returns an [`ErrorCode`].

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

use crate::error_code::ErrorCode;

/// The media type of every problem document.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// An invalid field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "documents", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// The name of the field, as the client sent it.
    pub(crate) field: String,
    /// What is wrong with it.
    pub(crate) message: Cow<'static, str>,
}

impl FieldError {
    /// Longer names are cut before they are repeated to the client, in characters.
    const MAX_NAME_LENGTH: usize = 64;

    /// An error about `field`, which may be any text that a client sent. The message continues a
    /// sentence that begins with the name: "is missing".
    pub fn new(field: &str, message: impl Into<Cow<'static, str>>) -> Self {
        let field = field
            .chars()
            .take(Self::MAX_NAME_LENGTH)
            .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
            .collect();
        Self { field, message: message.into() }
    }
}

/// The value of `WWW-Authenticate` (RFC 9110 §11.6.1, RFC 6750 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// The scheme alone: no token was presented.
    Plain,
    /// `error="invalid_request"`: a token was presented in more than one way.
    InvalidRequest,
    /// `error="invalid_token"`: an invalid token was presented.
    InvalidToken,
    /// `error="insufficient_scope"`: the token lacks this scope.
    InsufficientScope(&'static str),
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const BEARER: &str = r#"Bearer realm="aquaware""#;
        match self {
            Self::Plain => f.write_str(BEARER),
            Self::InvalidRequest => write!(
                f,
                r#"{BEARER}, error="invalid_request", error_description="the token was presented in more than one way""#
            ),
            Self::InvalidToken => write!(
                f,
                r#"{BEARER}, error="invalid_token", error_description="the access token is malformed, expired or revoked""#
            ),
            Self::InsufficientScope(scope) => {
                write!(f, r#"{BEARER}, error="insufficient_scope", scope="{scope}""#)
            }
        }
    }
}

/// An error response: a problem document of RFC 9457. Handlers return it as their error.
///
/// The response always has `Cache-Control: no-store`; a 401 always has `WWW-Authenticate`; a 429
/// or 503 always has `Retry-After`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    code: ErrorCode,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
    challenge: Option<Challenge>,
}

impl Problem {
    /// A problem with this code, explained to the client by `detail`.
    pub fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), retry_after: None, challenge: None }
    }

    /// An `invalid_request` that names the invalid fields.
    #[must_use]
    pub fn invalid_fields(errors: Vec<FieldError>) -> Self {
        Self::new(ErrorCode::InvalidRequest, "Some fields are missing or malformed.")
            .with_errors(errors)
    }

    /// The 401 for a request without an access token.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(ErrorCode::InvalidToken, "This resource requires an access token.")
            .with_challenge(Challenge::Plain)
    }

    /// The 401 for a request with an invalid access token.
    #[must_use]
    pub fn invalid_token() -> Self {
        Self::from(ErrorCode::InvalidToken).with_challenge(Challenge::InvalidToken)
    }

    /// The 403 for an access token that lacks `scope`.
    #[must_use]
    pub fn insufficient_scope(scope: &'static str) -> Self {
        Self::from(ErrorCode::InsufficientScope).with_challenge(Challenge::InsufficientScope(scope))
    }

    /// Names the invalid fields.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// Sets `Retry-After`: whole seconds, rounded up, at least one.
    #[must_use]
    pub const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Sets the challenge.
    pub(crate) fn with_challenge(mut self, challenge: Challenge) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// The error code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The explanation for the client.
    #[cfg(feature = "passwords")]
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The invalid fields.
    #[cfg(test)]
    pub(crate) fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// The value of `Retry-After`, which every 429 and 503 has.
    pub(crate) fn wait(&self) -> Option<u64> {
        let needed = matches!(
            self.code.status(),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        );
        let wait = self.retry_after.or(needed.then_some(Duration::from_secs(1)))?;
        let rounded_up = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
        Some(rounded_up.max(1))
    }

    fn challenge(&self) -> Option<&Challenge> {
        let needed = self.code.status() == StatusCode::UNAUTHORIZED;
        self.challenge.as_ref().or(needed.then_some(&Challenge::Plain))
    }

    /// The response: the document and its headers.
    #[must_use]
    pub fn response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.code.status());
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        response.insert_header((header::CONTENT_TYPE, PROBLEM_JSON));
        if let Some(seconds) = self.wait() {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        let challenge = self.challenge().and_then(|it| HeaderValue::from_str(&it.to_string()).ok());
        if let Some(challenge) = challenge {
            response.insert_header((header::WWW_AUTHENTICATE, challenge));
        }
        response.json(self.document())
    }

    /// The body of the response.
    pub(crate) fn document(&self) -> impl Serialize {
        Document {
            r#type: "about:blank",
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: &self.detail,
            code: self.code.as_str(),
            errors: &self.errors,
        }
    }
}

impl From<ErrorCode> for Problem {
    /// The problem with the default detail of the code.
    fn from(code: ErrorCode) -> Self {
        Self::new(code, code.detail())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.as_str())
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        self.response()
    }
}

/// The members of RFC 9457 §3.1 in its order, then the extension members.
///
/// `type` is always `about:blank`: clients distinguish problems by `code`, and the title is the
/// reason phrase of the status.
#[derive(Serialize)]
#[cfg_attr(feature = "documents", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "documents", schema(as = Problem))]
pub(crate) struct Document<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    /// The malformed fields, or the reasons.
    #[cfg_attr(feature = "documents", schema(required = false, value_type = Vec<FieldError>))]
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;

    use super::*;

    fn header(problem: &Problem, name: header::HeaderName) -> Option<String> {
        problem.response().headers().get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    #[actix_web::test]
    async fn a_problem_is_rendered_as_rfc_9457_specifies() {
        let errors = vec![FieldError::new("email", "must be an e-mail address")];
        let response = Problem::invalid_fields(errors).response();
        assert_eq!(response.status(), 400);
        assert_eq!(response.headers().get("content-type").unwrap(), PROBLEM_JSON);
        assert_eq!(response.headers().get("cache-control").unwrap(), "no-store");
        let body = to_bytes(response.into_body()).await.unwrap();
        assert_eq!(
            std::str::from_utf8(&body).unwrap(),
            r#"{"type":"about:blank","title":"Bad Request","status":400,"#.to_owned()
                + r#""detail":"Some fields are missing or malformed.","code":"invalid_request","#
                + r#""errors":[{"field":"email","message":"must be an e-mail address"}]}"#
        );
    }

    #[test]
    fn every_401_has_a_challenge_and_no_other_status_by_default() {
        for code in ErrorCode::ALL {
            let challenge = header(&Problem::from(code), header::WWW_AUTHENTICATE);
            let expected = (code.status() == 401).then(|| r#"Bearer realm="aquaware""#.to_owned());
            assert_eq!(challenge, expected, "{code:?}");
        }
    }

    #[test]
    fn a_challenge_names_an_error_only_if_a_token_was_presented() {
        let challenge = |problem: &Problem| header(problem, header::WWW_AUTHENTICATE).unwrap();
        assert!(!challenge(&Problem::unauthenticated()).contains("error"));
        assert!(
            challenge(&Problem::invalid_token()).contains(r#"error="invalid_token", error_desc"#)
        );
        assert_eq!(
            challenge(&Problem::insufficient_scope("read")),
            r#"Bearer realm="aquaware", error="insufficient_scope", scope="read""#
        );
        assert_eq!(Problem::insufficient_scope("read").response().status(), 403);
    }

    #[test]
    fn retry_after_is_whole_seconds_rounded_up_and_at_least_one() {
        let waits = [(0, 0, "1"), (0, 1, "1"), (1, 0, "1"), (1, 1, "2"), (899, 1, "900")];
        for (seconds, nanos, expected) in waits {
            let wait = Duration::new(seconds, nanos);
            let problem = Problem::from(ErrorCode::RateLimited).retry_after(wait);
            assert_eq!(header(&problem, header::RETRY_AFTER).as_deref(), Some(expected));
        }
        for code in ErrorCode::ALL {
            let expected = matches!(code.status().as_u16(), 429 | 503);
            let problem = Problem::from(code);
            assert_eq!(header(&problem, header::RETRY_AFTER).is_some(), expected, "{code:?}");
        }
    }

    #[test]
    fn field_names_are_cut_and_cleaned_before_they_are_repeated() {
        let error = FieldError::new(&format!("a\0{}", "b".repeat(100)), "is unknown");
        assert_eq!(error.field.chars().count(), 64);
        assert!(error.field.starts_with("a\u{fffd}b"));
    }
}
