//! `BearerAuth` and `Bearer` beyond the examples: waiting, missing keys, and set-up mistakes.

use std::time::Duration;

use actix_web::dev::ServiceResponse;
use actix_web::http::header;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, web};
use aquaware_verifier::testing::{STATUS_LIST, TestIssuer};
use aquaware_verifier::{Bearer, BearerAuth, RejectionKind, Verifier};
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use axum::routing::get;
use axum::{Extension, Router};
use serde_json::json;
use tower_service::Service as _;

use crate::site::{Mood, Shelf, Site, listed, long, pass};

async fn call_actix(auth: BearerAuth, token: &str) -> ServiceResponse {
    let hello = |bearer: Bearer| async move { bearer.sub.to_string() };
    let app = App::new().service(web::scope("").wrap(auth).route("/", web::get().to(hello)));
    let request =
        TestRequest::get().insert_header((header::AUTHORIZATION, format!("Bearer {token}")));
    call_service(&init_service(app).await, request.to_request()).await.map_into_boxed_body()
}

/// With the layer.
async fn call_tower(auth: BearerAuth, token: &str) -> Response<Body> {
    let hello = async |Extension(bearer): Extension<Bearer>| bearer.sub.to_string();
    call_router(Router::new().route("/", get(hello)).layer(auth), token).await
}

/// With the extractor.
async fn call_axum(auth: BearerAuth, token: &str) -> Response<Body> {
    let hello = async |bearer: Bearer| bearer.sub.to_string();
    call_router(Router::new().route("/", get(hello)).with_state(auth), token).await
}

async fn call_router(mut router: Router, token: &str) -> Response<Body> {
    let request = Request::get("/").header("authorization", format!("Bearer {token}"));
    router.call(request.body(Body::empty()).unwrap()).await.unwrap()
}

/// The status and the named header of all three.
async fn call_all(auth: &BearerAuth, token: &str, header: &str) -> [(u16, Option<String>); 3] {
    let actix = call_actix(auth.clone(), token).await;
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    let value = actix.headers().get(header).map(|value| text(value.as_bytes()));
    let axum = [call_tower(auth.clone(), token).await, call_axum(auth.clone(), token).await];
    let [tower, axum] = axum.map(|response| {
        let value = response.headers().get(header).map(|value| text(value.as_bytes()));
        (response.status().as_u16(), value)
    });
    [(actix.status().as_u16(), value), tower, axum]
}

async fn statuses(auth: &BearerAuth, token: &str) -> [u16; 3] {
    call_all(auth, token, "date").await.map(|(status, _)| status)
}

async fn challenges(auth: &BearerAuth, token: &str) -> [Option<String>; 3] {
    call_all(auth, token, "www-authenticate").await.map(|(_, challenge)| challenge)
}

async fn with_new_key() -> (Verifier, String) {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    *site.latency.lock().unwrap() = Duration::from_millis(200);
    let verifier = site.verifier().await;
    pass(60).await;
    let next = issuer.successor();
    site.publish(&[&issuer, &next]);
    (verifier, long(&next))
}

fn waiting(verifier: Verifier) -> BearerAuth {
    BearerAuth::new(verifier).wait_up_to(Duration::from_secs(1))
}

#[tokio::test(start_paused = true)]
async fn bearer_auth_with_a_wait_waits_for_the_key() {
    let (verifier, token) = with_new_key().await;
    let response = call_actix(waiting(verifier), &token).await;
    assert_eq!(response.status(), 200);
    assert_eq!(read_body(response).await, "test-subject");
    let (verifier, token) = with_new_key().await;
    assert_eq!(call_tower(waiting(verifier), &token).await.status(), 200);
    let (verifier, token) = with_new_key().await;
    assert_eq!(call_axum(waiting(verifier), &token).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn bearer_auth_without_a_wait_rejects_immediately() {
    let (verifier, token) = with_new_key().await;
    assert_eq!(statuses(&BearerAuth::new(verifier), &token).await, [401; 3]);
}

async fn is_unavailable(auth: &BearerAuth, token: &str) {
    let expected = (503, Some("10".to_owned()));
    for found in call_all(auth, token, "retry-after").await {
        assert_eq!(found, expected);
    }
    assert_eq!(challenges(auth, token).await, [None, None, None]);
}

#[tokio::test(start_paused = true)]
async fn missing_keys_are_503_without_a_challenge() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.mood(Mood::Down);
    let verifier = site.builder().start_without_keys().discover().await.unwrap();
    is_unavailable(&BearerAuth::new(verifier), &long(&issuer)).await;
}

#[tokio::test(start_paused = true)]
async fn a_missing_status_list_is_503_without_a_challenge() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.put_shelf(STATUS_LIST, Shelf::default());
    let auth = BearerAuth::new(site.verifier().await);
    for _ in 0..2 {
        is_unavailable(&auth, &listed(&issuer, 1)).await;
        pass(10).await;
    }
}

#[tokio::test]
async fn revoked_tokens_are_rejected_with_a_challenge() {
    let issuer = TestIssuer::new();
    let auth = BearerAuth::new(issuer.verifier());
    let token = issuer.token().status(7).sign();
    assert_eq!(statuses(&auth, &token).await, [200; 3]);
    issuer.revoke(7);
    let expected = "Bearer realm=\"api\", error=\"invalid_token\", error_description=\"the token was revoked\"";
    for found in call_all(&auth, &token, "www-authenticate").await {
        assert_eq!(found, (401, Some(expected.to_owned())));
    }
}

#[tokio::test(start_paused = true)]
async fn bearer_auth_with_a_wait_waits_for_the_status_list() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    *site.latency.lock().unwrap() = Duration::from_millis(200);
    site.show(&issuer);
    for _ in 0..2 {
        let token = listed(&issuer, 1);
        assert_eq!(call_actix(waiting(site.verifier().await), &token).await.status(), 200);
        assert_eq!(call_tower(waiting(site.verifier().await), &token).await.status(), 200);
        assert_eq!(call_axum(waiting(site.verifier().await), &token).await.status(), 200);
    }
}

#[tokio::test]
async fn a_handler_without_bearer_auth_rejects_every_request() {
    let hello = |bearer: Bearer| async move { bearer.sub.to_string() };
    let app = init_service(App::new().route("/", web::get().to(hello))).await;
    let token = format!("Bearer {}", TestIssuer::new().token().sign());
    for request in
        [TestRequest::get().insert_header((header::AUTHORIZATION, token)), TestRequest::get()]
    {
        let response = call_service(&app, request.to_request()).await;
        assert_eq!(response.status(), 500);
        assert!(!response.headers().contains_key("www-authenticate"));
        let problem: serde_json::Value =
            serde_json::from_slice(&read_body(response).await).unwrap();
        let expected = json!({
            "type": "about:blank", "title": "Internal Server Error", "status": 500,
            "code": "internal_error",
        });
        assert_eq!(problem, expected);
    }
}

#[tokio::test]
async fn optional_bearer_auth_passes_on_requests_without_a_token_only() {
    let issuer = TestIssuer::new();
    let auth = BearerAuth::new(issuer.verifier()).optional();
    let hello = |bearer: Option<Bearer>| async move {
        bearer.map_or("anonymous".to_owned(), |bearer| bearer.sub.to_string())
    };
    let app = App::new().service(
        web::scope("").wrap(auth.clone()).route("/", web::get().to(hello)).route(
            "/strict",
            web::get().to(|bearer: Bearer| async move { bearer.sub.to_string() }),
        ),
    );
    let app = init_service(app).await;
    let anonymous = call_service(&app, TestRequest::get().to_request()).await;
    assert_eq!(read_body(anonymous).await, "anonymous");
    let strict = call_service(&app, TestRequest::with_uri("/strict").to_request()).await;
    assert_eq!(strict.status(), 401);
    assert_eq!(strict.headers().get("www-authenticate").unwrap(), "Bearer realm=\"api\"");

    let hello = async |bearer: Option<Extension<Bearer>>| match bearer {
        Some(Extension(bearer)) => bearer.sub.to_string(),
        None => "anonymous".to_owned(),
    };
    let mut router: Router = Router::new().route("/", get(hello)).layer(auth.clone());
    let anonymous = router.call(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(to_bytes(anonymous.into_body(), 100).await.unwrap(), "anonymous");

    let valid = issuer.token().sign();
    for (token, status) in [(&*valid, 200), (&issuer.token().expired().sign(), 401), ("a", 401)] {
        let value = format!("Bearer {token}");
        let request = TestRequest::get().insert_header((header::AUTHORIZATION, &*value));
        assert_eq!(call_service(&app, request.to_request()).await.status(), status);
        let request = Request::get("/").header("authorization", &value);
        let response = router.call(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), status);
    }
}

/// An inner `BearerAuth` that sees no token must not pass on what another one found.
#[tokio::test]
async fn the_innermost_bearer_auth_decides() {
    let issuer = TestIssuer::new();
    let outer = BearerAuth::new(issuer.verifier());
    let inner = outer.clone().require_scope("write").unwrap();
    let app = App::new().wrap(outer.clone()).service(
        web::scope("")
            .wrap(inner.clone())
            .route("/", web::get().to(|bearer: Bearer| async move { bearer.sub.to_string() })),
    );
    let app = init_service(app).await;
    let hello = async |Extension(bearer): Extension<Bearer>| bearer.sub.to_string();
    let mut router: Router = Router::new().route("/", get(hello)).layer(inner).layer(outer);
    for (scope, status) in [("write", 200), ("read", 403)] {
        let token = format!("Bearer {}", issuer.token().scope(scope).sign());
        let request = TestRequest::get().insert_header((header::AUTHORIZATION, &*token));
        assert_eq!(call_service(&app, request.to_request()).await.status(), status);
        let request = Request::get("/").header("authorization", &token);
        let response = router.call(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), status);
    }
}

#[tokio::test]
async fn all_required_scope_tokens_must_be_granted() {
    let issuer = TestIssuer::new();
    let auth = BearerAuth::new(issuer.verifier()).require_scope("read write").unwrap();
    let token = |scope| issuer.token().scope(scope).sign();
    assert_eq!(statuses(&auth, &token("write read more")).await, [200; 3]);
    assert_eq!(statuses(&auth, &token("read")).await, [403; 3]);
    assert!(BearerAuth::new(issuer.verifier()).require_scope("\"").is_err());
}

#[tokio::test]
async fn a_realm_cannot_break_out_of_its_quotes() {
    let auth = BearerAuth::new(TestIssuer::new().verifier()).realm("a\"b\\c\r\nd é");
    let expected = "Bearer realm=\"abcd \", error=\"invalid_token\", \
                    error_description=\"the access token is malformed\"";
    for challenge in challenges(&auth, "").await {
        assert_eq!(challenge.as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn a_service_can_replace_the_body_of_rejections() {
    let auth = BearerAuth::new(TestIssuer::new().verifier());
    let auth = auth.rejection_body("application/json", |rejection| {
        assert_eq!(rejection.kind(), &RejectionKind::MalformedToken);
        json!({ "error": rejection.code() }).to_string()
    });
    for (status, content_type) in call_all(&auth, "", "content-type").await {
        assert_eq!((status, content_type.as_deref()), (401, Some("application/json")));
    }
    let expected = "{\"error\":\"invalid_token\"}";
    assert_eq!(read_body(call_actix(auth.clone(), "").await).await, expected);
    for response in [call_tower(auth.clone(), "").await, call_axum(auth, "").await] {
        assert_eq!(to_bytes(response.into_body(), 100).await.unwrap(), expected);
    }
}
