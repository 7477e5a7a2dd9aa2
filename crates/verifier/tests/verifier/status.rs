//! What a status list says of a token, and how soon it counts.

use std::sync::Arc;
use std::time::Duration;

use aquaware_verifier::testing::{
    AUDIENCE, ISSUER, STATUS_ENTRIES, STATUS_LIST, StatusList, TestIssuer,
};
use aquaware_verifier::{
    Clock, Random, Rejection, Stale, StartError, TokenError, Verified, Verifier,
};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use crate::site::{KEYS, Site, listed, long, pass, settle};

#[derive(Debug)]
struct NoJitter;

impl Random for NoJitter {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

/// The list of two bits of the draft's §4.1.
fn two_bits() -> StatusList {
    serde_json::from_value(json!({ "bits": 2, "lst": "eNo76fITAAPfAgc" })).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_is_refused_within_the_ttl() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    *site.latency.lock().unwrap() = Duration::from_millis(900);
    site.show(&issuer);
    site.aggregate(&[STATUS_LIST]);
    // As late as it ever is.
    let verifier = site.builder().random(Arc::new(NoJitter)).discover().await.unwrap();
    let good = listed(&issuer, 1023);
    let mut longest = Duration::ZERO;
    for idx in 0..60 {
        let token = listed(&issuer, idx);
        assert!(verifier.verify(&token).is_ok());
        // At any phase of the ten seconds.
        tokio::time::sleep(Duration::from_millis(10_000 + 370 * u64::from(idx))).await;
        assert!(verifier.verify(&token).is_ok());
        issuer.revoke(idx);
        site.show(&issuer);
        let shown = Instant::now();
        while verifier.verify(&token).is_ok() {
            assert!(shown.elapsed() < Duration::from_secs(20), "not at all");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        longest = longest.max(shown.elapsed());
        assert_eq!(verifier.verify(&token).unwrap_err(), Rejection::Revoked);
        assert!(verifier.verify(&good).is_ok());
    }
    let ttl = Duration::from_secs(10);
    assert!(longest <= ttl && longest > ttl / 2, "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn every_value_but_valid_is_refused_and_so_is_no_value() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.put(STATUS_LIST, &issuer.status_list().entries(two_bits()).sign());
    site.aggregate(&[STATUS_LIST]);
    let verifier = site.verifier().await;
    let verdict = |idx| verifier.verify(&listed(&issuer, idx)).map(|_| ());
    assert_eq!(verdict(2), Ok(()));
    assert_eq!(verdict(4), Ok(()));
    for (idx, what) in [(0, "invalid"), (1, "suspended"), (3, "the issuer's own")] {
        assert_eq!(verdict(idx), Err(Rejection::Revoked), "{what}");
    }
    for idx in [12, u32::MAX] {
        assert_eq!(verdict(idx), Err(Rejection::NotListed), "{idx}");
    }
    let far = issuer.token().status_at(STATUS_LIST, u64::MAX).sign();
    assert_eq!(verifier.verify(&far).unwrap_err(), Rejection::NotListed);
}

#[tokio::test(start_paused = true)]
async fn a_suspended_token_is_good_again_when_the_list_says_so() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.put(STATUS_LIST, &issuer.status_list().entries(two_bits()).sign());
    site.aggregate(&[STATUS_LIST]);
    let verifier = site.verifier().await;
    assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), Rejection::Revoked);
    pass(1).await;
    site.show(&issuer);
    pass(10).await;
    assert!(verifier.verify(&listed(&issuer, 1)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_token_without_a_list_is_good_whatever_the_lists_do() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let verifier = site.verifier().await;
    assert!(verifier.verify(&long(&issuer)).is_ok());
    // A mechanism that nobody here knows.
    let other = issuer.token().claim("status", json!({ "other": { "idx": 1 } })).sign();
    assert!(verifier.verify(&other).is_ok());
}

#[test]
fn a_status_that_is_broken_breaks_the_token_unless_it_is_ignored() {
    let issuer = TestIssuer::new();
    let key_set = issuer.key_set();
    let strict = issuer.builder().key_set(&key_set).unwrap();
    let ignoring = issuer.builder().ignore_status().key_set(&key_set).unwrap();
    for broken in [
        json!(null),
        json!("active"),
        json!(1),
        json!([]),
        json!({ "status_list": 1 }),
        json!({ "status_list": { "idx": 1 } }),
    ] {
        let token = issuer.token().claim("status", broken.clone()).sign();
        let refused = strict.verify(&token).unwrap_err();
        assert_eq!(refused, Rejection::Token(TokenError::Claims), "{broken}");
        let claims = ignoring.verify(&token).unwrap();
        assert_eq!(claims.status, Some(broken), "as the issuer wrote it");
        assert!(claims.status_claim().is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn the_token_comes_first_and_its_status_last() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    issuer.revoke(1);
    site.show(&issuer);
    let verifier = site.verifier().await;
    for (token, rejection) in [
        (issuer.token().expired(), TokenError::Expired.into()),
        (issuer.token().audience("another"), TokenError::Audience.into()),
        (issuer.token().issuer("https://other.test"), TokenError::Issuer.into()),
        (issuer.token().claim("cnf", json!({ "jkt": "a" })), Rejection::Bound),
    ] {
        let refused = verifier.verify(&token.status(1).sign());
        assert_eq!(refused.unwrap_err(), rejection);
    }
    let token = issuer.successor().token().status(1).sign();
    assert_eq!(verifier.verify(&token).unwrap_err(), Rejection::UnknownKey);
    pass(100).await;
    assert_eq!(site.asked(STATUS_LIST), 0, "a bad token makes nobody ask");
}

#[tokio::test(start_paused = true)]
async fn a_service_may_ignore_status() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    issuer.revoke(1);
    site.show(&issuer);
    site.aggregate(&[STATUS_LIST]);
    let verifier = site.builder().ignore_status().discover().await.unwrap();
    assert!(verifier.verify(&listed(&issuer, 1)).is_ok());
    let foreign = issuer.token().status_at("https://evil.test/0", 1).sign();
    assert!(verifier.verify(&foreign).is_ok());
    pass(1000).await;
    let status = verifier.health().status;
    assert!(status.ready && status.lists == 0 && status.last_error.is_none());
    assert!(site.calls().iter().all(|call| !call.url.contains("status")));
}

#[test]
fn a_fixed_verifier_knows_the_lists_that_it_was_given() {
    let issuer = TestIssuer::new();
    issuer.revoke(1);
    let (key_set, other) = (issuer.key_set(), "https://status.test/7");
    let stranger = TestIssuer::new();
    let builder =
        || Verifier::builder().issuer(ISSUER).audience(AUDIENCE).clock(issuer.clock().clone());
    let (good, revoked) = (issuer.token().status(2).sign(), issuer.token().status(1).sign());
    let verdict = |verifier: &Verifier, token: &str| {
        verifier.verify(token).map(Verified::into_inner).map(|_| ())
    };
    let bare = builder().key_set(&key_set).unwrap();
    assert_eq!(verdict(&bare, &good), Err(Rejection::UnknownStatus));
    assert_eq!(verdict(&bare, &issuer.token().sign()), Ok(()));
    let ignoring = builder().ignore_status().key_set(&key_set).unwrap();
    assert_eq!(verdict(&ignoring, &revoked), Ok(()));

    let knowing = builder()
        .status_list(STATUS_LIST, issuer.status_list().sign())
        .status_list(other, issuer.status_list().uri(other).sign());
    let knowing = knowing.key_set(&key_set).unwrap();
    assert_eq!(verdict(&knowing, &good), Ok(()));
    assert_eq!(verdict(&knowing, &revoked), Err(Rejection::Revoked));
    assert_eq!(
        verdict(&knowing, &issuer.token().status_at(other, 1).sign()),
        Err(Rejection::Revoked)
    );
    assert_eq!(knowing.health().status.lists, 2);

    for (list, error) in [
        (stranger.status_list().sign(), TokenError::UnknownKey),
        (issuer.status_list().uri(other).sign(), TokenError::Subject),
        (issuer.token().sign(), TokenError::Type),
        (issuer.status_list().expires_at(Some(issuer.clock().now())).sign(), TokenError::Expired),
    ] {
        let refused = builder().leeway(Duration::ZERO).status_list(STATUS_LIST, list);
        let refused = refused.key_set(&key_set).unwrap_err();
        assert!(matches!(refused, StartError::StatusList(_, found) if found == error), "{error}");
    }

    issuer.clock().advance(Duration::from_secs(86_400 + 5));
    let late = issuer.token().status(2).sign();
    assert_eq!(verdict(&knowing, &late), Err(Rejection::StaleStatus), "the list is over");
    assert!(!knowing.health().status.ready);
    let going_on = builder().on_stale_status(Duration::from_secs(30), Stale::GoOn);
    assert_eq!(verdict(&going_on.key_set(&key_set).unwrap(), &late), Ok(()));
}

#[test]
fn an_issuer_for_tests_revokes_at_once() {
    let issuer = TestIssuer::new();
    let (verifier, successor) = (issuer.verifier(), issuer.successor());
    let token = issuer.token().status(7).sign();
    assert!(verifier.verify(&token).is_ok());
    successor.revoke(7);
    assert_eq!(verifier.verify(&token).unwrap_err(), Rejection::Revoked);
    assert_eq!(issuer.verifier().verify(&token).unwrap_err(), Rejection::Revoked);
    assert!(verifier.verify(&issuer.token().status(8).sign()).is_ok());
    let past = issuer.token().status(STATUS_ENTRIES).sign();
    assert_eq!(verifier.verify(&past).unwrap_err(), Rejection::NotListed);
    assert!(TestIssuer::new().verifier().verify(&token).is_err(), "another issuer's is another");
}

#[test]
fn the_status_is_a_claim_of_its_own() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Tenant {
        tenant: u32,
    }
    let issuer = TestIssuer::new();
    let token = issuer.token().status(3).claim("tenant", 7).sign();
    let claims = issuer.verifier().verify_as::<Tenant>(&token).unwrap();
    assert_eq!(claims.extra, Tenant { tenant: 7 });
    let at = claims.status_claim().unwrap().unwrap().status_list.unwrap();
    assert_eq!((at.idx, at.uri.as_str()), (3, STATUS_LIST));
    assert!(issuer.verifier().verify(&token).unwrap().extra.get("status").is_none());
}

#[tokio::test(start_paused = true)]
async fn lists_are_learned_from_tokens_where_there_is_no_metadata() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    issuer.revoke(1);
    site.show(&issuer);
    let verifier = site.builder().jwks_uri(KEYS).await.unwrap();
    assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), Rejection::UnknownStatus);
    assert_eq!(verifier.verify(&listed(&issuer, 2)).unwrap_err(), Rejection::UnknownStatus);
    settle().await;
    assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), Rejection::Revoked);
    assert!(verifier.verify(&listed(&issuer, 2)).is_ok());
    assert_eq!(site.asked(STATUS_LIST), 1);
}
