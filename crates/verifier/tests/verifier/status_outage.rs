//! The status lists can't be had: old ones go on up to a bound, and what happens then was chosen.

use std::sync::Arc;
use std::time::Duration;

use aquaware_verifier::testing::{STATUS_LIST, TestIssuer};
use aquaware_verifier::{Builder, Rejection, Stale, StartError, Verifier};

use crate::site::{Mood, Shelf, Site, listed, long, pass, settle};

const HOUR: Duration = Duration::from_secs(3600);

/// A verifier that knows a list in which 1 is revoked.
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
async fn an_hour_without_the_issuer_is_not_noticed_within_the_bound() {
    let (issuer, site, verifier) = warm(|it| it.on_stale_status(2 * HOUR, Stale::Refuse)).await;
    pass(60).await;
    site.mood(Mood::Down);
    let before = site.asked(STATUS_LIST);
    for _ in 0..720 {
        pass(5).await;
        assert!(verifier.verify(&listed(&issuer, 2)).is_ok());
        assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), Rejection::Revoked);
    }
    let status = verifier.health().status;
    assert!(status.ready && status.failures > 100 && status.last_error.is_some(), "{status:?}");
    assert!(status.age.unwrap() >= HOUR);
    let asked = site.asked(STATUS_LIST) - before;
    assert!(asked < 180, "{asked}: about two attempts a minute");
    // What was revoked meanwhile shows once the issuer is back, by itself.
    issuer.revoke(2);
    site.show(&issuer);
    site.mood(Mood::Up);
    pass(31).await;
    assert_eq!(verifier.verify(&listed(&issuer, 2)).unwrap_err(), Rejection::Revoked);
    // So does the list of lists.
    pass(31).await;
    let status = verifier.health().status;
    assert!(status.failures == 0 && status.last_error.is_none(), "{status:?}");
}

#[tokio::test(start_paused = true)]
async fn past_the_bound_tokens_that_name_the_list_are_refused_until_it_comes() {
    let (issuer, site, verifier) = warm(|it| it).await;
    let token = listed(&issuer, 2);
    site.shelves_down(true);
    pass(299).await;
    assert!(verifier.verify(&token).is_ok(), "five minutes, if nothing is said");
    assert!(verifier.health().status.ready);
    pass(2).await;
    for idx in [1, 2] {
        let refused = verifier.verify(&listed(&issuer, idx)).unwrap_err();
        assert_eq!(refused, Rejection::StaleStatus);
        assert!(refused.is_ours() && refused.may_pass_later());
    }
    assert!(verifier.verify(&long(&issuer)).is_ok(), "those that name none are as good as ever");
    let health = verifier.health();
    assert!(health.ready && !health.status.ready && health.status.unusable == 1);
    pass(3000).await;
    assert_eq!(verifier.verify(&token).unwrap_err(), Rejection::StaleStatus);
    site.shelves_down(false);
    pass(31).await;
    assert!(verifier.verify(&token).is_ok());
    assert!(verifier.health().status.ready);
}

#[tokio::test(start_paused = true)]
async fn or_the_old_list_goes_on() {
    let (issuer, site, verifier) =
        warm(|it| it.on_stale_status(Duration::from_secs(30), Stale::GoOn)).await;
    site.shelves_down(true);
    pass(20_000).await;
    assert!(verifier.verify(&listed(&issuer, 2)).is_ok());
    assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), Rejection::Revoked);
    assert!(!verifier.health().status.ready, "it is said, and it isn't stopped");
    // Its own `exp` ends it, whatever the service would like: then there is no list.
    pass(70_000).await;
    let token = issuer.token().expires_in(26 * HOUR).status(1).sign();
    assert!(verifier.verify(&token).is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_goes_on_is_stopped_by_no_list_that_cannot_be_had() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.put_shelf(STATUS_LIST, Shelf::default());
    let builder = site.builder().on_stale_status(Duration::from_secs(30), Stale::GoOn);
    let verifier = builder.discover().await.unwrap();
    let token = listed(&issuer, 1);
    // The first that names it waits for one attempt: a revoked token isn't good once per start.
    assert_eq!(verifier.verify(&token).unwrap_err(), Rejection::UnknownStatus);
    settle().await;
    assert!(verifier.verify(&token).is_ok());
    issuer.revoke(1);
    site.show(&issuer);
    pass(31).await;
    assert_eq!(verifier.verify(&token).unwrap_err(), Rejection::Revoked);
    let foreign = issuer.token().status_at("https://evil.test/0", 1);
    let foreign = foreign.expires_in(HOUR).sign();
    assert_eq!(verifier.verify(&foreign).unwrap_err(), Rejection::ForeignStatus);
}

#[tokio::test(start_paused = true)]
async fn a_list_is_confirmed_twice_while_it_may_be_used() {
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
async fn who_starts_without_the_issuer_gets_keys_and_lists_by_themselves() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    issuer.revoke(1);
    site.show(&issuer);
    site.aggregate(&[STATUS_LIST]);
    site.mood(Mood::Down);
    let verifier = site.builder().start_without_keys().discover().await.unwrap();
    assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), Rejection::NoKeys);
    pass(600).await;
    site.mood(Mood::Up);
    pass(61).await;
    assert_eq!(verifier.health().status.lists, 1, "before any token names it");
    assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), Rejection::Revoked);
    assert!(verifier.verify(&listed(&issuer, 2)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn lists_come_right_after_the_keys_of_a_late_start() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    issuer.revoke(1);
    site.show(&issuer);
    site.aggregate(&[STATUS_LIST]);
    site.mood(Mood::Down);
    let verifier = site.builder().start_without_keys().discover().await.unwrap();
    site.mood(Mood::Up);
    pass(6).await;
    assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), Rejection::Revoked);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_ahead_makes_no_list_younger() {
    let (issuer, site, verifier) = warm(|it| it).await;
    site.set_clock_by(3600);
    pass(10).await;
    site.set_clock_by(-3600);
    pass(10).await;
    site.shelves_down(true);
    pass(301).await;
    assert_eq!(verifier.verify(&listed(&issuer, 2)).unwrap_err(), Rejection::StaleStatus);
}

#[tokio::test(start_paused = true)]
async fn after_a_suspend_lists_are_asked_for_at_once() {
    for policy in [Stale::Refuse, Stale::GoOn] {
        let issuer = TestIssuer::new();
        let site = Site::publishing(&[&issuer]);
        let slow = issuer.status_list().ttl(Some(HOUR)).expires_at(None);
        site.put(STATUS_LIST, &slow.sign());
        site.aggregate(&[STATUS_LIST]);
        let verifier = site.builder().on_stale_status(2 * HOUR, policy).discover().await.unwrap();
        pass(60).await;
        // Timers stand still meanwhile.
        site.set_clock_by(3 * 3600);
        issuer.revoke(1);
        site.show(&issuer);
        let _ = verifier.verify(&listed(&issuer, 2));
        settle().await;
        let token = issuer.token().expires_in(24 * HOUR);
        assert!(verifier.verify(&token.status(2).sign()).is_ok(), "{policy:?}");
        assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), Rejection::Revoked);
        // An outage is asked no more often for it.
        site.shelves_down(true);
        site.set_clock_by(3 * 3600);
        let before = site.asked(STATUS_LIST);
        for _ in 0..60 {
            let _ = verifier.verify(&listed(&issuer, 2));
            pass(1).await;
        }
        let asked = site.asked(STATUS_LIST) - before;
        assert!((1..10).contains(&asked), "{asked}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_list_said_outlasts_an_outage_of_a_day() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    issuer.revoke(1);
    site.put(STATUS_LIST, &issuer.status_list().expires_at(None).sign());
    let builder = site.builder().on_stale_status(Duration::from_secs(30), Stale::GoOn);
    let verifier = builder.discover().await.unwrap();
    let revoked = issuer.token().expires_in(72 * HOUR).status(1).sign();
    assert_eq!(verifier.verify(&revoked).unwrap_err(), Rejection::UnknownStatus);
    settle().await;
    site.shelves_down(true);
    // Nobody names it for hours.
    pass(20 * 3600).await;
    assert_eq!(verifier.verify(&revoked).unwrap_err(), Rejection::Revoked);
    // And not for ever.
    pass(25 * 3600).await;
    assert_eq!(verifier.health().status.lists, 0);
}

#[test]
fn a_bound_that_no_fetching_could_keep_is_refused() {
    let issuer = TestIssuer::new();
    let short = issuer.builder().on_stale_status(Duration::from_secs(29), Stale::Refuse);
    let refused = short.key_set(&issuer.key_set());
    assert!(matches!(refused, Err(StartError::StatusStaleness)));
}
