//! Warm caches: how often keys are fetched, what is kept, and what an answer must be to count.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aquaware_verifier::fetch::{MAX_BYTES, Response};
use aquaware_verifier::testing::TestIssuer;
use aquaware_verifier::{Rejection, Stale};

use crate::site::{METADATA, Mood, Site, long, pass, settle};

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_again_as_often_as_the_issuer_says_within_bounds() {
    for (cache_control, least, most) in [
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
        assert!((least..=most).contains(&fetched), "{cache_control}: {fetched}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_staleness_makes_for_frequent_fetches() {
    let site = Site::publishing(&[&TestIssuer::new()]);
    site.cache_control("max-age=3600");
    let short = Duration::from_secs(600);
    let verifier = site.builder().on_stale(short, Stale::Refuse).discover().await.unwrap();
    for _ in 0..720 {
        pass(5).await;
        assert!(verifier.health().ready);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_set_is_confirmed_without_being_sent() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let verifier = site.verifier().await;
    let first = verifier.health().confirmed_at;
    pass(301).await;
    let calls = site.calls();
    assert!(calls.last().unwrap().if_none_match.is_some());
    assert!(verifier.health().confirmed_at > first);
    assert!(verifier.verify(&long(&issuer)).is_ok());
    // A changed one is sent, and the name of the old one is forgotten.
    let next = issuer.successor();
    site.publish(&[&next]);
    pass(301).await;
    assert!(verifier.verify(&long(&next)).is_ok());
    assert_eq!(verifier.verify(&long(&issuer)).unwrap_err(), Rejection::UnknownKey);
    pass(301).await;
    assert_ne!(site.calls().last().unwrap().if_none_match, calls.last().unwrap().if_none_match);
}

#[tokio::test(start_paused = true)]
async fn a_bad_answer_changes_nothing_and_is_said() {
    let (issuer, stranger) = (TestIssuer::new(), TestIssuer::new());
    let site = Site::publishing(&[&issuer]);
    let verifier = site.verifier().await;
    let token = long(&issuer);
    let too_long = [stranger.key_set(), vec![b' '; MAX_BYTES]].concat();
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
        let said = format!("{mood:.60?}");
        let before = verifier.health().confirmed_at;
        site.mood(mood);
        let error = verifier.refresh().await.unwrap_err();
        assert!(verifier.verify(&token).is_ok(), "{said}");
        assert!(verifier.verify(&long(&stranger)).is_err(), "{said}");
        let health = verifier.health();
        assert_eq!(health.confirmed_at, before, "{said}");
        assert_eq!(health.last_error.unwrap().to_string(), error.to_string());
        assert_eq!(health.failures, 1, "{said}");
        assert!(health.ready);
        site.mood(Mood::Up);
        pass(61).await;
        assert_eq!(verifier.health().failures, 0, "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_set_that_moved_is_found_again() {
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
    let asked = site.calls().iter().filter(|call| call.url == METADATA).count();
    assert_eq!(asked, 2, "at the start, and after the failure");
    // An `ETag` is of one address (RFC 9110 §8.8.3): what another calls the same need not be it.
    let first = site.calls().into_iter().find(|call| call.url == "https://keys.test/2").unwrap();
    assert_eq!(first.if_none_match, None);
}

#[tokio::test(start_paused = true)]
async fn metadata_that_went_bad_does_not_stop_the_keys() {
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
async fn a_fetch_by_hand_moves_the_next_one() {
    let site = Site::publishing(&[&TestIssuer::new()]);
    let verifier = site.verifier().await;
    pass(200).await;
    verifier.refresh().await.unwrap();
    let fetched = site.fetches();
    pass(230).await;
    assert_eq!(site.fetches(), fetched, "the set is 230 s old");
    pass(75).await;
    assert_eq!(site.fetches(), fetched + 1);
}

#[tokio::test(start_paused = true)]
async fn only_one_fetch_is_in_flight() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    *site.latency.lock().unwrap() = Duration::from_secs(2);
    let verifier = site.verifier().await;
    pass(31).await;
    let stranger = long(&issuer.successor());
    let all = (0..10).map(|_| {
        let (verifier, stranger) = (verifier.clone(), stranger.clone());
        tokio::spawn(async move {
            let _ = verifier.verify(&stranger);
            let _ = verifier.verify_waiting(&stranger, Duration::from_secs(5)).await;
            verifier.refresh().await
        })
    });
    for one in all.collect::<Vec<_>>() {
        one.await.unwrap().unwrap();
    }
    settle().await;
    assert_eq!(site.most_in_flight.load(Ordering::SeqCst), 1);
}
