//! Errors as Django REST framework writes them.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value as Json, json};

use crate::body::Fields;
use crate::error_code::ErrorCode;
use crate::problem::Problem;

/// An error response: `{"detail": …}`, or the messages of each field.
#[derive(Debug)]
pub(super) struct DrfError {
    status: StatusCode,
    body: Json,
    retry_after: Option<u64>,
}

impl DrfError {
    /// `{"detail": …}`.
    pub(super) fn detail(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, body: json!({ "detail": detail.into() }), retry_after: None }
    }

    /// The 401 of that library for a token that it does not accept.
    pub(super) fn token(detail: impl Into<String>) -> Self {
        let body = json!({ "detail": detail.into(), "code": "token_not_valid" });
        Self { status: StatusCode::UNAUTHORIZED, body, retry_after: None }
    }

    /// The 400 for a body as a whole.
    pub(super) fn non_field(message: &str) -> Self {
        let body = json!({ "non_field_errors": [message] });
        Self { status: StatusCode::BAD_REQUEST, body, retry_after: None }
    }

    pub(super) fn response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if let Some(seconds) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, r#"Bearer realm="api""#));
        }
        response.json(&self.body)
    }

    /// The problem of a request, whose media type is in its headers.
    pub(super) fn of(problem: &Problem, headers: &HeaderMap) -> Self {
        let status = problem.code().status();
        let retry_after = problem.wait();
        let detail = match problem.code() {
            ErrorCode::RateLimited | ErrorCode::AccountLocked => {
                let seconds = retry_after.unwrap_or(1);
                let unit = if seconds == 1 { "second" } else { "seconds" };
                format!("Request was throttled. Expected available in {seconds} {unit}.")
            }
            ErrorCode::UnsupportedMediaType => {
                let media = headers.get(header::CONTENT_TYPE).map(HeaderValue::to_str);
                let media = media.and_then(Result::ok).unwrap_or_default();
                format!("Unsupported media type \"{media}\" in request.")
            }
            _ => problem.detail().to_owned(),
        };
        Self { retry_after, ..Self::detail(status, detail) }
    }
}

/// The 405 of a resource for `POST`.
pub(super) fn other_method(request: &HttpRequest) -> HttpResponse {
    let detail = format!("Method \"{}\" not allowed.", request.method());
    let mut response = DrfError::detail(StatusCode::METHOD_NOT_ALLOWED, detail).response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST, OPTIONS"));
    response
}

/// The texts of required fields; all errors are reported together.
#[derive(Debug)]
pub(super) struct Required<'a> {
    fields: &'a mut Fields,
    errors: Map<String, Json>,
}

impl<'a> Required<'a> {
    pub(super) fn new(fields: &'a mut Fields) -> Self {
        Self { fields, errors: Map::new() }
    }

    /// Takes a text that is not blank. After an error it is empty, and [`Required::finish`] fails.
    pub(super) fn text(&mut self, name: &str) -> crate::body::Text {
        match self.fields.given(name) {
            Ok(text) if !text.trim().is_empty() => text,
            outcome => {
                let error = outcome.err().unwrap_or("This field may not be blank.");
                self.errors.insert(name.to_owned(), json!([error]));
                crate::body::Text::default()
            }
        }
    }

    pub(super) fn finish(self) -> Result<(), DrfError> {
        if self.errors.is_empty() {
            return Ok(());
        }
        let body = Json::Object(self.errors);
        Err(DrfError { status: StatusCode::BAD_REQUEST, body, retry_after: None })
    }
}
