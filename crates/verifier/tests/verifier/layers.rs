//! The extractor and the layer beyond the examples: waiting for keys, no keys, no protection.

use std::time::Duration;

use actix_web::dev::ServiceResponse;
use actix_web::http::header;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, web};
use aquaware_verifier::testing::{STATUS_LIST, TestIssuer};
use aquaware_verifier::{Bearer, BearerClaims, Protection, Verified, Verifier};
use axum::body::Body;
use axum::http::{Request, Response};
use axum::routing::get;
use axum::{Extension, Router};
use tower_service::Service as _;

use crate::site::{Mood, Shelf, Site, listed, long, pass};

async fn by_actix(protection: Option<Protection>, token: &str) -> ServiceResponse {
    let hello = |bearer: Bearer| async move { bearer.sub.to_string() };
    let app = App::new().route("/", web::get().to(hello));
    let app = match protection {
        Some(protection) => app.app_data(protection),
        None => app,
    };
    let request =
        TestRequest::get().insert_header((header::AUTHORIZATION, format!("Bearer {token}")));
    call_service(&init_service(app).await, request.to_request()).await
}

async fn by_axum(protection: Protection, token: &str) -> Response<Body> {
    let hello = async |Extension(claims): Extension<Verified<BearerClaims>>| claims.sub.to_string();
    let mut router: Router = Router::new().route("/", get(hello)).layer(protection);
    let request = Request::get("/").header("authorization", format!("Bearer {token}"));
    router.call(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn statuses(protection: &Protection, token: &str) -> [u16; 2] {
    let actix = by_actix(Some(protection.clone()), token).await.status().as_u16();
    [actix, by_axum(protection.clone(), token).await.status().as_u16()]
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

#[tokio::test(start_paused = true)]
async fn a_protection_that_may_wait_waits_for_the_key() {
    let waiting = |verifier| Protection::new(verifier).waiting(Duration::from_secs(1));
    let (verifier, token) = with_new_key().await;
    let answer = by_actix(Some(waiting(verifier)), &token).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(read_body(answer).await, "test-subject");
    let (verifier, token) = with_new_key().await;
    assert_eq!(by_axum(waiting(verifier), &token).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn one_that_may_not_refuses_at_once() {
    let (verifier, token) = with_new_key().await;
    assert_eq!(statuses(&Protection::new(verifier), &token).await, [401, 401]);
}

#[tokio::test(start_paused = true)]
async fn without_keys_it_is_nobodys_fault_but_ours() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.mood(Mood::Down);
    let verifier = site.builder().start_without_keys().discover().await.unwrap();
    let protection = Protection::new(verifier);
    let actix = by_actix(Some(protection.clone()), &long(&issuer)).await;
    assert_eq!(actix.status(), 503);
    assert!(actix.headers().contains_key("retry-after"));
    assert!(!actix.headers().contains_key("www-authenticate"));
    let axum = by_axum(protection, &long(&issuer)).await;
    assert_eq!(axum.status(), 503);
    assert!(axum.headers().contains_key("retry-after"));
    assert!(!axum.headers().contains_key("www-authenticate"));
}

#[tokio::test]
async fn a_revoked_token_is_no_good_token() {
    let issuer = TestIssuer::new();
    let protection = Protection::new(issuer.verifier());
    let token = issuer.token().status(7).sign();
    assert_eq!(statuses(&protection, &token).await, [200, 200]);
    issuer.revoke(7);
    let expected = "Bearer realm=\"api\", error=\"invalid_token\", error_description=\"the token was revoked\"";
    let actix = by_actix(Some(protection.clone()), &token).await;
    let axum = by_axum(protection, &token).await;
    assert_eq!((actix.status().as_u16(), axum.status().as_u16()), (401, 401));
    assert_eq!(actix.headers().get("www-authenticate").unwrap(), expected);
    assert_eq!(axum.headers().get("www-authenticate").unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn without_a_status_list_it_is_nobodys_fault_but_ours() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.put_shelf(STATUS_LIST, Shelf::default());
    let protection = Protection::new(site.verifier().await);
    for _ in 0..2 {
        let actix = by_actix(Some(protection.clone()), &listed(&issuer, 1)).await;
        let axum = by_axum(protection.clone(), &listed(&issuer, 1)).await;
        assert_eq!((actix.status().as_u16(), axum.status().as_u16()), (503, 503));
        assert!(actix.headers().contains_key("retry-after"));
        assert!(axum.headers().contains_key("retry-after"));
        assert!(!actix.headers().contains_key("www-authenticate"));
        assert!(!axum.headers().contains_key("www-authenticate"));
        pass(10).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_protection_that_may_wait_waits_for_the_list() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    *site.latency.lock().unwrap() = Duration::from_millis(200);
    site.show(&issuer);
    for _ in 0..2 {
        let waiting = |verifier| Protection::new(verifier).waiting(Duration::from_secs(1));
        let actix = by_actix(Some(waiting(site.verifier().await)), &listed(&issuer, 1)).await;
        let axum = by_axum(waiting(site.verifier().await), &listed(&issuer, 1)).await;
        assert_eq!((actix.status().as_u16(), axum.status().as_u16()), (200, 200));
    }
}

#[tokio::test]
async fn a_handler_that_nothing_protects_lets_nobody_in() {
    let answer = by_actix(None, &TestIssuer::new().token().sign()).await;
    assert_eq!(answer.status(), 500);
    assert!(read_body(answer).await.is_empty());
}

#[tokio::test]
async fn a_scope_may_be_asked_for_as_a_whole() {
    let issuer = TestIssuer::new();
    let protection = Protection::new(issuer.verifier()).require_scope("read write").unwrap();
    let token = |scope| issuer.token().scope(scope).sign();
    assert_eq!(statuses(&protection, &token("write read more")).await, [200, 200]);
    assert_eq!(statuses(&protection, &token("read")).await, [403, 403]);
    assert!(Protection::new(issuer.verifier()).require_scope("\"").is_err());
}

#[tokio::test]
async fn a_realm_cannot_break_out_of_its_quotes() {
    let protection = Protection::new(TestIssuer::new().verifier()).realm("a\"b\\c\r\nd é");
    let actix = by_actix(Some(protection.clone()), "").await;
    let axum = by_axum(protection, "").await;
    let expected = "Bearer realm=\"abcd \", error=\"invalid_token\", \
                    error_description=\"what is presented is no token\"";
    assert_eq!(actix.headers().get("www-authenticate").unwrap(), expected);
    assert_eq!(axum.headers().get("www-authenticate").unwrap(), expected);
}
