//! Errors that the HTTP library made (an extractor's, a middleware's, its bare 404) as problem
//! documents, so that clients meet one form only.

use actix_web::body::{BodySize, BoxBody, MessageBody as _};
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{Error, HttpResponse};

use crate::problem::{Code, PROBLEM_JSON, Problem};

/// `response` as it is, or with a problem document where it is an error in the library's own words.
pub(super) fn response(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    if !is_undocumented(response.response()) {
        return response;
    }
    let (request, old) = response.into_parts();
    if let Some(error) = old.error() {
        note(old.status(), error);
    }
    let mut new = Problem::from(code_for(old.status())).response();
    keep(old.headers(), new.headers_mut());
    ServiceResponse::new(request, new)
}

/// What to answer to a request that ended in `error` without an answer.
pub(super) fn error(error: &Error) -> HttpResponse {
    let response = error.error_response();
    if !is_json(response.headers()) {
        note(response.status(), error);
        return Problem::from(code_for(response.status())).response();
    }
    response
}

/// A failure of ours that nobody handled is logged here, the one place that meets it.
fn note(status: StatusCode, error: &Error) {
    if status.is_server_error() {
        tracing::error!(cause = %error, "a request failed in the HTTP library");
    }
}

/// Whether this is an error that nobody wrote for clients: one with an error object or without any
/// body, and not in JSON, which only handlers write.
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

/// The headers that say more than the body did: `Allow`, `Vary`, those of CORS.
fn keep(old: &HeaderMap, new: &mut HeaderMap) {
    const BODY_ONLY: [header::HeaderName; 3] =
        [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING];
    for (name, value) in old {
        if !BODY_ONLY.contains(name) && !new.contains_key(name) {
            new.insert(name.clone(), value.clone());
        }
    }
}

fn code_for(status: StatusCode) -> Code {
    match status {
        StatusCode::UNAUTHORIZED => Code::InvalidToken,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
        StatusCode::NOT_ACCEPTABLE => Code::NotAcceptable,
        StatusCode::PAYLOAD_TOO_LARGE => Code::PayloadTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedMediaType,
        StatusCode::TOO_MANY_REQUESTS => Code::RateLimited,
        StatusCode::SERVICE_UNAVAILABLE => Code::Overloaded,
        other if other.is_server_error() => Code::InternalError,
        _ => Code::InvalidRequest,
    }
}
