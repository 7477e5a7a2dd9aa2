//! CORS: which origins besides the issuer's own may call with credentials.

use actix_cors::Cors;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderName};
use actix_web::middleware::Condition;

/// How long browsers may cache a preflight, in seconds; Chromium's maximum.
const PREFLIGHT_SECONDS: usize = 7200;

/// The middleware for this allow-list. With an empty list it is disabled: preflights get no
/// permission, and no response has a CORS header.
pub(crate) fn cors<'a>(allowed: impl IntoIterator<Item = &'a str>) -> Condition<Cors> {
    let mut allowed = allowed.into_iter().peekable();
    let is_on = allowed.peek().is_some();
    let cors = Cors::default()
        .allowed_methods([Method::GET, Method::POST, Method::DELETE])
        .allowed_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("x-request-id"),
        ])
        .expose_headers([
            HeaderName::from_static("x-request-id"),
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
        ])
        .supports_credentials()
        .max_age(PREFLIGHT_SECONDS);
    Condition::new(is_on, allowed.fold(cors, |cors, origin| cors.allowed_origin(origin)))
}

#[cfg(test)]
mod tests {
    use actix_web::dev::ServiceResponse;
    use actix_web::test::{TestRequest, call_service, init_service};
    use actix_web::{App, HttpResponse, web};

    use super::*;

    async fn respond(allowed: &[&str], request: TestRequest) -> ServiceResponse {
        let app = init_service(
            App::new()
                .wrap(cors(allowed.iter().copied()))
                .route("/", web::post().to(HttpResponse::NoContent)),
        )
        .await;
        call_service(&app, request.to_request()).await.map_into_boxed_body()
    }

    fn preflight(origin: &'static str, method: &'static str, headers: &'static str) -> TestRequest {
        TestRequest::default()
            .method(Method::OPTIONS)
            .insert_header((header::ORIGIN, origin))
            .insert_header((header::ACCESS_CONTROL_REQUEST_METHOD, method))
            .insert_header((header::ACCESS_CONTROL_REQUEST_HEADERS, headers))
    }

    fn allows(response: &ServiceResponse) -> Option<&str> {
        response.headers().get("access-control-allow-origin").map(|it| it.to_str().unwrap())
    }

    const APP: &str = "https://app.example.com";

    #[actix_web::test]
    async fn a_listed_origin_may_send_credentials_and_the_api_headers() {
        let asked = "authorization,content-type,idempotency-key,x-request-id";
        for method in ["GET", "POST", "DELETE"] {
            let response = respond(&[APP], preflight(APP, method, asked)).await;
            assert_eq!(response.status(), 200);
            assert_eq!(allows(&response), Some(APP));
            let headers = response.headers();
            assert_eq!(headers.get("access-control-allow-credentials").unwrap(), "true");
            assert!(headers.get("vary").unwrap().to_str().unwrap().contains("Origin"));
        }
    }

    #[actix_web::test]
    async fn a_listed_origin_may_read_three_response_headers() {
        let request = TestRequest::post().insert_header((header::ORIGIN, APP));
        let response = respond(&[APP], request).await;
        let exposed = response.headers().get("access-control-expose-headers").unwrap();
        let mut exposed: Vec<_> = exposed.to_str().unwrap().split(", ").collect();
        exposed.sort_unstable();
        assert_eq!(exposed, ["retry-after", "www-authenticate", "x-request-id"]);
    }

    #[actix_web::test]
    async fn other_origins_get_no_permission() {
        for origin in ["https://evil.org", "null", "http://app.example.com"] {
            let response = respond(&[APP], preflight(origin, "POST", "")).await;
            assert_eq!(allows(&response), None, "{origin}");
            let request = TestRequest::post().insert_header((header::ORIGIN, origin));
            let response = respond(&[APP], request).await;
            assert_eq!((response.status().as_u16(), allows(&response)), (204, None), "{origin}");
        }
    }

    #[actix_web::test]
    async fn other_methods_and_headers_are_not_allowed() {
        for (method, headers) in [("PUT", ""), ("PATCH", ""), ("POST", "x-other")] {
            let response = respond(&[APP], preflight(APP, method, headers)).await;
            assert_eq!(response.status(), 400, "{method} {headers}");
        }
    }

    #[actix_web::test]
    async fn an_empty_list_disables_cors() {
        let request = TestRequest::post().insert_header((header::ORIGIN, APP));
        let response = respond(&[], request).await;
        assert_eq!(response.status(), 204);
        assert!(!response.headers().keys().any(|name| name.as_str().starts_with("access-")));
        assert_eq!(respond(&[], preflight(APP, "POST", "")).await.status(), 404);
    }
}
