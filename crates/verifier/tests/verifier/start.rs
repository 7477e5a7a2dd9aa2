//! Setting up: invalid settings and unusable issuers are errors of the start.

use std::sync::Arc;
use std::time::Duration;

use aquaware_verifier::fetch::Response;
use aquaware_verifier::limits::MAX_DOCUMENT_BYTES;
use aquaware_verifier::testing::{AUDIENCE, ISSUER, TestIssuer};
use aquaware_verifier::{
    Algorithm, BuildError, Builder, DocumentError, StalePolicy, Verifier, VerifyError,
};
use serde_json::json;

use crate::site::{KEYS, METADATA, Mood, Site, long, pass, settle};

fn with(change: impl FnOnce(Builder) -> Builder) -> Result<Verifier, BuildError> {
    let issuer = TestIssuer::new();
    change(issuer.builder()).key_set(&issuer.key_set())
}

async fn start_error(site: &Arc<Site>) -> DocumentError {
    let error = site.builder().discover().await.unwrap_err();
    let BuildError::Refresh(error) = error else { panic!("{error:?}") };
    Arc::try_unwrap(error).unwrap().source
}

#[test]
fn invalid_settings_are_rejected() {
    assert!(with(|builder| builder).is_ok());
    let key_set = TestIssuer::new().key_set();
    for issuer in ["", "https://a?b=c"] {
        let started = Verifier::builder(issuer, AUDIENCE).key_set(&key_set);
        assert!(matches!(started, Err(BuildError::Id(_))), "{issuer}");
    }
    assert!(matches!(with(|b| b.audience("")), Err(BuildError::Id(_))));
    let minute = Duration::from_secs(60);
    assert!(with(|b| b.leeway(minute)).is_ok());
    let more = minute + Duration::from_millis(1);
    assert!(matches!(with(|b| b.leeway(more)), Err(BuildError::Leeway)));
    assert!(matches!(with(|b| b.algorithms([])), Err(BuildError::Algorithms)));
    let symmetric = [Algorithm::EdDsa, Algorithm::Hs256];
    assert!(matches!(with(|b| b.algorithms(symmetric)), Err(BuildError::Algorithms)));
    let short = Duration::from_millis(4999);
    assert!(matches!(with(|b| b.cooldown(short)), Err(BuildError::Cooldown)));
    let short = Duration::from_secs(119);
    assert!(matches!(
        with(|b| b.on_stale(short, StalePolicy::KeepUsing)),
        Err(BuildError::Staleness)
    ));
}

#[test]
fn an_empty_audience_is_rejected() {
    let key_set = TestIssuer::new().key_set();
    let started = Verifier::builder(ISSUER, "").key_set(&key_set);
    assert!(matches!(started, Err(BuildError::Id(_))));
}

#[test]
fn a_fixed_key_set_requires_a_usable_key() {
    let builder = || Verifier::builder(ISSUER, AUDIENCE);
    for json in [
        "",
        "{}",
        "[]",
        "{\"keys\":[]}",
        "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"AAAA\"}]}",
    ] {
        let started = builder().key_set(json.as_bytes());
        assert!(matches!(started, Err(BuildError::NoUsableKey)), "{json}");
    }
    let issuer = TestIssuer::new();
    let others = builder().algorithms([Algorithm::Es256]).key_set(&issuer.key_set());
    assert!(matches!(others, Err(BuildError::NoUsableKey)));
}

#[tokio::test(start_paused = true)]
async fn plain_http_requires_loopback_or_explicit_permission() {
    let site = Site::publishing(&[&TestIssuer::new()]);
    let insecure =
        |started: Result<Verifier, BuildError>| matches!(started, Err(BuildError::InsecureUrl(_)));
    let at = |uri: &'static str| site.builder().jwks_uri(uri);
    assert!(insecure(at("http://issuer.test/keys").await));
    assert!(insecure(at("file:///keys").await));
    assert!(insecure(site.builder_for("http://issuer.test").discover().await));
    assert!(site.calls().is_empty(), "nothing was fetched");
    site.move_keys_to("http://127.0.0.1:8080/keys");
    assert!(at("http://127.0.0.1:8080/keys").await.is_ok());
    site.move_keys_to("http://issuer.test/keys");
    assert!(site.builder().allow_http().jwks_uri("http://issuer.test/keys").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn keys_are_discovered_through_the_metadata() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let verifier = site.verifier().await;
    assert!(verifier.verify(&long(&issuer)).is_ok());
    let urls: Vec<String> = site.calls().into_iter().map(|call| call.url).collect();
    assert_eq!(urls, [METADATA, KEYS]);
}

#[tokio::test(start_paused = true)]
async fn metadata_of_another_issuer_or_with_an_insecure_jwks_uri_is_rejected() {
    let site = Site::publishing(&[&TestIssuer::new()]);
    for other in ["https://issuer.test/", "https://Issuer.test", "https://evil.test", ""] {
        site.metadata(json!({ "issuer": other, "jwks_uri": KEYS }));
        let error = start_error(&site).await;
        let DocumentError::WrongIssuer { found, expected } = &error else { panic!("{error:?}") };
        assert_eq!((found.as_str(), expected.as_str()), (other, ISSUER));
        let text = format!("the metadata names the issuer {other:?}, expected {ISSUER:?}");
        assert_eq!(error.to_string(), text);
    }
    site.metadata(json!({ "issuer": ISSUER, "jwks_uri": "http://issuer.test/keys" }));
    assert!(matches!(start_error(&site).await, DocumentError::InsecureKeys));
    for broken in [
        json!({ "issuer": ISSUER }),
        json!({ "jwks_uri": KEYS }),
        json!([]),
        json!({
            "issuer": [ISSUER], "jwks_uri": KEYS
        }),
    ] {
        site.metadata(broken);
        assert!(matches!(start_error(&site).await, DocumentError::NotMetadata));
    }
    assert_eq!(site.fetches(), 0, "no key set was fetched");
}

#[tokio::test(start_paused = true)]
async fn an_invalid_key_set_response_prevents_the_start() {
    let site = Site::publishing(&[&TestIssuer::new()]);
    let start = |status, body: &[u8]| {
        let response = Response { status, body: body.to_vec(), ..Response::default() };
        site.mood(Mood::Answers(response));
        let started = site.builder().jwks_uri(KEYS);
        async {
            match started.await.unwrap_err() {
                BuildError::Refresh(error) => Arc::try_unwrap(error).unwrap().source,
                other => panic!("{other:?}"),
            }
        }
    };
    assert!(matches!(start(200, b"{\"keys\":").await, DocumentError::NotAKeySet));
    assert!(matches!(start(200, b"<html>").await, DocumentError::NotAKeySet));
    assert!(matches!(start(200, b"{\"keys\":[]}").await, DocumentError::NoUsableKey));
    assert!(matches!(
        start(200, &vec![b' '; MAX_DOCUMENT_BYTES + 1]).await,
        DocumentError::TooLarge
    ));
    assert!(matches!(start(302, b"").await, DocumentError::Status(302)));
    assert!(
        matches!(start(304, b"").await, DocumentError::Status(304)),
        "the request was unconditional"
    );
    assert!(matches!(start(500, b"").await, DocumentError::Status(500)));
    site.mood(Mood::Down);
    assert!(matches!(start_error(&site).await, DocumentError::Fetch(_)));
    site.mood(Mood::Silent);
    assert!(matches!(start_error(&site).await, DocumentError::TimedOut));
}

#[tokio::test(start_paused = true)]
async fn a_service_can_start_before_its_issuer() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.mood(Mood::Down);
    let verifier = site.builder().start_without_keys().discover().await.unwrap();
    let token = long(&issuer);
    assert_eq!(verifier.verify(&token).unwrap_err(), VerifyError::NoKeys);
    assert!(!verifier.health().ready);
    assert_eq!(verifier.health().failures, 1);
    site.mood(Mood::Up);
    pass(60).await;
    assert!(verifier.verify(&token).is_ok());
    let health = verifier.health();
    assert!(health.ready && health.last_error.is_none() && health.failures == 0);
}

#[tokio::test(start_paused = true)]
async fn the_key_task_ends_with_the_last_clone() {
    let site = Site::publishing(&[&TestIssuer::new()]);
    let verifier = site.verifier().await;
    let clone = verifier.clone();
    drop(verifier);
    pass(400).await;
    let fetches = site.fetches();
    assert!(fetches > 1, "the clone keeps the task alive");
    drop(clone);
    settle().await;
    pass(4000).await;
    assert_eq!(site.fetches(), fetches);
}
