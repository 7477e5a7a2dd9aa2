//! Setting up: what makes no sense is said at once, and so is an issuer that can't be trusted.

use std::sync::Arc;
use std::time::Duration;

use aquaware_verifier::fetch::{MAX_BYTES, Response};
use aquaware_verifier::testing::{AUDIENCE, ISSUER, TestIssuer};
use aquaware_verifier::{Algorithm, Builder, Problem, Rejection, Stale, StartError, Verifier};
use serde_json::json;

use crate::site::{KEYS, METADATA, Mood, Site, long, pass, settle};

fn fixed(change: impl FnOnce(Builder) -> Builder) -> Result<Verifier, StartError> {
    let issuer = TestIssuer::new();
    change(issuer.builder()).key_set(&issuer.key_set())
}

async fn problem(site: &Arc<Site>) -> Problem {
    let error = site.builder().discover().await.unwrap_err();
    let StartError::Refresh(error) = error else { panic!("{error:?}") };
    Arc::try_unwrap(error).map(|error| error.problem).unwrap_or(Problem::NotAKeySet)
}

#[test]
fn what_makes_no_sense_is_refused() {
    assert!(fixed(|builder| builder).is_ok());
    assert!(matches!(fixed(|b| b.issuer("")), Err(StartError::Name(_))));
    assert!(matches!(fixed(|b| b.issuer("https://a?b=c")), Err(StartError::Name(_))));
    assert!(matches!(fixed(|b| b.audience("")), Err(StartError::Name(_))));
    let minute = Duration::from_secs(60);
    assert!(fixed(|b| b.leeway(minute)).is_ok());
    let more = minute + Duration::from_millis(1);
    assert!(matches!(fixed(|b| b.leeway(more)), Err(StartError::Leeway)));
    assert!(matches!(fixed(|b| b.algorithms([])), Err(StartError::Algorithms)));
    let symmetric = [Algorithm::EdDsa, Algorithm::Hs256];
    assert!(matches!(fixed(|b| b.algorithms(symmetric)), Err(StartError::Algorithms)));
    let short = Duration::from_millis(4999);
    assert!(matches!(fixed(|b| b.cooldown(short)), Err(StartError::Cooldown)));
    let short = Duration::from_secs(119);
    assert!(matches!(fixed(|b| b.on_stale(short, Stale::GoOn)), Err(StartError::Staleness)));
}

#[test]
fn without_an_audience_nothing_starts() {
    let key_set = TestIssuer::new().key_set();
    let started = Verifier::builder().issuer(ISSUER).key_set(&key_set);
    assert!(matches!(started, Err(StartError::NoAudience)));
}

#[test]
fn a_fixed_set_needs_a_usable_key() {
    let builder = || Verifier::builder().issuer(ISSUER).audience(AUDIENCE);
    for bad in [
        "",
        "{}",
        "[]",
        "{\"keys\":[]}",
        "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"AAAA\"}]}",
    ] {
        let started = builder().key_set(bad.as_bytes());
        assert!(matches!(started, Err(StartError::NoUsableKey)), "{bad}");
    }
    let issuer = TestIssuer::new();
    let others = builder().algorithms([Algorithm::Es256]).key_set(&issuer.key_set());
    assert!(matches!(others, Err(StartError::NoUsableKey)));
}

#[tokio::test(start_paused = true)]
async fn plain_http_is_for_this_machine_or_by_name() {
    let site = Site::publishing(&[&TestIssuer::new()]);
    let insecure =
        |started: Result<Verifier, StartError>| matches!(started, Err(StartError::Insecure(_)));
    let at = |uri: &'static str| site.builder().jwks_uri(uri);
    assert!(insecure(at("http://issuer.test/keys").await));
    assert!(insecure(at("file:///keys").await));
    assert!(insecure(site.builder().issuer("http://issuer.test").discover().await));
    assert!(site.calls().is_empty(), "nothing was asked");
    site.move_keys_to("http://127.0.0.1:8080/keys");
    assert!(at("http://127.0.0.1:8080/keys").await.is_ok());
    site.move_keys_to("http://issuer.test/keys");
    assert!(site.builder().allow_http().jwks_uri("http://issuer.test/keys").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn keys_are_found_by_the_metadata() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let verifier = site.verifier().await;
    assert!(verifier.verify(&long(&issuer)).is_ok());
    let urls: Vec<String> = site.calls().into_iter().map(|call| call.url).collect();
    assert_eq!(urls, [METADATA, KEYS]);
}

#[tokio::test(start_paused = true)]
async fn metadata_of_another_issuer_or_with_unsafe_keys_is_refused() {
    let site = Site::publishing(&[&TestIssuer::new()]);
    for other in ["https://issuer.test/", "https://Issuer.test", "https://evil.test", ""] {
        site.metadata(json!({ "issuer": other, "jwks_uri": KEYS }));
        assert!(matches!(problem(&site).await, Problem::OtherIssuer), "{other}");
    }
    site.metadata(json!({ "issuer": ISSUER, "jwks_uri": "http://issuer.test/keys" }));
    assert!(matches!(problem(&site).await, Problem::Insecure));
    for broken in [
        json!({ "issuer": ISSUER }),
        json!({ "jwks_uri": KEYS }),
        json!([]),
        json!({
            "issuer": [ISSUER], "jwks_uri": KEYS
        }),
    ] {
        site.metadata(broken);
        assert!(matches!(problem(&site).await, Problem::NotMetadata));
    }
    assert_eq!(site.fetches(), 0, "no key was asked for");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_key_set_is_an_error_of_the_start() {
    let site = Site::publishing(&[&TestIssuer::new()]);
    let answers = |status, body: &[u8]| {
        let answer = Response { status, body: body.to_vec(), ..Response::default() };
        site.mood(Mood::Answers(answer));
        let start = site.builder().jwks_uri(KEYS);
        async {
            match start.await.unwrap_err() {
                StartError::Refresh(error) => Arc::try_unwrap(error).unwrap().problem,
                other => panic!("{other:?}"),
            }
        }
    };
    assert!(matches!(answers(200, b"{\"keys\":").await, Problem::NotAKeySet));
    assert!(matches!(answers(200, b"<html>").await, Problem::NotAKeySet));
    assert!(matches!(answers(200, b"{\"keys\":[]}").await, Problem::NoUsableKey));
    assert!(matches!(answers(200, &vec![b' '; MAX_BYTES + 1]).await, Problem::TooLong));
    assert!(matches!(answers(302, b"").await, Problem::Status(302)));
    assert!(matches!(answers(304, b"").await, Problem::Status(304)), "nobody asked for that");
    assert!(matches!(answers(500, b"").await, Problem::Status(500)));
    site.mood(Mood::Down);
    assert!(matches!(problem(&site).await, Problem::Fetch(_)));
    site.mood(Mood::Silent);
    assert!(matches!(problem(&site).await, Problem::TimedOut));
}

#[tokio::test(start_paused = true)]
async fn a_service_may_start_before_its_issuer() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.mood(Mood::Down);
    let verifier = site.builder().start_without_keys().discover().await.unwrap();
    let token = long(&issuer);
    assert_eq!(verifier.verify(&token).unwrap_err(), Rejection::NoKeys);
    assert!(!verifier.health().ready);
    assert_eq!(verifier.health().failures, 1);
    site.mood(Mood::Up);
    pass(60).await;
    assert!(verifier.verify(&token).is_ok());
    let health = verifier.health();
    assert!(health.ready && health.last_error.is_none() && health.failures == 0);
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_the_last_clone() {
    let site = Site::publishing(&[&TestIssuer::new()]);
    let verifier = site.verifier().await;
    let clone = verifier.clone();
    drop(verifier);
    pass(400).await;
    let asked = site.fetches();
    assert!(asked > 1, "the clone keeps it going");
    drop(clone);
    settle().await;
    pass(4000).await;
    assert_eq!(site.fetches(), asked);
}
