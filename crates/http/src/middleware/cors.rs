//! CORS: which pages of other origins may call, and what they may send.
//!
//! Listed origins may call everything with credentials. Public documents may be read by every page,
//! without credentials, whether or not the middleware is used: [`publish`] marks them.

use std::rc::Rc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, HttpResponse};

use crate::error_code::ErrorCode;
use crate::problem::Problem;

/// How long browsers may cache a preflight, in seconds; Chromium's maximum.
const PREFLIGHT_SECONDS: &str = "7200";
const METHODS: [&str; 4] = ["DELETE", "GET", "PATCH", "POST"];

/// The middleware for this allow-list.
pub(crate) fn cors<S, B>(
    allowed: Rc<[String]>,
) -> impl Transform<
    S,
    ServiceRequest,
    Response = ServiceResponse<BoxBody>,
    Error = Error,
    InitError = (),
> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    from_fn(move |request: ServiceRequest, next: Next<B>| {
        handle(Rc::clone(&allowed), request, next)
    })
}

async fn handle<B: MessageBody + 'static>(
    allowed: Rc<[String]>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let listed = only(request.headers(), header::ORIGIN)
        .filter(|origin| allowed.iter().any(|it| it.as_bytes() == origin.as_bytes()))
        .cloned();
    let preflight = listed.as_ref().and_then(|_| preflight(&request));
    let response = next.call(request).await?.map_into_boxed_body();
    let is_public = response.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    let mut response = match preflight {
        Some(answer) if !is_public => response.into_response(answer),
        _ => response,
    };
    if is_public || allowed.is_empty() {
        return Ok(response);
    }
    let headers = response.headers_mut();
    let varies = headers.get_all(header::VARY).filter_map(|value| value.to_str().ok());
    let varies = varies.chain(["Origin"]).collect::<Vec<_>>().join(", ");
    if let Ok(varies) = HeaderValue::from_str(&varies) {
        headers.insert(header::VARY, varies);
    }
    if let Some(origin) = listed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
            (header::ACCESS_CONTROL_EXPOSE_HEADERS, "x-request-id, retry-after, www-authenticate"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    Ok(response)
}

/// The answer to a preflight of a listed origin; `None` for other requests.
fn preflight(request: &ServiceRequest) -> Option<HttpResponse> {
    if *request.method() != Method::OPTIONS {
        return None;
    }
    let method = request.headers().get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
    let is_allowed = METHODS.iter().any(|it| it.as_bytes() == method.as_bytes());
    let Some(headers) = requested(request.headers()).filter(|_| is_allowed) else {
        let detail = "Pages of other origins may not send such requests.";
        return Some(Problem::new(ErrorCode::InvalidRequest, detail).response());
    };
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS.join(", ")))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS))
        .insert_header((
            header::VARY,
            "Access-Control-Request-Method, Access-Control-Request-Headers",
        ));
    if let Some(headers) = headers {
        response.insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, headers));
    }
    Some(response.finish())
}

/// The headers for which a preflight asks, to be allowed; `Some(None)` if it asks for none, and
/// `None` if one of them is malformed or forbidden.
fn requested(headers: &HeaderMap) -> Option<Option<HeaderValue>> {
    let lists = headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let lists: Option<Vec<_>> = lists.map(|list| list.to_str().ok()).collect();
    let lists = lists?.join(",");
    let names: Vec<_> = lists.split(',').map(str::trim).filter(|it| !it.is_empty()).collect();
    let is_allowed =
        |name: &&str| HeaderName::from_bytes(name.as_bytes()).is_ok_and(|it| !is_forbidden(&it));
    if !names.iter().all(is_allowed) {
        return None;
    }
    let value = (!names.is_empty()).then(|| HeaderValue::from_str(&names.join(", ")));
    value.transpose().ok()
}

/// Whether pages can never set this header (Fetch §2.2.2), so that no browser asks for it.
fn is_forbidden(name: &HeaderName) -> bool {
    const NAMES: [&str; 22] = [
        "accept-charset",
        "accept-encoding",
        "access-control-request-headers",
        "access-control-request-method",
        "access-control-request-private-network",
        "connection",
        "content-length",
        "cookie",
        "cookie2",
        "date",
        "dnt",
        "expect",
        "host",
        "keep-alive",
        "origin",
        "referer",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
    ];
    let name = name.as_str();
    NAMES.contains(&name) || name.starts_with("proxy-") || name.starts_with("sec-")
}

/// Allows every page to read the document behind a response, without credentials.
pub(crate) fn publish(request: &HeaderMap, method: &Method, response: &mut HeaderMap) {
    response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if *method == Method::OPTIONS && request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        let methods = HeaderValue::from_static("GET, HEAD");
        response.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        let seconds = HeaderValue::from_static(PREFLIGHT_SECONDS);
        response.insert(header::ACCESS_CONTROL_MAX_AGE, seconds);
        if let Some(Some(headers)) = requested(request) {
            response.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, headers);
        }
    }
}

/// The value of the header, if there is exactly one.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name);
    let value = values.next()?;
    if values.next().is_some() { None } else { Some(value) }
}

#[cfg(test)]
mod tests {
    use actix_web::dev::ServiceResponse;
    use actix_web::test::{TestRequest, call_service, init_service};
    use actix_web::{App, HttpResponse, web};

    use super::*;
    use crate::route::public_document;

    async fn respond(allowed: &[&str], request: TestRequest) -> ServiceResponse {
        let app = init_service(
            App::new()
                .wrap(cors(allowed.iter().map(|it| (*it).to_owned()).collect()))
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
    async fn a_listed_origin_may_ask_for_every_valid_header() {
        for asked in ["traceparent", "X-Requested-With, baggage", "x!#$%&'*+-.^_`|~9"] {
            let response = respond(&[APP], preflight(APP, "POST", asked)).await;
            assert_eq!(response.status(), 200, "{asked}");
            let allowed = response.headers().get("access-control-allow-headers").unwrap();
            assert_eq!(allowed, asked);
        }
    }

    #[actix_web::test]
    async fn a_listed_origin_may_use_every_method_of_the_routes() {
        for method in METHODS {
            let response = respond(&[APP], preflight(APP, method, "")).await;
            assert_eq!(response.status(), 200, "{method}");
            let allowed = response.headers().get("access-control-allow-methods").unwrap();
            assert_eq!(allowed, "DELETE, GET, PATCH, POST");
        }
    }

    #[actix_web::test]
    async fn other_methods_and_forbidden_headers_are_not_allowed() {
        for (method, headers) in [
            ("PUT", ""),
            ("patch", ""),
            ("post", ""),
            ("POST", "Cookie"),
            ("POST", "x-fine, cookie2"),
            ("POST", "set-cookie"),
            ("POST", "Host"),
            ("POST", "Proxy-Authorization"),
            ("POST", "sec-fetch-site"),
            ("POST", "a b"),
            ("POST", "a:b"),
        ] {
            let response = respond(&[APP], preflight(APP, method, headers)).await;
            assert_eq!(response.status(), 400, "{method} {headers}");
            assert!(response.headers().get("access-control-allow-headers").is_none());
        }
    }

    #[actix_web::test]
    async fn every_page_may_read_public_documents_without_credentials() {
        let document = web::to(|| async { HttpResponse::ServiceUnavailable().finish() });
        let app = App::new()
            .wrap(cors([APP.to_owned()].into()))
            .service(public_document("/keys", document));
        let app = init_service(app).await;
        for origin in [APP, "https://evil.example", "null"] {
            for request in [
                TestRequest::get().insert_header((header::ORIGIN, origin)),
                preflight(origin, "GET", "if-none-match"),
            ] {
                let response = call_service(&app, request.uri("/keys").to_request()).await;
                let headers = response.headers();
                assert_eq!(headers.get("access-control-allow-origin").unwrap(), "*", "{origin}");
                assert!(!headers.contains_key("access-control-allow-credentials"), "{origin}");
                if response.status() != 503 {
                    let allowed = headers.get("access-control-allow-headers").unwrap();
                    assert_eq!(allowed, "if-none-match");
                }
            }
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
