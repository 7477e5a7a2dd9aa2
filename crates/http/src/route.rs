//! Resources with a fixed set of methods, and the responses for every other method and path.
//!
//! A trailing slash makes no difference: each path is registered in both spellings. Paths are never
//! rewritten, so `//` or `/./` in a path lead to no resource.

use actix_web::body::BoxBody;
use actix_web::dev::{HttpServiceFactory, ServiceRequest};
use actix_web::guard;
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, header::ALLOW};
use actix_web::middleware::{Next, from_fn};
use actix_web::{HttpRequest, HttpResponse, Resource, ResponseError as _, Route, web};

use crate::error_code::ErrorCode;
use crate::middleware::publish;
use crate::problem::Problem;

/// A resource at `path` and `path/` that supports these methods and answers others with 405.
///
/// Each route is given without a method: `(Method::GET, web::to(handler))`. `GET` includes `HEAD`.
/// `OPTIONS` gets `Allow` alone, unless a CORS middleware has answered a preflight.
pub(crate) fn endpoint<const N: usize>(path: &str, routes: [(Method, Route); N]) -> Resource {
    let allow = allow(routes.iter().map(|(method, _)| method));
    #[cfg(test)]
    registered::add(path, routes.iter().map(|(method, _)| method.as_str()));
    let resource =
        routes.into_iter().fold(web::resource(spellings(path)), |resource, (method, route)| {
            resource.route(if method == Method::GET {
                route.guard(guard::Any(guard::Get()).or(guard::Head()))
            } else {
                route.method(method)
            })
        });
    resource.default_service(web::to(move |request: HttpRequest| {
        let response = other_method(request.method(), &allow);
        async move { response }
    }))
}

/// A resource with a public document, which pages of every origin may read.
pub(crate) fn public_document(path: &str, get: Route) -> impl HttpServiceFactory + 'static {
    endpoint(path, [(Method::GET, get)]).wrap(from_fn(
        |request: ServiceRequest, next: Next<BoxBody>| async move {
            let (method, headers) = (request.method().clone(), request.headers().clone());
            let mut response = next.call(request).await?;
            publish(&headers, &method, response.headers_mut());
            Ok(response)
        },
    ))
}

/// The 404 for `App::default_service`, as a problem document.
pub async fn not_found() -> HttpResponse {
    Problem::from(ErrorCode::NotFound).error_response()
}

/// The pattern of requests that no route matches.
pub(crate) const UNMATCHED: &str = "unmatched";

/// The pattern of the resource that `request` matched, such as `/auth/sessions/{id}`. Unlike the
/// path, it is safe for logs and metrics.
pub(crate) fn pattern(request: &HttpRequest) -> String {
    request.match_pattern().unwrap_or_else(|| UNMATCHED.to_owned())
}

fn spellings(path: &str) -> Vec<String> {
    let bare = path.trim_end_matches('/');
    if bare.is_empty() { vec!["/".to_owned()] } else { vec![bare.to_owned(), format!("{bare}/")] }
}

/// The value of `Allow`: the methods in order, with `OPTIONS` and perhaps `HEAD`.
fn allow<'a>(methods: impl Iterator<Item = &'a Method>) -> String {
    let mut names: Vec<_> = methods.map(Method::as_str).chain(["OPTIONS"]).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

fn other_method(method: &Method, allow: &str) -> HttpResponse {
    let mut response = if *method == Method::OPTIONS {
        HttpResponse::NoContent().insert_header((header::CACHE_CONTROL, "no-store")).finish()
    } else {
        Problem::from(ErrorCode::MethodNotAllowed).error_response()
    };
    if let Ok(value) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}

/// The resources that this thread has registered, for the test that compares them with their
/// description.
#[cfg(test)]
pub(crate) mod registered {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    thread_local! {
        static OPERATIONS: RefCell<BTreeSet<(String, String)>> = RefCell::default();
    }

    pub(super) fn add<'a>(path: &str, methods: impl Iterator<Item = &'a str>) {
        let operations = methods.map(|method| (path.to_owned(), method.to_lowercase()));
        OPERATIONS.with_borrow_mut(|known| known.extend(operations));
    }

    /// Paths and methods in lower case, since the last call.
    pub(crate) fn take() -> BTreeSet<(String, String)> {
        OPERATIONS.take()
    }
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::body::to_bytes;
    use actix_web::dev::ServiceResponse;
    use actix_web::test::{TestRequest, call_service, init_service};

    use super::*;
    use crate::problem::PROBLEM_JSON;

    async fn respond(method: Method, uri: &str) -> ServiceResponse {
        let shown = |request: HttpRequest| async move { pattern(&request) };
        let app = init_service(
            App::new()
                .service(endpoint("/", [(Method::GET, web::to(shown))]))
                .service(endpoint(
                    "/auth/login",
                    [(Method::POST, web::to(shown)), (Method::GET, web::to(shown))],
                ))
                .service(endpoint("/auth/sessions/{id}", [(Method::DELETE, web::to(shown))]))
                .default_service(web::to(not_found)),
        )
        .await;
        call_service(&app, TestRequest::with_uri(uri).method(method).to_request()).await
    }

    async fn body(response: ServiceResponse) -> String {
        String::from_utf8(to_bytes(response.into_body()).await.unwrap().to_vec()).unwrap()
    }

    #[actix_web::test]
    async fn a_trailing_slash_makes_no_difference() {
        for uri in ["/auth/login", "/auth/login/", "/auth/login?x=1", "/auth/login/?x=1"] {
            let response = respond(Method::POST, uri).await;
            assert_eq!(response.status(), 200, "{uri}");
            assert_eq!(body(response).await, "/auth/login", "{uri}");
        }
        for uri in ["/auth/sessions/a", "/auth/sessions/a/"] {
            let response = respond(Method::DELETE, uri).await;
            assert_eq!(body(response).await, "/auth/sessions/{id}", "{uri}");
        }
        assert_eq!(respond(Method::GET, "/").await.status(), 200);
    }

    #[actix_web::test]
    async fn other_paths_lead_to_no_resource() {
        for uri in [
            "/auth",
            "/auth/login//",
            "//auth/login",
            "/auth//login",
            "/auth/./login",
            "/auth/x/../login",
            "/Auth/login",
            "/auth/login%2F",
            "/auth%2Flogin",
            "/auth/login%00",
            "/auth/login%",
            "/auth/login%zz",
            "/auth/login%ff%fe",
            "/auth/login;x",
            "/auth/sessions/a/b",
            "/auth/sessions//",
            "*",
        ] {
            let response = respond(Method::POST, uri).await;
            assert_eq!(response.status(), 404, "{uri}");
            assert_eq!(response.headers().get("content-type").unwrap(), PROBLEM_JSON, "{uri}");
        }
    }

    #[actix_web::test]
    async fn a_path_segment_may_contain_any_bytes() {
        for id in ["%ff%fe", "%00", "%2F", "%", "..%2f..", "%C3%28"] {
            let response = respond(Method::DELETE, &format!("/auth/sessions/{id}")).await;
            assert_eq!(body(response).await, "/auth/sessions/{id}", "{id}");
        }
    }

    #[actix_web::test]
    async fn other_methods_get_405_with_the_allowed_ones() {
        for (method, uri, allowed) in [
            (Method::PUT, "/auth/login", "GET, HEAD, OPTIONS, POST"),
            (Method::DELETE, "/auth/login/", "GET, HEAD, OPTIONS, POST"),
            (Method::GET, "/auth/sessions/a", "DELETE, OPTIONS"),
            (Method::HEAD, "/auth/sessions/a", "DELETE, OPTIONS"),
            (Method::from_bytes(b"BREW").unwrap(), "/", "GET, HEAD, OPTIONS"),
        ] {
            let response = respond(method, uri).await;
            assert_eq!(response.status(), 405, "{uri}");
            assert_eq!(response.headers().get(ALLOW).unwrap(), allowed, "{uri}");
            assert!(body(response).await.contains(r#""code":"method_not_allowed""#), "{uri}");
        }
    }

    #[actix_web::test]
    async fn every_resource_supports_options_and_every_get_head() {
        let response = respond(Method::OPTIONS, "/auth/login").await;
        assert_eq!(response.status(), 204);
        assert_eq!(response.headers().get(ALLOW).unwrap(), "GET, HEAD, OPTIONS, POST");
        assert_eq!(respond(Method::HEAD, "/auth/login").await.status(), 200);
    }
}
