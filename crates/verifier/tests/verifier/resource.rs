//! Protected resource metadata (RFC 9728) in both web layers, and responses to gRPC callers.

use actix_web::App;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::web;
use aquaware_verifier::testing::{ISSUER, TestIssuer};
use aquaware_verifier::{Bearer, BearerAuth, ResourceMetadata, Scope};
use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::routing::get;
use axum::{Extension, Router};
use serde_json::{Value, json};
use tower_service::Service as _;

const RESOURCE: &str = "https://api.example.com/tanks";
const PATH: &str = "/.well-known/oauth-protected-resource/tanks";

fn metadata(issuer: &TestIssuer) -> ResourceMetadata {
    let metadata = ResourceMetadata::new(RESOURCE, &issuer.verifier()).unwrap();
    metadata.scopes(&Scope::parse("tanks:write tanks:read").unwrap()).name("Tanks")
}

fn expected() -> Value {
    json!({
        "resource": RESOURCE, "authorization_servers": [ISSUER],
        "scopes_supported": ["tanks:read", "tanks:write"],
        "bearer_methods_supported": ["header"], "resource_name": "Tanks",
    })
}

async fn axum_call(router: &mut Router, method: &str, path: &str) -> (u16, String, Vec<u8>) {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let response = router.call(request).await.unwrap();
    let challenge = response.headers().get("www-authenticate");
    let challenge = challenge.map_or("", |value| value.to_str().unwrap()).to_owned();
    let status = response.status().as_u16();
    (status, challenge, to_bytes(response.into_body(), 10_000).await.unwrap().to_vec())
}

#[tokio::test]
async fn the_metadata_is_served_by_both_web_layers() {
    let issuer = TestIssuer::new();
    let metadata = metadata(&issuer);
    let auth = BearerAuth::new(issuer.verifier()).resource(&metadata);
    let hello = async |Extension(bearer): Extension<Bearer>| bearer.sub.to_string();
    let layered = Router::new().route("/tanks", get(hello)).layer(auth.clone());
    let hello = async |bearer: Bearer| bearer.sub.to_string();
    let extracted = Router::new().route("/tanks", get(hello)).with_state(auth.clone());
    let extracted = extracted.route_service(metadata.path(), metadata.clone());
    for mut router in [layered, extracted] {
        let (status, _, body) = axum_call(&mut router, "GET", PATH).await;
        assert_eq!(status, 200);
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected());
        assert_eq!(axum_call(&mut router, "HEAD", PATH).await.0, 200);
        let (status, challenge, _) = axum_call(&mut router, "GET", "/tanks").await;
        assert_eq!(status, 401);
        let url = "resource_metadata=\"https://api.example.com/.well-known/oauth-protected-resource/tanks\"";
        assert_eq!(challenge, format!("Bearer realm=\"api\", {url}"));
        assert_ne!(axum_call(&mut router, "POST", PATH).await.0, 200);
    }

    let hello = |bearer: Bearer| async move { bearer.sub.to_string() };
    let wrapped = App::new().wrap(auth.clone()).route("/tanks", web::get().to(hello));
    let wrapped = init_service(wrapped).await;
    let scoped = App::new()
        .configure(metadata.routes())
        .service(web::scope("/tanks").wrap(auth.clone()).route("", web::get().to(hello)));
    let scoped = init_service(scoped).await;
    for method in [TestRequest::get(), TestRequest::default().method(actix_web::http::Method::HEAD)]
    {
        let request = method.uri(PATH).to_request();
        let response = call_service(&wrapped, request).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers().get("content-type").unwrap(), "application/json");
    }
    let response = call_service(&wrapped, TestRequest::with_uri(PATH).to_request()).await;
    assert_eq!(serde_json::from_slice::<Value>(&read_body(response).await).unwrap(), expected());
    let response = call_service(&scoped, TestRequest::with_uri(PATH).to_request()).await;
    assert_eq!(serde_json::from_slice::<Value>(&read_body(response).await).unwrap(), expected());
    let response = call_service(&scoped, TestRequest::with_uri("/tanks").to_request()).await;
    let challenge = response.headers().get("www-authenticate").unwrap().to_str().unwrap();
    assert!(challenge.contains("resource_metadata=\"https://api.example.com/"), "{challenge}");
}

#[test]
fn the_metadata_is_at_the_well_known_path_of_the_resource() {
    let verifier = TestIssuer::new().verifier();
    let of = |resource: &str| ResourceMetadata::new(resource, &verifier);
    let well_known = "/.well-known/oauth-protected-resource";
    for (resource, path) in [
        ("https://api.example.com", String::new()),
        ("https://api.example.com/", String::new()),
        ("https://api.example.com/a/b", "/a/b".to_owned()),
        ("http://127.0.0.1:8080/a", "/a".to_owned()),
    ] {
        let metadata = of(resource).unwrap();
        assert_eq!(metadata.path(), format!("{well_known}{path}"));
        assert!(metadata.url().ends_with(metadata.path()));
        let document: Value = serde_json::from_str(&metadata.json()).unwrap();
        assert_eq!(document["resource"], resource, "unchanged (RFC 9728 §3.3)");
    }
    for invalid in
        ["", "api", "http://api.example.com", "https://a.example/?x", "https://a.example/#x"]
    {
        assert!(of(invalid).is_err(), "{invalid}");
    }
}

#[tokio::test]
async fn grpc_callers_receive_a_grpc_status() {
    let issuer = TestIssuer::new();
    let auth = BearerAuth::new(issuer.verifier()).require_scope("write").unwrap();
    let mut router: Router = Router::new().route("/", get(async || "")).layer(auth);
    for (token, grpc_status) in [(None, "16"), (Some(issuer.token().scope("read").sign()), "7")] {
        let mut request = Request::get("/").header("content-type", "application/grpc+proto");
        if let Some(token) = &token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = router.call(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers().get("grpc-status").unwrap(), grpc_status);
        assert_eq!(response.headers().get("content-type").unwrap(), "application/grpc");
        assert!(response.headers().contains_key("grpc-message"));
    }
}
