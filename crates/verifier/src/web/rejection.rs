//! Rejected requests and their responses (RFC 6750 §3), independent of the web framework.

use std::fmt;
use std::sync::Arc;

use aquaware_token::claims::InsufficientScopeError;
use serde::Serialize;
use thiserror::Error;

use crate::error::VerifyError;

/// `Retry-After` while keys or a status list are missing. The next fetch has finished by then.
const RETRY_AFTER_SECONDS: u64 = 10;

/// Why a request is rejected.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RejectionKind {
    /// The request has no bearer token.
    #[error("the request has no access token")]
    MissingToken,
    /// The request presents a token in more than one way, which RFC 6750 §2 forbids.
    #[error("the request presents more than one access token")]
    RepeatedToken,
    /// The credentials cannot be a token (RFC 6750 §2.1).
    #[error("the access token is malformed")]
    MalformedToken,
    /// The token is rejected.
    #[error(transparent)]
    Token(#[from] VerifyError),
    /// A handler requires a token, but the service has not set up [`BearerAuth`](crate::BearerAuth)
    /// for its route.
    #[error("no BearerAuth is set up for this route")]
    NotConfigured,
}

impl From<InsufficientScopeError> for RejectionKind {
    fn from(missing: InsufficientScopeError) -> Self {
        Self::Token(missing.into())
    }
}

/// A rejected request. Converts into a response of the web framework: the status, a challenge
/// (RFC 6750 §3), `Retry-After` where it helps, and a problem document (RFC 9457) as the body.
///
/// [`BearerAuth::rejection_body`](crate::BearerAuth::rejection_body) replaces the body.
#[derive(Clone, Debug)]
pub struct Rejection {
    kind: RejectionKind,
    style: Arc<Style>,
}

/// How rejections are presented.
#[derive(Clone)]
pub(crate) struct Style {
    pub(crate) realm: String,
    /// The URL of the protected resource metadata (RFC 9728 §5.1).
    pub(crate) resource_metadata: Option<String>,
    pub(crate) content_type: &'static str,
    pub(crate) body: Arc<dyn Fn(&Rejection) -> String + Send + Sync>,
}

impl Default for Style {
    fn default() -> Self {
        let body = Arc::new(Rejection::problem);
        let content_type = "application/problem+json";
        Self { realm: "api".to_owned(), resource_metadata: None, content_type, body }
    }
}

impl fmt::Debug for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { realm, resource_metadata, content_type, body: _ } = self;
        f.debug_struct("Style")
            .field("realm", realm)
            .field("resource_metadata", resource_metadata)
            .field("content_type", content_type)
            .finish_non_exhaustive()
    }
}

impl Rejection {
    pub(crate) fn new(kind: impl Into<RejectionKind>, style: &Arc<Style>) -> Self {
        Self { kind: kind.into(), style: Arc::clone(style) }
    }

    /// The reason.
    #[must_use]
    pub const fn kind(&self) -> &RejectionKind {
        &self.kind
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match &self.kind {
            RejectionKind::RepeatedToken => 400,
            RejectionKind::Token(VerifyError::Scope(_)) => 403,
            RejectionKind::Token(error) if error.is_unavailable() => 503,
            RejectionKind::NotConfigured => 500,
            RejectionKind::MissingToken
            | RejectionKind::MalformedToken
            | RejectionKind::Token(_) => 401,
        }
    }

    /// A stable code: the `error` of RFC 6750 §3.1, or `missing_token`, `token_check_unavailable`
    /// or `internal_error`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match &self.kind {
            RejectionKind::MissingToken => "missing_token",
            RejectionKind::RepeatedToken => "invalid_request",
            RejectionKind::Token(VerifyError::Scope(_)) => "insufficient_scope",
            RejectionKind::Token(error) if error.is_unavailable() => "token_check_unavailable",
            RejectionKind::NotConfigured => "internal_error",
            RejectionKind::MalformedToken | RejectionKind::Token(_) => "invalid_token",
        }
    }

    /// The value of `WWW-Authenticate`; `None` if the service cannot check tokens at the moment.
    #[must_use]
    pub fn challenge(&self) -> Option<String> {
        let (kind, realm) = (&self.kind, &self.style.realm);
        let mut challenge = format!("Bearer realm=\"{realm}\"");
        if let Some(url) = &self.style.resource_metadata {
            // A URL contains no double quotes.
            challenge.push_str(&format!(", resource_metadata=\"{url}\""));
        }
        match (self.status(), kind) {
            (500.., _) => None,
            // A request without a token gets no error code (RFC 6750 §3.1).
            (_, RejectionKind::MissingToken) => Some(challenge),
            (_, RejectionKind::Token(VerifyError::Scope(InsufficientScopeError { needed }))) => {
                Some(format!("{challenge}, error=\"insufficient_scope\", scope=\"{needed}\""))
            }
            _ => {
                // A description must not contain double quotes (RFC 6750 §3), which surround the
                // names of claims in errors.
                let (error, description) = (self.code(), kind.to_string().replace('"', "'"));
                Some(format!("{challenge}, error=\"{error}\", error_description=\"{description}\""))
            }
        }
    }

    /// The value of `Retry-After` in seconds, if a retry may succeed.
    #[must_use]
    pub const fn retry_after(&self) -> Option<u64> {
        if self.status() == 503 { Some(RETRY_AFTER_SECONDS) } else { None }
    }

    /// The media type of the body.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        self.style.content_type
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> String {
        (self.style.body)(self)
    }

    /// The default body, a problem document. It does not describe errors of the service itself.
    fn problem(&self) -> String {
        let (status, code) = (self.status(), self.code());
        let title = match status {
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            503 => "Service Unavailable",
            _ => "Internal Server Error",
        };
        let detail = (status != 500).then(|| self.kind.to_string());
        let problem = Problem { kind: "about:blank", title, status, code, detail };
        serde_json::to_string(&problem).unwrap_or_default()
    }
}

/// A problem document (RFC 9457).
#[derive(Serialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for Rejection {}

#[cfg(test)]
mod tests {
    use aquaware_token::claims::Scope;
    use aquaware_token::jwt::TokenError;
    use serde_json::json;

    use super::*;

    fn rejection(kind: impl Into<RejectionKind>) -> Rejection {
        let style = Style { realm: "r".to_owned(), ..Style::default() };
        Rejection::new(kind, &Arc::new(style))
    }

    #[test]
    fn every_kind_has_its_status_code_and_challenge() {
        let invalid = |description| {
            Some(format!(", error=\"invalid_token\", error_description=\"{description}\""))
        };
        let missing = InsufficientScopeError { needed: Scope::parse("b a").unwrap() };
        let expected = [
            (rejection(RejectionKind::MissingToken), 401, "missing_token", Some(String::new())),
            (
                rejection(RejectionKind::RepeatedToken),
                400,
                "invalid_request",
                Some(
                    ", error=\"invalid_request\", \
                     error_description=\"the request presents more than one access token\""
                        .to_owned(),
                ),
            ),
            (
                rejection(RejectionKind::MalformedToken),
                401,
                "invalid_token",
                invalid("the access token is malformed"),
            ),
            (
                rejection(VerifyError::Token(TokenError::Expired)),
                401,
                "invalid_token",
                invalid("the token has expired"),
            ),
            (
                rejection(VerifyError::Token(TokenError::MissingClaim { claim: "jti" })),
                401,
                "invalid_token",
                invalid("the token has no claim 'jti'"),
            ),
            (
                rejection(VerifyError::UnknownKey),
                401,
                "invalid_token",
                invalid("the token's key is unknown"),
            ),
            (
                rejection(VerifyError::BoundToken),
                401,
                "invalid_token",
                invalid("the token is bound to a key"),
            ),
            (
                rejection(VerifyError::Revoked),
                401,
                "invalid_token",
                invalid("the token was revoked"),
            ),
            (
                rejection(VerifyError::NotListed),
                401,
                "invalid_token",
                invalid("the token's index is not in its status list"),
            ),
            (
                rejection(VerifyError::UntrustedStatusList),
                401,
                "invalid_token",
                invalid("the token's status list is at an untrusted origin"),
            ),
            (
                rejection(missing),
                403,
                "insufficient_scope",
                Some(", error=\"insufficient_scope\", scope=\"a b\"".to_owned()),
            ),
            (rejection(VerifyError::NoKeys), 503, "token_check_unavailable", None),
            (rejection(VerifyError::StaleKeys), 503, "token_check_unavailable", None),
            (rejection(VerifyError::NoStatusList), 503, "token_check_unavailable", None),
            (rejection(VerifyError::StaleStatusList), 503, "token_check_unavailable", None),
            (rejection(RejectionKind::NotConfigured), 500, "internal_error", None),
        ];
        for (rejection, status, code, rest) in expected {
            assert_eq!((rejection.status(), rejection.code()), (status, code), "{rejection:?}");
            let challenge = rest.map(|rest| format!("Bearer realm=\"r\"{rest}"));
            assert_eq!(rejection.challenge(), challenge, "{rejection:?}");
            assert_eq!(rejection.retry_after().is_some(), status == 503, "{rejection:?}");
        }
    }

    #[test]
    fn the_body_is_a_problem_document_that_hides_errors_of_the_service() {
        let body =
            |kind| serde_json::from_str::<serde_json::Value>(&rejection(kind).body()).unwrap();
        let expected = json!({
            "type": "about:blank", "title": "Unauthorized", "status": 401, "code": "invalid_token",
            "detail": "the access token is malformed",
        });
        assert_eq!(body(RejectionKind::MalformedToken), expected);
        let expected = json!({
            "type": "about:blank", "title": "Internal Server Error", "status": 500,
            "code": "internal_error",
        });
        assert_eq!(body(RejectionKind::NotConfigured), expected);
    }
}
