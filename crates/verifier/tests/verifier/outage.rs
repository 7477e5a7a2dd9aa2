//! The issuer is away: old keys go on up to a bound, and what happens then was chosen.

use std::time::Duration;

use aquaware_verifier::testing::TestIssuer;
use aquaware_verifier::{Rejection, Stale};

use crate::site::{Mood, Site, long, pass};

#[tokio::test(start_paused = true)]
async fn an_hour_without_the_issuer_is_not_noticed_and_ends_by_itself() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let verifier = site.verifier().await;
    let token = long(&issuer);
    pass(600).await;
    site.mood(Mood::Down);
    let before = site.fetches();
    for _ in 0..720 {
        pass(5).await;
        assert!(verifier.verify(&token).is_ok());
        assert!(verifier.health().ready);
    }
    let health = verifier.health();
    assert!(health.failures > 50 && health.last_error.is_some(), "{health:?}");
    assert!(health.age.unwrap() >= Duration::from_secs(3600));
    assert!(site.fetches() - before < 90, "about one attempt a minute");
    site.mood(Mood::Up);
    pass(61).await;
    let health = verifier.health();
    assert!(health.failures == 0 && health.last_error.is_none(), "{health:?}");
    assert!(health.age.unwrap() <= Duration::from_secs(61));
}

#[tokio::test(start_paused = true)]
async fn past_the_staleness_tokens_are_refused_until_keys_come() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let bound = Duration::from_secs(1800);
    let verifier = site.builder().on_stale(bound, Stale::Refuse).discover().await.unwrap();
    let token = long(&issuer);
    site.mood(Mood::Down);
    pass(1799).await;
    assert!(verifier.verify(&token).is_ok(), "to the last moment");
    assert!(!verifier.health().stale);
    pass(2).await;
    assert_eq!(verifier.verify(&token).unwrap_err(), Rejection::StaleKeys);
    let health = verifier.health();
    assert!(health.stale && !health.ready);
    site.mood(Mood::Up);
    pass(61).await;
    assert!(verifier.verify(&token).is_ok());
    assert!(verifier.health().ready);
}

#[tokio::test(start_paused = true)]
async fn or_the_old_keys_go_on() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let bound = Duration::from_secs(1800);
    let verifier = site.builder().on_stale(bound, Stale::GoOn).discover().await.unwrap();
    site.mood(Mood::Down);
    pass(40_000).await;
    assert!(verifier.verify(&long(&issuer)).is_ok());
    let health = verifier.health();
    assert!(health.stale && health.ready, "it is said, and it isn't stopped");
    let stranger = verifier.verify(&long(&issuer.successor()));
    assert_eq!(stranger.unwrap_err(), Rejection::UnknownKey);
}

#[tokio::test(start_paused = true)]
async fn a_day_is_the_bound_that_is_not_said() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let verifier = site.verifier().await;
    let token = issuer.token().expires_in(Duration::from_secs(200_000)).sign();
    site.mood(Mood::Down);
    pass(86_399).await;
    assert!(verifier.verify(&token).is_ok());
    pass(2).await;
    assert_eq!(verifier.verify(&token).unwrap_err(), Rejection::StaleKeys);
}
