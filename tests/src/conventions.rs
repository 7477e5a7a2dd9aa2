//! The conventions of the contract that every response must follow.

use serde_json::Value;

use crate::description;
use crate::response::Response;

/// The error codes of RFC 6749 §5.2 and their statuses in the contract.
const OAUTH_CODES: [(&str, u16); 7] = [
    ("invalid_request", 400),
    ("invalid_client", 401),
    ("invalid_grant", 400),
    ("unauthorized_client", 400),
    ("unsupported_grant_type", 400),
    ("invalid_scope", 400),
    ("invalid_target", 400),
];

/// The problem codes of the contract and their statuses.
const CODES: [(&str, u16); 28] = [
    ("invalid_request", 400),
    ("invalid_credentials", 401),
    ("invalid_refresh_token", 401),
    ("refresh_token_expired", 401),
    ("refresh_token_reused", 401),
    ("session_revoked", 401),
    ("account_exists", 409),
    ("weak_password", 422),
    ("account_locked", 429),
    ("rate_limited", 429),
    ("signup_closed", 403),
    ("email_not_verified", 403),
    ("invalid_message_token", 400),
    ("unknown_client", 400),
    ("invalid_scope", 400),
    ("invalid_target", 400),
    ("client_not_allowed", 403),
    ("invalid_token", 401),
    ("insufficient_scope", 403),
    ("cross_site", 403),
    ("not_found", 404),
    ("method_not_allowed", 405),
    ("not_acceptable", 406),
    ("payload_too_large", 413),
    ("unsupported_media_type", 415),
    ("overloaded", 503),
    ("store_unavailable", 503),
    ("clock_unreliable", 503),
];

/// Asserts the conventions for a response to `method` and `path`, and that an error repeats
/// none of `secrets`.
pub(crate) fn check(response: &Response, method: &str, path: &str, secrets: &[String]) {
    let what = || format!("{method} {path}: {}", response.describe());
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"), "{}", what());
    let id = response.header("x-request-id").unwrap_or_default();
    assert!(is_valid_id(id), "X-Request-Id {id:?}: {}", what());
    assert!(response.status < 500 || response.status == 503, "{}", what());
    if response.status == 401 {
        let challenge = response.header("www-authenticate");
        assert!(challenge.is_some_and(|it| !it.is_empty()), "{}", what());
    }
    if response.status == 405 {
        assert!(response.header("allow").is_some_and(|it| !it.is_empty()), "{}", what());
    }
    if matches!(response.status, 429 | 503) && !path.starts_with("/health/") {
        let wait = response.header("retry-after").and_then(|wait| wait.parse::<u32>().ok());
        assert!(wait.is_some_and(|wait| wait > 0), "{}", what());
    }
    let no_store = response.header("cache-control").is_some_and(|it| it.contains("no-store"));
    let kind = response.header("content-type").unwrap_or_default();
    let has_token = kind.contains("json") && response.text_if_any().contains("\"access_token\"");
    if has_token || response.sets_cookie() {
        assert!(response.status >= 400 || no_store, "{}", what());
    }
    description::check(response, method, path, &what);
    if response.status >= 400 {
        assert!(no_store || !path.starts_with("/auth"), "{}", what());
        for secret in secrets {
            assert!(!response.text_if_any().contains(secret), "a secret is repeated: {}", what());
        }
        if path.starts_with("/oauth2/")
            && response.header("content-type") == Some("application/json")
        {
            is_oauth_error(response, &what());
        } else if path.starts_with("/api/token")
            && response.header("content-type") == Some("application/json")
        {
            // Errors of Django REST framework.
            assert!(no_store && response.json().is_object(), "{}", what());
        } else if method != "HEAD" && !path.starts_with("/health/") {
            is_problem_document(response, &what());
        }
    }
}

/// `[A-Za-z0-9._:-]{1,128}`
fn is_valid_id(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte))
}

fn is_problem_document(response: &Response, what: &str) {
    let kind = response.header("content-type").unwrap_or_default();
    assert_eq!(kind, "application/problem+json", "{what}");
    let body = response.json();
    for member in ["type", "title", "detail", "code"] {
        let text = body[member].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "no {member}: {what}");
    }
    assert_eq!(body["status"], response.status, "{what}");
    let code = body["code"].as_str().unwrap_or_default();
    assert!(CODES.contains(&(code, response.status)), "not in the contract's table: {what}");
    if let Some(errors) = body.get("errors") {
        let errors = errors.as_array().unwrap_or_else(|| panic!("{what}"));
        let good = |error: &Value| error["field"].is_string() && error["message"].is_string();
        assert!(!errors.is_empty() && errors.iter().all(good), "{what}");
    }
}

/// RFC 6749 §5.2: the members, the codes, the characters, and that it is not cached.
fn is_oauth_error(response: &Response, what: &str) {
    let body = response.json();
    let members = body.as_object().unwrap_or_else(|| panic!("{what}"));
    assert!(
        members.keys().all(|it| ["error", "error_description"].contains(&it.as_str())),
        "{what}"
    );
    let word = body["error"].as_str().unwrap_or_default();
    assert!(OAUTH_CODES.contains(&(word, response.status)), "not a word of RFC 6749: {what}");
    let description = body["error_description"].as_str().unwrap_or_default();
    let plain = |byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E);
    assert!(!description.is_empty() && description.bytes().all(plain), "{what}");
    assert_eq!(response.header("cache-control"), Some("no-store"), "{what}");
    assert_eq!(response.header("pragma"), Some("no-cache"), "{what}");
    if word == "invalid_client" {
        let challenge = response.header("www-authenticate").unwrap_or_default();
        assert!(challenge.starts_with(r#"Basic realm="aquaware""#), "{what}");
    }
}

impl Response {
    /// Returns the response if it follows the conventions for this method and path: for responses
    /// that were not received by a [`Client`](crate::Client).
    #[must_use]
    pub fn checked(self, method: &str, path: &str) -> Self {
        check(&self, method, path, &[]);
        self
    }
}
