//! Refreshes of the keys: how often, and which responses are accepted.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aquaware_verifier::fetch::Response;
use aquaware_verifier::limits::MAX_DOCUMENT_BYTES;
use aquaware_verifier::testing::TestIssuer;
use aquaware_verifier::{StalePolicy, VerifyError};

use crate::site::{METADATA, Mood, Site, long, pass, settle};

#[tokio::test(start_paused = true)]
async fn keys_are_refreshed_at_the_max_age_within_bounds() {
    for (cache_control, min, max) in [
        ("max-age=300", 12, 15),
        ("max-age=1", 58, 60),
        ("no-store", 58, 60),
        ("max-age=86400", 1, 1),
    ] {
        let site = Site::publishing(&[&TestIssuer::new()]);
        site.cache_control(cache_control);
        let _verifier = site.verifier().await;
        let before = site.fetches();
        pass(3601).await;
        let fetched = site.fetches() - before;
        assert!((min..=max).contains(&fetched), "{cache_control}: {fetched}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_staleness_shortens_the_refresh_interval() {
    let site = Site::publishing(&[&TestIssuer::new()]);
    site.cache_control("max-age=3600");
    let short = Duration::from_secs(600);
    let verifier = site.builder().on_stale(short, StalePolicy::Reject).discover().await.unwrap();
    for _ in 0..720 {
        pass(5).await;
        assert!(verifier.health().ready);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_key_set_is_confirmed_by_304() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let verifier = site.verifier().await;
    let first = verifier.health().confirmed_at;
    pass(301).await;
    let calls = site.calls();
    assert!(calls.last().unwrap().if_none_match.is_some());
    assert!(verifier.health().confirmed_at > first);
    assert!(verifier.verify(&long(&issuer)).is_ok());
    // After a change, the new key set arrives and its `ETag` replaces the old one.
    let next = issuer.successor();
    site.publish(&[&next]);
    pass(301).await;
    assert!(verifier.verify(&long(&next)).is_ok());
    assert_eq!(verifier.verify(&long(&issuer)).unwrap_err(), VerifyError::UnknownKey);
    pass(301).await;
    assert_ne!(site.calls().last().unwrap().if_none_match, calls.last().unwrap().if_none_match);
}

#[tokio::test(start_paused = true)]
async fn an_invalid_key_set_response_keeps_the_current_keys_and_is_reported() {
    let (issuer, stranger) = (TestIssuer::new(), TestIssuer::new());
    let site = Site::publishing(&[&issuer]);
    let verifier = site.verifier().await;
    let token = long(&issuer);
    let too_long = [stranger.key_set(), vec![b' '; MAX_DOCUMENT_BYTES]].concat();
    let moods = [
        Mood::Answers(Response {
            status: 200,
            body: b"{\"keys\":[".to_vec(),
            ..Response::default()
        }),
        Mood::Answers(Response { status: 200, body: b"<html>".to_vec(), ..Response::default() }),
        Mood::Answers(Response {
            status: 200,
            body: b"{\"keys\":[]}".to_vec(),
            ..Response::default()
        }),
        Mood::Answers(Response { status: 200, body: too_long, ..Response::default() }),
        Mood::Answers(Response { status: 301, body: stranger.key_set(), ..Response::default() }),
        Mood::Answers(Response { status: 503, body: stranger.key_set(), ..Response::default() }),
        Mood::Answers(Response { status: 204, ..Response::default() }),
        Mood::Silent,
        Mood::Down,
    ];
    for mood in moods {
        let case = format!("{mood:.60?}");
        let before = verifier.health().confirmed_at;
        site.mood(mood);
        let error = verifier.refresh().await.unwrap_err();
        assert!(verifier.verify(&token).is_ok(), "{case}");
        assert!(verifier.verify(&long(&stranger)).is_err(), "{case}");
        let health = verifier.health();
        assert_eq!(health.confirmed_at, before, "{case}");
        assert_eq!(health.last_error.unwrap().to_string(), error.to_string());
        assert_eq!(health.failures, 1, "{case}");
        assert!(health.ready);
        site.mood(Mood::Up);
        pass(61).await;
        assert_eq!(verifier.health().failures, 0, "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_set_that_moved_is_rediscovered() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let verifier = site.verifier().await;
    site.move_keys_to("https://keys.test/2");
    pass(320).await;
    let health = verifier.health();
    assert_eq!(
        (health.failures, site.calls().last().unwrap().url.as_str()),
        (0, "https://keys.test/2")
    );
    assert_eq!(site.requests_for(METADATA), 2, "at the start and after the failure");
    // An `ETag` is only valid for its own URL (RFC 9110 §8.8.3).
    let first = site.calls().into_iter().find(|call| call.url == "https://keys.test/2").unwrap();
    assert_eq!(first.if_none_match, None);
}

#[tokio::test(start_paused = true)]
async fn invalid_metadata_does_not_stop_the_refresh_of_keys() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let verifier = site.verifier().await;
    site.mood(Mood::Down);
    assert!(verifier.refresh().await.is_err());
    site.metadata(
        serde_json::json!({ "issuer": "https://evil.test", "jwks_uri": "https://evil.test/keys" }),
    );
    site.mood(Mood::Up);
    assert!(verifier.refresh().await.is_ok());
    assert!(site.calls().iter().all(|call| !call.url.contains("evil")));
    assert!(verifier.verify(&long(&issuer)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_explicit_refresh_postpones_the_next_scheduled_one() {
    let site = Site::publishing(&[&TestIssuer::new()]);
    let verifier = site.verifier().await;
    pass(200).await;
    verifier.refresh().await.unwrap();
    let fetched = site.fetches();
    pass(230).await;
    assert_eq!(site.fetches(), fetched, "the key set is 230 s old");
    pass(75).await;
    assert_eq!(site.fetches(), fetched + 1);
}

#[tokio::test(start_paused = true)]
async fn at_most_one_fetch_of_keys_is_in_flight() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    *site.latency.lock().unwrap() = Duration::from_secs(2);
    let verifier = site.verifier().await;
    pass(31).await;
    let unknown = long(&issuer.successor());
    let all = (0..10).map(|_| {
        let (verifier, unknown) = (verifier.clone(), unknown.clone());
        tokio::spawn(async move {
            let _ = verifier.verify(&unknown);
            let _ = verifier.verify_waiting(&unknown, Duration::from_secs(5)).await;
            verifier.refresh().await
        })
    });
    for one in all.collect::<Vec<_>>() {
        one.await.unwrap().unwrap();
    }
    settle().await;
    assert_eq!(site.max_in_flight.load(Ordering::SeqCst), 1);
}
