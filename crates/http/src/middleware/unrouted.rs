//! Responses to requests that never reach a route, such as those that cannot be parsed. The server
//! that owns the connection writes them; here is what they say.

use actix_web::body::MessageBody as _;
use actix_web::http::StatusCode;
use actix_web::web::Bytes;

use super::RequestId;
use super::problem_documents::code_for;
use crate::problem::Problem;

/// The parts of a response to a request that never reached a route.
#[derive(Debug)]
#[non_exhaustive]
pub struct UnroutedResponse {
    /// The status to respond with.
    pub status: StatusCode,
    /// The value of `X-Request-Id`.
    pub request_id: String,
    /// A problem document (RFC 9457), `application/problem+json`.
    pub body: Bytes,
}

impl UnroutedResponse {
    /// The response to a request that failed with `status`, for example 400, 408 or 431.
    #[must_use]
    pub fn new(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        let problem = Problem::from(code_for(status)).response();
        let status = problem.status();
        let body = problem.into_body().try_into_bytes().unwrap_or_default();
        Self { status, request_id: RequestId::generate().as_str().to_owned(), body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_problem_document() {
        for (status, code) in [
            (400, "invalid_request"),
            (408, "request_timeout"),
            (413, "payload_too_large"),
            (414, "headers_too_large"),
            (431, "headers_too_large"),
        ] {
            let response = UnroutedResponse::new(status);
            let body = std::str::from_utf8(&response.body).unwrap();
            assert!(body.contains(&format!("\"code\":\"{code}\"")), "{status}: {body}");
            assert_ne!(response.request_id, UnroutedResponse::new(status).request_id);
        }
    }
}
