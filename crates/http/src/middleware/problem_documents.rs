//! Turns errors of the HTTP library (from extractors, middlewares or its bare 404) into problem
//! documents, so that all errors have the same form.

use actix_web::body::{BodySize, BoxBody, MessageBody as _};
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{Error, HttpResponse};

use crate::error_code::ErrorCode;
use crate::problem::{PROBLEM_JSON, Problem};

/// Replaces the body of `response` by a problem document if it is an error of the library.
pub(super) fn response(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    if !is_undocumented(response.response()) {
        return response;
    }
    let (request, old) = response.into_parts();
    if let Some(error) = old.error() {
        log(old.status(), error);
    }
    let mut new = Problem::from(code_for(old.status())).response();
    keep(old.headers(), new.headers_mut());
    ServiceResponse::new(request, new)
}

/// The response to a request that failed with `error`.
pub(super) fn error(error: &Error) -> HttpResponse {
    let response = error.error_response();
    if !is_json(response.headers()) {
        log(response.status(), error);
        return Problem::from(code_for(response.status())).response();
    }
    response
}

/// Logs errors with a 5xx status; no other code sees them.
fn log(status: StatusCode, error: &Error) {
    if status.is_server_error() {
        tracing::error!(cause = %error, "a request failed in the HTTP library");
    }
}

/// Whether this is an error that no handler wrote for clients: it has an error object or no body,
/// and is not JSON, which only handlers write.
fn is_undocumented(response: &HttpResponse) -> bool {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let is_bare = matches!(response.body().size(), BodySize::None | BodySize::Sized(0));
    is_error && !is_json(response.headers()) && (response.error().is_some() || is_bare)
}

fn is_json(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes());
    media.is_some_and(|it| {
        it.starts_with(b"application/json") || it.starts_with(PROBLEM_JSON.as_bytes())
    })
}

/// Keeps the headers that do not describe the body, such as `Allow`, `Vary` and those of CORS.
fn keep(old: &HeaderMap, new: &mut HeaderMap) {
    const BODY_ONLY: [header::HeaderName; 3] =
        [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING];
    for (name, value) in old {
        if !BODY_ONLY.contains(name) && !new.contains_key(name) {
            new.insert(name.clone(), value.clone());
        }
    }
}

pub(super) fn code_for(status: StatusCode) -> ErrorCode {
    match status {
        StatusCode::UNAUTHORIZED => ErrorCode::InvalidToken,
        StatusCode::NOT_FOUND => ErrorCode::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => ErrorCode::MethodNotAllowed,
        StatusCode::NOT_ACCEPTABLE => ErrorCode::NotAcceptable,
        StatusCode::REQUEST_TIMEOUT => ErrorCode::RequestTimeout,
        StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            ErrorCode::HeadersTooLarge
        }
        StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::PayloadTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ErrorCode::UnsupportedMediaType,
        StatusCode::TOO_MANY_REQUESTS => ErrorCode::RateLimited,
        StatusCode::SERVICE_UNAVAILABLE => ErrorCode::Overloaded,
        other if other.is_server_error() => ErrorCode::InternalError,
        _ => ErrorCode::InvalidRequest,
    }
}
