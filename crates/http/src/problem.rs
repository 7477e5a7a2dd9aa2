//! The one error of handlers: a problem document (RFC 9457) with its headers.
//!
//! A problem holds only what a client may read. There is no field for a cause, so none can leak:
//! whoever meets a cause logs it, once, and answers with a [`Code`].

mod code;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

pub(crate) use self::code::Code;

/// The media type of every problem document.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// What a field of the request has wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FieldError {
    /// The field, by the name the client gave it.
    pub(crate) field: String,
    /// What would be right.
    pub(crate) message: Cow<'static, str>,
}

impl FieldError {
    /// The longest name that is repeated to the client; the rest is cut.
    const NAME_LIMIT: usize = 64;

    /// `message` about `field`, which may be any text a client sent.
    pub(crate) fn new(field: &str, message: impl Into<Cow<'static, str>>) -> Self {
        let field = field
            .chars()
            .take(Self::NAME_LIMIT)
            .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
            .collect();
        Self { field, message: message.into() }
    }
}

/// What `WWW-Authenticate` says (RFC 9110 §11.6.1, RFC 6750 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// Which scheme to use, and nothing about an error: no token was presented.
    Plain,
    /// `error="invalid_request"`: a token was presented in a way that is not allowed.
    InvalidRequest,
    /// `error="invalid_token"`: a token was presented and is worth nothing.
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

/// Why a request is refused, as its client is told.
///
/// Rendered, it always has `Cache-Control: no-store`; a 401 always has `WWW-Authenticate`; a 429
/// or 503 always has `Retry-After`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    code: Code,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
    challenge: Option<Challenge>,
}

impl Problem {
    /// A problem of this kind, explained by `detail`, which the client reads.
    pub(crate) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), retry_after: None, challenge: None }
    }

    /// An `invalid_request` that names its fields.
    pub(crate) fn invalid_fields(errors: Vec<FieldError>) -> Self {
        Self::new(Code::InvalidRequest, "Some fields are missing or malformed.").with_errors(errors)
    }

    /// The refusal of a protected resource to somebody without an access token.
    pub(crate) fn unauthenticated() -> Self {
        Self::new(Code::InvalidToken, "This needs an access token.").challenged(Challenge::Plain)
    }

    /// The refusal of a protected resource to a token that is no good.
    pub(crate) fn invalid_token() -> Self {
        Self::from(Code::InvalidToken).challenged(Challenge::InvalidToken)
    }

    /// The refusal of a protected resource to a token without `scope`.
    pub(crate) fn insufficient_scope(scope: &'static str) -> Self {
        Self::from(Code::InsufficientScope).challenged(Challenge::InsufficientScope(scope))
    }

    /// The same with these fields named.
    pub(crate) fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// The same with `Retry-After`: whole seconds, rounded up, at least one.
    pub(crate) const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The same with this challenge.
    pub(crate) fn challenged(mut self, challenge: Challenge) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// Which kind it is.
    pub(crate) const fn code(&self) -> Code {
        self.code
    }

    /// Its fields that are wrong.
    #[cfg(test)]
    pub(crate) fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// How long to wait, in whole seconds, where the status has such a thing.
    fn wait(&self) -> Option<u64> {
        let short = matches!(
            self.code.status(),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        );
        let wait = self.retry_after.or(short.then_some(Duration::from_secs(1)))?;
        let rounded_up = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
        Some(rounded_up.max(1))
    }

    fn challenge(&self) -> Option<&Challenge> {
        let needed = self.code.status() == StatusCode::UNAUTHORIZED;
        self.challenge.as_ref().or(needed.then_some(&Challenge::Plain))
    }

    /// The document with its headers.
    pub(crate) fn response(&self) -> HttpResponse {
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
        response.json(Document {
            r#type: "about:blank",
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: &self.detail,
            code: self.code.word(),
            errors: &self.errors,
        })
    }
}

impl From<Code> for Problem {
    /// The problem with the sentence that every client gets for this code.
    fn from(code: Code) -> Self {
        Self::new(code, code.sentence())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.word())
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

/// The members in the order of RFC 9457 §3.1, then ours.
///
/// `type` stays `about:blank`: `code` tells the kinds apart, and the title is the status's own.
#[derive(Serialize)]
struct Document<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
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
    async fn a_problem_is_the_document_of_rfc_9457() {
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
    fn every_401_has_a_challenge_and_only_those_by_default() {
        for code in Code::ALL {
            let challenge = header(&Problem::from(code), header::WWW_AUTHENTICATE);
            let expected = (code.status() == 401).then(|| r#"Bearer realm="aquaware""#.to_owned());
            assert_eq!(challenge, expected, "{code:?}");
        }
    }

    #[test]
    fn a_missing_token_is_challenged_without_error_and_a_bad_one_with() {
        let said = |problem: &Problem| header(problem, header::WWW_AUTHENTICATE).unwrap();
        assert!(!said(&Problem::unauthenticated()).contains("error"));
        assert!(said(&Problem::invalid_token()).contains(r#"error="invalid_token", error_desc"#));
        assert_eq!(
            said(&Problem::insufficient_scope("read")),
            r#"Bearer realm="aquaware", error="insufficient_scope", scope="read""#
        );
        assert_eq!(Problem::insufficient_scope("read").response().status(), 403);
    }

    #[test]
    fn waits_are_whole_seconds_rounded_up_and_at_least_one() {
        let waits = [(0, 0, "1"), (0, 1, "1"), (1, 0, "1"), (1, 1, "2"), (899, 1, "900")];
        for (seconds, nanos, expected) in waits {
            let wait = Duration::new(seconds, nanos);
            let problem = Problem::from(Code::RateLimited).retry_after(wait);
            assert_eq!(header(&problem, header::RETRY_AFTER).as_deref(), Some(expected));
        }
        for code in Code::ALL {
            let expected = matches!(code.status().as_u16(), 429 | 503);
            let problem = Problem::from(code);
            assert_eq!(header(&problem, header::RETRY_AFTER).is_some(), expected, "{code:?}");
        }
    }

    #[test]
    fn names_of_fields_are_cut_and_cleaned_before_they_are_repeated() {
        let error = FieldError::new(&format!("a\0{}", "b".repeat(100)), "is unknown");
        assert_eq!(error.field.chars().count(), 64);
        assert!(error.field.starts_with("a\u{fffd}b"));
    }
}
