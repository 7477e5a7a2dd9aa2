//! The examples, called over HTTP as a client would.

use std::net::{SocketAddr, TcpListener};

use aquaware_verifier::testing::TestIssuer;
use serde_json::Value;

use crate::http::{HttpResponse, send};

#[path = "../../examples/actix.rs"]
#[allow(dead_code, reason = "the main functions are not called")]
mod actix;
#[path = "../../examples/axum.rs"]
#[allow(dead_code, reason = "the main functions are not called")]
mod axum;
#[path = "../../examples/tonic.rs"]
#[allow(dead_code, reason = "the main functions are not called")]
mod tonic;

fn get(to: SocketAddr, token: &str) -> HttpResponse {
    send(to, "GET", "/tanks", &[&format!("Authorization: Bearer {token}")])
}

/// Both services promise the same.
fn check_protection(to: SocketAddr, issuer: &TestIssuer) {
    assert_eq!(send(to, "GET", "/health", &[]).status, 200);

    let valid = issuer.token().subject("ann").scope("tanks:read");
    let response = get(to, &valid.clone().sign());
    assert_eq!((response.status, response.body.as_str()), (200, "tanks of ann (free)"));
    let response = get(to, &valid.clone().claim("plan", "reef").sign());
    assert_eq!(response.body, "tanks of ann (reef)");
    let lower_case = format!("authorization: bearer {}", valid.clone().sign());
    assert_eq!(send(to, "GET", "/tanks", &[&lower_case]).status, 200);

    let missing = send(to, "GET", "/tanks", &[]);
    assert_eq!(challenge(&missing), (401, Some("Bearer realm=\"tanks\"")));
    assert_eq!(code(&missing), "missing_token");
    let in_query = send(to, "GET", &format!("/tanks?access_token={}", valid.clone().sign()), &[]);
    assert_eq!(challenge(&in_query), (401, Some("Bearer realm=\"tanks\"")));
    let expired = get(to, &issuer.token().expired().sign());
    let expected = "Bearer realm=\"tanks\", error=\"invalid_token\", \
                    error_description=\"the token has expired\"";
    assert_eq!(challenge(&expired), (401, Some(expected)));
    assert_eq!(code(&expired), "invalid_token");
    let refresh = get(to, &issuer.token().as_refresh_token().sign());
    assert_eq!(refresh.status, 401);

    let header = format!("Authorization: Bearer {}", valid.clone().sign());
    let expected = "Bearer realm=\"tanks\", error=\"invalid_request\", \
                    error_description=\"the request presents more than one access token\"";
    let twice = send(to, "GET", "/tanks", &[&header, &header]);
    assert_eq!(challenge(&twice), (400, Some(expected)));
    let both = send(to, "GET", "/tanks?access_token=x", &[&header]);
    assert_eq!(challenge(&both), (400, Some(expected)));

    let without_scope = send(to, "POST", "/tanks", &[&header]);
    let expected = "Bearer realm=\"tanks\", error=\"insufficient_scope\", scope=\"tanks:write\"";
    assert_eq!(challenge(&without_scope), (403, Some(expected)));
    assert_eq!(code(&without_scope), "insufficient_scope");
    let with_scope = issuer.token().scope("tanks:read tanks:write").sign();
    let with_scope = format!("Authorization: Bearer {with_scope}");
    assert_eq!(challenge(&send(to, "POST", "/tanks", &[&with_scope])), (201, None));
    assert_eq!(send(to, "POST", "/tanks", &[]).status, 401);
    let malformed = get(to, &issuer.token().claim("plan", Value::from(5)).sign());
    assert_eq!((malformed.status, code(&malformed).as_str()), (401, "invalid_token"));

    assert_eq!(send(to, "GET", "/prices", &[]).body, "list prices");
    assert_eq!(send(to, "GET", "/prices", &[&header]).body, "prices for ann");
    for invalid in [issuer.token().expired().sign(), "a".to_owned(), "a,b".to_owned()] {
        let header = format!("Authorization: Bearer {invalid}");
        let response = send(to, "GET", "/prices", &[&header]);
        assert_eq!((response.status, code(&response).as_str()), (401, "invalid_token"));
    }
    assert_eq!(send(to, "GET", "/prices", &[&header, &header]).status, 400);
}

/// The code in a problem document.
fn code(response: &HttpResponse) -> String {
    assert_eq!(response.header("content-type"), Some("application/problem+json"));
    let problem: Value = serde_json::from_str(&response.body).unwrap();
    assert_eq!(problem["status"], response.status);
    problem["code"].as_str().unwrap().to_owned()
}

fn challenge(response: &HttpResponse) -> (u16, Option<&str>) {
    (response.status, response.header("www-authenticate"))
}

#[test]
fn the_actix_example_accepts_valid_tokens_only() {
    let issuer = TestIssuer::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let verifier = issuer.verifier();
    let (send_handle, handle) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = actix::server(listener, verifier).unwrap();
            send_handle.send(server.handle()).unwrap();
            server.await.unwrap();
        });
    });
    check_protection(address, &issuer);
    drop(handle.recv().unwrap().stop(false));
    thread.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_axum_example_accepts_valid_tokens_only() {
    let issuer = TestIssuer::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::router(issuer.verifier());
    let server = tokio::spawn(async move { ::axum::serve(listener, router).await });
    tokio::task::spawn_blocking(move || check_protection(address, &issuer)).await.unwrap();
    server.abort();
}

/// With the service of the example and a request as a gRPC client sends it.
#[tokio::test]
async fn the_tonic_example_answers_with_grpc_statuses() {
    use ::axum::http::Request;
    use aquaware_verifier::BearerAuth;
    use tower_layer::Layer as _;
    use tower_service::Service as _;

    let issuer = TestIssuer::new();
    let mut service = BearerAuth::new(issuer.verifier()).layer(tonic::Tanks);
    for (token, status) in [
        (None, "16"),
        (Some(issuer.token().expired().sign()), "16"),
        (Some(issuer.token().sign()), "7"),
        (Some(issuer.token().scope("tanks:read").sign()), "0"),
    ] {
        let mut request =
            Request::post("/reef.Tanks/List").header("content-type", "application/grpc");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(::tonic::body::Body::empty()).unwrap();
        let response = service.call(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers().get("grpc-status").unwrap(), status);
    }
}
