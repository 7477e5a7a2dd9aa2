//! Outages of the issuer: cached keys are used up to the maximum staleness, then the policy applies.

use std::time::Duration;

use aquaware_verifier::testing::TestIssuer;
use aquaware_verifier::{StalePolicy, VerifyError};

use crate::site::{Mood, Site, long, pass};

#[tokio::test(start_paused = true)]
async fn keys_survive_an_outage_of_an_hour_and_recover_automatically() {
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
async fn tokens_are_rejected_while_the_keys_are_stale() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let bound = Duration::from_secs(1800);
    let verifier = site.builder().on_stale(bound, StalePolicy::Reject).discover().await.unwrap();
    let token = long(&issuer);
    site.mood(Mood::Down);
    pass(1799).await;
    assert!(verifier.verify(&token).is_ok(), "until the last moment");
    assert!(!verifier.health().stale);
    pass(2).await;
    assert_eq!(verifier.verify(&token).unwrap_err(), VerifyError::StaleKeys);
    let health = verifier.health();
    assert!(health.stale && !health.ready);
    site.mood(Mood::Up);
    pass(61).await;
    assert!(verifier.verify(&token).is_ok());
    assert!(verifier.health().ready);
}

#[tokio::test(start_paused = true)]
async fn with_keep_using_stale_keys_stay_in_use() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let bound = Duration::from_secs(1800);
    let verifier = site.builder().on_stale(bound, StalePolicy::KeepUsing).discover().await.unwrap();
    site.mood(Mood::Down);
    pass(40_000).await;
    assert!(verifier.verify(&long(&issuer)).is_ok());
    let health = verifier.health();
    assert!(health.stale && health.ready, "reported, but still in use");
    let unknown = verifier.verify(&long(&issuer.successor()));
    assert_eq!(unknown.unwrap_err(), VerifyError::UnknownKey);
}

#[tokio::test(start_paused = true)]
async fn the_default_staleness_of_keys_is_a_day() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let verifier = site.verifier().await;
    let token = issuer.token().expires_in(Duration::from_secs(200_000)).sign();
    site.mood(Mood::Down);
    pass(86_399).await;
    assert!(verifier.verify(&token).is_ok());
    pass(2).await;
    assert_eq!(verifier.verify(&token).unwrap_err(), VerifyError::StaleKeys);
}
