//! Unknown keys: made-up ids cost the issuer almost nothing, and new keys are found.

use std::time::Duration;

use aquaware_verifier::testing::TestIssuer;
use aquaware_verifier::{TokenError, VerifyError};
use tokio::time::Instant;

use crate::site::{Mood, Site, long, pass, settle};
use crate::tokens::forge;

fn made_up(number: usize) -> String {
    let header =
        serde_json::json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": format!("k{number}") });
    forge(&header, &serde_json::json!({}), &[0; 64])
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_made_up_key_ids_costs_one_fetch_per_cooldown() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.cache_control("max-age=3600");
    let verifier = site.verifier().await;
    let valid = long(&issuer);
    let before = site.fetches();
    for number in 0..60_000 {
        assert_eq!(verifier.verify(&made_up(number)).unwrap_err(), VerifyError::UnknownKey);
        if number % 100 == 0 {
            assert!(verifier.verify(&valid).is_ok());
            pass(1).await;
        }
    }
    let fetched = site.fetches() - before;
    assert!((18..=20).contains(&fetched), "{fetched} in 600 s");
    // The fetches end with the flood.
    pass(31).await;
    let after = site.fetches();
    pass(600).await;
    assert_eq!(site.fetches(), after);
}

#[tokio::test(start_paused = true)]
async fn the_cooldown_applies_during_an_outage() {
    let site = Site::publishing(&[&TestIssuer::new()]);
    let verifier = site.verifier().await;
    site.mood(Mood::Down);
    let before = site.fetches();
    for number in 0..600 {
        let _ = verifier.verify(&made_up(number));
        pass(1).await;
    }
    let fetched = site.fetches() - before;
    assert!(fetched <= 600 / 30 + 5, "{fetched} in 600 s");
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_accepted_a_moment_later() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.cache_control("max-age=3600");
    let verifier = site.verifier().await;
    pass(60).await;
    let next = issuer.successor();
    site.publish(&[&issuer, &next]);
    let token = long(&next);
    assert_eq!(verifier.verify(&token).unwrap_err(), VerifyError::UnknownKey);
    settle().await;
    assert!(verifier.verify(&token).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_new_key_within_the_cooldown_is_accepted_when_it_ends() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.cache_control("max-age=3600");
    let verifier = site.builder().cooldown(Duration::from_secs(10)).discover().await.unwrap();
    let next = issuer.successor();
    site.publish(&[&issuer, &next]);
    let token = long(&next);
    assert!(verifier.verify(&token).is_err());
    pass(9).await;
    assert!(verifier.verify(&token).is_err());
    pass(2).await;
    assert!(verifier.verify(&token).is_ok());
}

#[tokio::test(start_paused = true)]
async fn tokens_without_a_kid_or_with_an_invalid_signature_cause_no_fetch() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.cache_control("max-age=3600");
    let verifier = site.verifier().await;
    pass(60).await;
    let before = site.fetches();
    let header = serde_json::json!({ "typ": "at+jwt", "alg": "EdDSA" });
    let without_kid = forge(&header, &serde_json::json!({}), &[0; 64]);
    let missing = VerifyError::Token(TokenError::UnknownKey);
    assert_eq!(verifier.verify(&without_kid).unwrap_err(), missing);
    assert!(verifier.verify(&issuer.token().expired().sign()).is_err());
    assert!(verifier.verify("garbage").is_err());
    pass(60).await;
    assert_eq!(site.fetches(), before);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_request_gets_the_new_key_when_it_arrives() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.cache_control("max-age=3600");
    *site.latency.lock().unwrap() = Duration::from_millis(200);
    let verifier = site.verifier().await;
    pass(60).await;
    let next = issuer.successor();
    site.publish(&[&issuer, &next]);
    let begun = Instant::now();
    let claims = verifier.verify_waiting(&long(&next), Duration::from_secs(1)).await;
    assert!(claims.is_ok());
    assert!(begun.elapsed() < Duration::from_millis(300));
    // A known key causes no wait.
    let begun = Instant::now();
    assert!(verifier.verify_waiting(&long(&next), Duration::from_secs(1)).await.is_ok());
    assert!(begun.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn requests_do_not_wait_for_a_fetch_that_cannot_begin() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.cache_control("max-age=3600");
    let verifier = site.verifier().await;
    pass(10).await;
    let begun = Instant::now();
    let waited = verifier.verify_waiting(&made_up(1), Duration::from_secs(2)).await;
    assert_eq!(waited.unwrap_err(), VerifyError::UnknownKey);
    assert!(begun.elapsed().is_zero(), "the cooldown ends in 20 s");
}

#[tokio::test(start_paused = true)]
async fn requests_never_wait_longer_than_allowed() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let verifier = site.verifier().await;
    site.mood(Mood::Silent);
    pass(60).await;
    let begun = Instant::now();
    let waited = verifier.verify_waiting(&made_up(1), Duration::from_secs(2)).await;
    assert_eq!(waited.unwrap_err(), VerifyError::UnknownKey);
    assert_eq!(begun.elapsed().as_secs(), 2);
}
