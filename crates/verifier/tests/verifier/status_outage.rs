//! Outages of the status lists: cached lists are used up to the maximum staleness, then the policy
//! applies.

use std::sync::Arc;
use std::time::Duration;

use aquaware_verifier::testing::{STATUS_LIST, TestIssuer};
use aquaware_verifier::{BuildError, Builder, StalePolicy, Verifier, VerifyError};

use crate::site::{Mood, Shelf, Site, listed, long, pass, settle};

const HOUR: Duration = Duration::from_secs(3600);

/// A verifier with a cached list in which 1 is revoked.
async fn warm(change: impl FnOnce(Builder) -> Builder) -> (TestIssuer, Arc<Site>, Verifier) {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    issuer.revoke(1);
    site.show(&issuer);
    site.aggregate(&[STATUS_LIST]);
    let verifier = change(site.builder()).discover().await.unwrap();
    (issuer, site, verifier)
}

#[tokio::test(start_paused = true)]
async fn lists_survive_an_outage_of_an_hour_within_the_staleness() {
    let (issuer, site, verifier) =
        warm(|it| it.on_stale_status(2 * HOUR, StalePolicy::Reject)).await;
    pass(60).await;
    site.mood(Mood::Down);
    let before = site.requests_for(STATUS_LIST);
    for _ in 0..720 {
        pass(5).await;
        assert!(verifier.verify(&listed(&issuer, 2)).is_ok());
        assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), VerifyError::Revoked);
    }
    let status = verifier.health().status;
    assert!(status.ready && status.failures > 100 && status.last_error.is_some(), "{status:?}");
    assert!(status.age.unwrap() >= HOUR);
    let fetches = site.requests_for(STATUS_LIST) - before;
    assert!(fetches < 180, "{fetches}: about two attempts per minute");
    // A revocation during the outage takes effect when the issuer is back.
    issuer.revoke(2);
    site.show(&issuer);
    site.mood(Mood::Up);
    pass(31).await;
    assert_eq!(verifier.verify(&listed(&issuer, 2)).unwrap_err(), VerifyError::Revoked);
    // The aggregation recovers too.
    pass(31).await;
    let status = verifier.health().status;
    assert!(status.failures == 0 && status.last_error.is_none(), "{status:?}");
}

#[tokio::test(start_paused = true)]
async fn tokens_that_name_a_stale_list_are_rejected_until_it_is_refreshed() {
    let (issuer, site, verifier) = warm(|it| it).await;
    let token = listed(&issuer, 2);
    site.shelves_down(true);
    pass(299).await;
    assert!(verifier.verify(&token).is_ok(), "the default is five minutes");
    assert!(verifier.health().status.ready);
    pass(2).await;
    for idx in [1, 2] {
        let error = verifier.verify(&listed(&issuer, idx)).unwrap_err();
        assert_eq!(error, VerifyError::StaleStatusList);
        assert!(error.is_unavailable() && error.is_retryable());
    }
    assert!(verifier.verify(&long(&issuer)).is_ok(), "tokens without a status are unaffected");
    let health = verifier.health();
    assert!(health.ready && !health.status.ready && health.status.unusable == 1);
    pass(3000).await;
    assert_eq!(verifier.verify(&token).unwrap_err(), VerifyError::StaleStatusList);
    site.shelves_down(false);
    pass(31).await;
    assert!(verifier.verify(&token).is_ok());
    assert!(verifier.health().status.ready);
}

#[tokio::test(start_paused = true)]
async fn with_keep_using_a_stale_list_stays_in_use() {
    let (issuer, site, verifier) =
        warm(|it| it.on_stale_status(Duration::from_secs(30), StalePolicy::KeepUsing)).await;
    site.shelves_down(true);
    pass(20_000).await;
    assert!(verifier.verify(&listed(&issuer, 2)).is_ok());
    assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), VerifyError::Revoked);
    assert!(!verifier.health().status.ready, "reported, but still in use");
    // After its `exp` the list is not used, whatever the policy; the token passes without one.
    pass(70_000).await;
    let token = issuer.token().expires_in(26 * HOUR).status(1).sign();
    assert!(verifier.verify(&token).is_ok());
}

#[tokio::test(start_paused = true)]
async fn with_keep_using_unavailable_lists_reject_no_token() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.put_shelf(STATUS_LIST, Shelf::default());
    let builder = site.builder().on_stale_status(Duration::from_secs(30), StalePolicy::KeepUsing);
    let verifier = builder.discover().await.unwrap();
    let token = listed(&issuer, 1);
    // Rejected until the first attempt has failed, or a revoked token would pass once per start.
    assert_eq!(verifier.verify(&token).unwrap_err(), VerifyError::NoStatusList);
    settle().await;
    assert!(verifier.verify(&token).is_ok());
    issuer.revoke(1);
    site.show(&issuer);
    pass(31).await;
    assert_eq!(verifier.verify(&token).unwrap_err(), VerifyError::Revoked);
    let foreign = issuer.token().status_at("https://evil.test/0", 1);
    let foreign = foreign.expires_in(HOUR).sign();
    assert_eq!(verifier.verify(&foreign).unwrap_err(), VerifyError::UntrustedStatusList);
}

#[tokio::test(start_paused = true)]
async fn a_list_is_refreshed_twice_within_its_maximum_staleness() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let slow = issuer.status_list().ttl(Some(HOUR)).sign();
    site.put(STATUS_LIST, &slow);
    site.aggregate(&[STATUS_LIST]);
    let verifier = site.verifier().await;
    let mut oldest = Duration::ZERO;
    for _ in 0..720 {
        pass(5).await;
        let status = verifier.health().status;
        assert!(status.ready);
        oldest = oldest.max(status.age.unwrap());
    }
    assert!(oldest <= Duration::from_secs(150), "{oldest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_verifier_started_during_an_outage_recovers_automatically() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    issuer.revoke(1);
    site.show(&issuer);
    site.aggregate(&[STATUS_LIST]);
    site.mood(Mood::Down);
    let verifier = site.builder().start_without_keys().discover().await.unwrap();
    assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), VerifyError::NoKeys);
    pass(600).await;
    site.mood(Mood::Up);
    pass(61).await;
    assert_eq!(verifier.health().status.lists, 1, "before any token names it");
    assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), VerifyError::Revoked);
    assert!(verifier.verify(&listed(&issuer, 2)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn after_a_late_start_lists_follow_the_keys_immediately() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    issuer.revoke(1);
    site.show(&issuer);
    site.aggregate(&[STATUS_LIST]);
    site.mood(Mood::Down);
    let verifier = site.builder().start_without_keys().discover().await.unwrap();
    site.mood(Mood::Up);
    pass(6).await;
    assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), VerifyError::Revoked);
}

#[tokio::test(start_paused = true)]
async fn correcting_a_fast_clock_does_not_extend_the_use_of_a_list() {
    let (issuer, site, verifier) = warm(|it| it).await;
    site.set_clock_by(3600);
    pass(10).await;
    site.set_clock_by(-3600);
    pass(10).await;
    site.shelves_down(true);
    pass(301).await;
    assert_eq!(verifier.verify(&listed(&issuer, 2)).unwrap_err(), VerifyError::StaleStatusList);
}

#[tokio::test(start_paused = true)]
async fn after_a_suspend_stale_lists_are_fetched_immediately() {
    for policy in [StalePolicy::Reject, StalePolicy::KeepUsing] {
        let issuer = TestIssuer::new();
        let site = Site::publishing(&[&issuer]);
        let slow = issuer.status_list().ttl(Some(HOUR)).expires_at(None);
        site.put(STATUS_LIST, &slow.sign());
        site.aggregate(&[STATUS_LIST]);
        let verifier = site.builder().on_stale_status(2 * HOUR, policy).discover().await.unwrap();
        pass(60).await;
        // Timers stop during a suspend.
        site.set_clock_by(3 * 3600);
        issuer.revoke(1);
        site.show(&issuer);
        let _ = verifier.verify(&listed(&issuer, 2));
        settle().await;
        let token = issuer.token().expires_in(24 * HOUR);
        assert!(verifier.verify(&token.status(2).sign()).is_ok(), "{policy:?}");
        assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), VerifyError::Revoked);
        // During an outage the retry schedule still applies.
        site.shelves_down(true);
        site.set_clock_by(3 * 3600);
        let before = site.requests_for(STATUS_LIST);
        for _ in 0..60 {
            let _ = verifier.verify(&listed(&issuer, 2));
            pass(1).await;
        }
        let fetches = site.requests_for(STATUS_LIST) - before;
        assert!((1..10).contains(&fetches), "{fetches}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unused_list_is_kept_through_an_outage_of_a_day() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    issuer.revoke(1);
    site.put(STATUS_LIST, &issuer.status_list().expires_at(None).sign());
    let builder = site.builder().on_stale_status(Duration::from_secs(30), StalePolicy::KeepUsing);
    let verifier = builder.discover().await.unwrap();
    let revoked = issuer.token().expires_in(72 * HOUR).status(1).sign();
    assert_eq!(verifier.verify(&revoked).unwrap_err(), VerifyError::NoStatusList);
    settle().await;
    site.shelves_down(true);
    // No token names it for hours.
    pass(20 * 3600).await;
    assert_eq!(verifier.verify(&revoked).unwrap_err(), VerifyError::Revoked);
    // But not for ever.
    pass(25 * 3600).await;
    assert_eq!(verifier.health().status.lists, 0);
}

#[test]
fn a_status_staleness_below_the_minimum_is_rejected() {
    let issuer = TestIssuer::new();
    let short = issuer.builder().on_stale_status(Duration::from_secs(29), StalePolicy::Reject);
    let started = short.key_set(&issuer.key_set());
    assert!(matches!(started, Err(BuildError::StatusStaleness)));
}
