//! Paths: which methods they take, and what everything else is answered.
//!
//! A trailing slash makes no difference, so each path is registered in both spellings. Nothing is
//! rewritten: `//`, `/./` and the like are other paths, and there is nothing at them.

use actix_web::guard;
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, header::ALLOW};
use actix_web::{HttpRequest, HttpResponse, Resource, ResponseError as _, Route, web};

use super::problem::{Code, Problem};

/// A resource at `path` (and `path/`) that takes these methods and refuses the rest with 405.
///
/// The routes come without a method of their own: `(Method::GET, web::to(handler))`. `GET` answers
/// `HEAD` too. `OPTIONS` is answered with `Allow` alone, unless a CORS middleware was faster.
pub(crate) fn endpoint<const N: usize>(path: &str, routes: [(Method, Route); N]) -> Resource {
    let allow = allow(routes.iter().map(|(method, _)| method));
    let resource =
        routes.into_iter().fold(web::resource(spellings(path)), |resource, (method, route)| {
            resource.route(if method == Method::GET {
                route.guard(guard::Any(guard::Get()).or(guard::Head()))
            } else {
                route.method(method)
            })
        });
    resource.default_service(web::to(move |request: HttpRequest| {
        let answer = refuse_method(request.method(), &allow);
        async move { answer }
    }))
}

/// What answers at every path that nothing is registered for: `App::default_service`.
pub async fn not_found() -> HttpResponse {
    Problem::from(Code::NotFound).error_response()
}

/// The pattern of the route that `request` matched, as `/auth/sessions/{id}`: never the path
/// itself, so it may stand in logs and metrics.
pub(crate) fn pattern(request: &HttpRequest) -> String {
    request.match_pattern().unwrap_or_else(|| "unmatched".to_owned())
}

fn spellings(path: &str) -> Vec<String> {
    let bare = path.trim_end_matches('/');
    if bare.is_empty() { vec!["/".to_owned()] } else { vec![bare.to_owned(), format!("{bare}/")] }
}

/// The value of `Allow`: sorted, with what comes for free.
fn allow<'a>(methods: impl Iterator<Item = &'a Method>) -> String {
    let mut names: Vec<_> = methods.map(Method::as_str).chain(["OPTIONS"]).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

fn refuse_method(method: &Method, allow: &str) -> HttpResponse {
    let mut answer = if *method == Method::OPTIONS {
        HttpResponse::NoContent().insert_header((header::CACHE_CONTROL, "no-store")).finish()
    } else {
        Problem::from(Code::MethodNotAllowed).error_response()
    };
    if let Ok(value) = HeaderValue::from_str(allow) {
        answer.headers_mut().insert(ALLOW, value);
    }
    answer
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::body::to_bytes;
    use actix_web::dev::ServiceResponse;
    use actix_web::test::{TestRequest, call_service, init_service};

    use super::*;
    use crate::problem::PROBLEM_JSON;

    async fn answer(method: Method, uri: &str) -> ServiceResponse {
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
            let response = answer(Method::POST, uri).await;
            assert_eq!(response.status(), 200, "{uri}");
            assert_eq!(body(response).await, "/auth/login", "{uri}");
        }
        for uri in ["/auth/sessions/a", "/auth/sessions/a/"] {
            let response = answer(Method::DELETE, uri).await;
            assert_eq!(body(response).await, "/auth/sessions/{id}", "{uri}");
        }
        assert_eq!(answer(Method::GET, "/").await.status(), 200);
    }

    #[actix_web::test]
    async fn nothing_is_at_any_other_path() {
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
            let response = answer(Method::POST, uri).await;
            assert_eq!(response.status(), 404, "{uri}");
            assert_eq!(response.headers().get("content-type").unwrap(), PROBLEM_JSON, "{uri}");
        }
    }

    #[actix_web::test]
    async fn a_segment_may_hold_anything_without_harm() {
        for id in ["%ff%fe", "%00", "%2F", "%", "..%2f..", "%C3%28"] {
            let response = answer(Method::DELETE, &format!("/auth/sessions/{id}")).await;
            assert_eq!(body(response).await, "/auth/sessions/{id}", "{id}");
        }
    }

    #[actix_web::test]
    async fn another_method_is_refused_with_those_that_are_allowed() {
        for (method, uri, allowed) in [
            (Method::PUT, "/auth/login", "GET, HEAD, OPTIONS, POST"),
            (Method::DELETE, "/auth/login/", "GET, HEAD, OPTIONS, POST"),
            (Method::GET, "/auth/sessions/a", "DELETE, OPTIONS"),
            (Method::HEAD, "/auth/sessions/a", "DELETE, OPTIONS"),
            (Method::from_bytes(b"BREW").unwrap(), "/", "GET, HEAD, OPTIONS"),
        ] {
            let response = answer(method, uri).await;
            assert_eq!(response.status(), 405, "{uri}");
            assert_eq!(response.headers().get(ALLOW).unwrap(), allowed, "{uri}");
            assert!(body(response).await.contains(r#""code":"method_not_allowed""#), "{uri}");
        }
    }

    #[actix_web::test]
    async fn options_and_head_come_for_free() {
        let response = answer(Method::OPTIONS, "/auth/login").await;
        assert_eq!(response.status(), 204);
        assert_eq!(response.headers().get(ALLOW).unwrap(), "GET, HEAD, OPTIONS, POST");
        assert_eq!(answer(Method::HEAD, "/auth/login").await.status(), 200);
    }
}
