//! The check of one request: 200 with the headers, or 401, 403 or 503 with a challenge.
//!
//! Only these: nginx takes any other status for a failure of its own.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use aquaware_verifier::{Bearer, BearerAuth, Rejection, Verifier};
use serde_json::json;

use super::headers::HeaderNames;

/// What all requests share.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    pub(super) verifier: Verifier,
    /// With the scope that every request requires.
    pub(super) auth: BearerAuth,
    pub(super) headers: HeaderNames,
    /// The header in which the proxy names a required scope.
    pub(super) scope_header: HeaderName,
}

/// Any method and any path below `/check`: some proxies pass on those of the original request.
pub(super) async fn check(request: HttpRequest, guard: web::Data<Guard>) -> HttpResponse {
    let values = request.headers().get_all(header::AUTHORIZATION);
    let values: Vec<&[u8]> = values.map(HeaderValue::as_bytes).collect();
    let query = request.uri().query();
    let result = guard.auth.authenticate(values, query).await;
    match result.and_then(|bearer| guard.require_scopes(bearer, &request)) {
        Ok(bearer) => guard.accept(&bearer),
        Err(rejection) => guard.reject(&rejection),
    }
}

/// 200 while tokens can be verified, otherwise 503.
pub(super) async fn health(guard: web::Data<Guard>) -> HttpResponse {
    let health = guard.verifier.health();
    let (status, text) = if health.ready {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    };
    HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({ "status": text, "keys": health.keys, "failures": health.failures }))
}

impl Guard {
    /// Requires every scope that the request names. Callers may be able to name some too, which
    /// can only make them require more.
    fn require_scopes(&self, bearer: Bearer, request: &HttpRequest) -> Result<Bearer, Rejection> {
        for scope in scopes_in_query(request.uri().query().unwrap_or_default()) {
            bearer.require_scope(&scope)?;
        }
        for value in request.headers().get_all(&self.scope_header) {
            // A token cannot have a scope that is not text.
            bearer.require_scope(value.to_str().unwrap_or("\""))?;
        }
        Ok(bearer)
    }

    fn accept(&self, bearer: &Bearer) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        self.headers.set(&mut response, Some(bearer));
        response.insert_header((header::CACHE_CONTROL, "no-store")).finish()
    }

    fn reject(&self, rejection: &Rejection) -> HttpResponse {
        let status = match rejection.status() {
            403 => StatusCode::FORBIDDEN,
            503 => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        };
        let mut response = HttpResponse::build(status);
        self.headers.set(&mut response, None);
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if let Some(challenge) = rejection.challenge() {
            response.insert_header((header::WWW_AUTHENTICATE, challenge));
        }
        if let Some(seconds) = rejection.retry_after() {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        response.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        response.body(problem(rejection, status))
    }
}

/// The problem document of a rejection, with the status that the guard answers.
fn problem(rejection: &Rejection, status: StatusCode) -> String {
    json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "code": rejection.code(),
        "detail": rejection.to_string(),
    })
    .to_string()
}

/// The values of `scope` in a query.
fn scopes_in_query(query: &str) -> Vec<String> {
    match web::Query::<Vec<(String, String)>>::from_query(query) {
        Ok(pairs) => {
            let pairs = pairs.into_inner().into_iter();
            pairs.filter(|(name, _)| name == "scope").map(|(_, value)| value).collect()
        }
        // A query that cannot be read must not require less than it says.
        Err(_) => vec!["\"".to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_of_the_query_is_found() {
        assert_eq!(scopes_in_query(""), Vec::<String>::new());
        assert_eq!(scopes_in_query("scope=a%3Ab+c&x=y&sc%6Fpe=d"), ["a:b c", "d"]);
        assert_eq!(scopes_in_query("x=scope&scopes=a"), Vec::<String>::new());
        assert_eq!(scopes_in_query("scope"), [""]);
    }
}
