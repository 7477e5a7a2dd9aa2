//! Requests that wait for a status list.

use std::time::Duration;

use aquaware_verifier::VerifyError;
use aquaware_verifier::limits::MAX_STATUS_LISTS;
use aquaware_verifier::testing::{STATUS_LIST, TestIssuer};
use tokio::time::Instant;

use crate::site::{Mood, Shelf, Site, listed, pass};
use crate::status_fetches::named;

#[tokio::test(start_paused = true)]
async fn a_waiting_request_gets_the_list_when_it_arrives() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    *site.latency.lock().unwrap() = Duration::from_millis(200);
    issuer.revoke(1);
    site.show(&issuer);
    let verifier = site.verifier().await;
    let second = Duration::from_secs(1);
    let begun = Instant::now();
    assert!(verifier.verify_waiting(&listed(&issuer, 2), second).await.is_ok());
    assert!(begun.elapsed() < Duration::from_millis(300));
    let begun = Instant::now();
    let revoked = verifier.verify_waiting(&listed(&issuer, 1), second).await;
    assert_eq!(revoked.unwrap_err(), VerifyError::Revoked);
    assert!(begun.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn a_waiting_request_gets_a_new_key_and_then_a_new_list() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.cache_control("max-age=3600");
    *site.latency.lock().unwrap() = Duration::from_millis(200);
    let verifier = site.verifier().await;
    pass(60).await;
    let next = issuer.successor();
    site.publish(&[&issuer, &next]);
    site.show(&next);
    let begun = Instant::now();
    let waited = verifier.verify_waiting(&listed(&next, 2), Duration::from_secs(1)).await;
    assert!(waited.is_ok(), "{waited:?}");
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn requests_never_wait_longer_than_allowed_for_a_list() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.put_shelf(STATUS_LIST, Shelf::default());
    let verifier = site.verifier().await;
    let (token, two) = (listed(&issuer, 1), Duration::from_secs(2));
    assert!(verifier.verify(&token).is_err());
    // After several failures the next attempt is more than two seconds away.
    pass(40).await;
    let begun = Instant::now();
    let waited = verifier.verify_waiting(&token, two).await;
    assert_eq!(waited.unwrap_err(), VerifyError::NoStatusList);
    assert!(begun.elapsed().is_zero());
    // The cache is full, so no fetch will follow.
    for number in 0..MAX_STATUS_LISTS {
        let _ = verifier.verify(&named(&issuer, number));
    }
    let begun = Instant::now();
    let waited = verifier.verify_waiting(&named(&issuer, MAX_STATUS_LISTS + 1), two).await;
    assert_eq!(waited.unwrap_err(), VerifyError::NoStatusList);
    assert!(begun.elapsed().is_zero());

    let site = Site::publishing(&[&issuer]);
    let verifier = site.verifier().await;
    site.mood(Mood::Silent);
    let begun = Instant::now();
    let waited = verifier.verify_waiting(&token, two).await;
    assert_eq!(waited.unwrap_err(), VerifyError::NoStatusList);
    assert_eq!(begun.elapsed(), two);
}

#[tokio::test(start_paused = true)]
async fn the_maximum_duration_is_a_valid_wait() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.show(&issuer);
    let verifier = site.verifier().await;
    let waited = verifier.verify_waiting(&listed(&issuer, 1), Duration::MAX).await;
    assert!(waited.is_ok(), "{waited:?}");
}
