//! The status of tokens, and how soon a change takes effect.

use std::sync::Arc;
use std::time::Duration;

use aquaware_verifier::testing::{
    AUDIENCE, ISSUER, STATUS_ENTRIES, STATUS_LIST, StatusList, TestIssuer,
};
use aquaware_verifier::{
    BuildError, Clock, Random, StalePolicy, TokenError, Verified, Verifier, VerifyError,
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

/// The list with two bits per entry of the draft's §4.1.
fn two_bits() -> StatusList {
    serde_json::from_value(json!({ "bits": 2, "lst": "eNo76fITAAPfAgc" })).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_is_rejected_within_the_ttl() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    *site.latency.lock().unwrap() = Duration::from_millis(900);
    site.show(&issuer);
    site.aggregate(&[STATUS_LIST]);
    // Without jitter, refreshes are as late as possible.
    let verifier = site.builder().random(Arc::new(NoJitter)).discover().await.unwrap();
    let valid = listed(&issuer, 1023);
    let mut longest = Duration::ZERO;
    for idx in 0..60 {
        let token = listed(&issuer, idx);
        assert!(verifier.verify(&token).is_ok());
        // At every phase of the ten seconds.
        tokio::time::sleep(Duration::from_millis(10_000 + 370 * u64::from(idx))).await;
        assert!(verifier.verify(&token).is_ok());
        issuer.revoke(idx);
        site.show(&issuer);
        let shown = Instant::now();
        while verifier.verify(&token).is_ok() {
            assert!(shown.elapsed() < Duration::from_secs(20), "no effect");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        longest = longest.max(shown.elapsed());
        assert_eq!(verifier.verify(&token).unwrap_err(), VerifyError::Revoked);
        assert!(verifier.verify(&valid).is_ok());
    }
    let ttl = Duration::from_secs(10);
    assert!(longest <= ttl && longest > ttl / 2, "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn every_status_other_than_valid_is_rejected() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.put(STATUS_LIST, &issuer.status_list().entries(two_bits()).sign());
    site.aggregate(&[STATUS_LIST]);
    let verifier = site.verifier().await;
    let check = |idx| verifier.verify(&listed(&issuer, idx)).map(|_| ());
    assert_eq!(check(2), Ok(()));
    assert_eq!(check(4), Ok(()));
    for (idx, what) in [(0, "invalid"), (1, "suspended"), (3, "application-specific")] {
        assert_eq!(check(idx), Err(VerifyError::Revoked), "{what}");
    }
    for idx in [12, u32::MAX] {
        assert_eq!(check(idx), Err(VerifyError::NotListed), "{idx}");
    }
    let far = issuer.token().status_at(STATUS_LIST, u64::MAX).sign();
    assert_eq!(verifier.verify(&far).unwrap_err(), VerifyError::NotListed);
}

#[tokio::test(start_paused = true)]
async fn a_suspended_token_is_accepted_again_when_the_list_is_updated() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.put(STATUS_LIST, &issuer.status_list().entries(two_bits()).sign());
    site.aggregate(&[STATUS_LIST]);
    let verifier = site.verifier().await;
    assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), VerifyError::Revoked);
    pass(1).await;
    site.show(&issuer);
    pass(10).await;
    assert!(verifier.verify(&listed(&issuer, 1)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn tokens_without_a_status_list_are_accepted() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let verifier = site.verifier().await;
    assert!(verifier.verify(&long(&issuer)).is_ok());
    // An unknown status mechanism.
    let other = issuer.token().claim("status", json!({ "other": { "idx": 1 } })).sign();
    assert!(verifier.verify(&other).is_ok());
}

#[test]
fn a_malformed_status_claim_is_rejected_unless_status_is_ignored() {
    let issuer = TestIssuer::new();
    let key_set = issuer.key_set();
    let strict = issuer.builder().key_set(&key_set).unwrap();
    let ignoring = issuer.builder().ignore_status().key_set(&key_set).unwrap();
    for malformed in [
        json!(null),
        json!("active"),
        json!(1),
        json!([]),
        json!({ "status_list": 1 }),
        json!({ "status_list": { "idx": 1 } }),
    ] {
        let token = issuer.token().claim("status", malformed.clone()).sign();
        let error = strict.verify(&token).unwrap_err();
        let expected = TokenError::MalformedClaim { claim: "status" };
        assert_eq!(error, VerifyError::Token(expected), "{malformed}");
        let claims = ignoring.verify(&token).unwrap();
        assert_eq!(claims.status, Some(malformed), "unchanged");
        assert!(claims.status_claim().is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn the_status_is_checked_after_the_token() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    issuer.revoke(1);
    site.show(&issuer);
    let verifier = site.verifier().await;
    for (token, expected) in [
        (issuer.token().expired(), TokenError::Expired.into()),
        (issuer.token().audience("another"), TokenError::WrongAudience.into()),
        (issuer.token().issuer("https://other.test"), TokenError::WrongIssuer.into()),
        (issuer.token().claim("cnf", json!({ "jkt": "a" })), VerifyError::BoundToken),
    ] {
        let result = verifier.verify(&token.status(1).sign());
        assert_eq!(result.unwrap_err(), expected);
    }
    let token = issuer.successor().token().status(1).sign();
    assert_eq!(verifier.verify(&token).unwrap_err(), VerifyError::UnknownKey);
    pass(100).await;
    assert_eq!(site.requests_for(STATUS_LIST), 0, "invalid tokens cause no fetch");
}

#[tokio::test(start_paused = true)]
async fn a_service_can_ignore_status() {
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
fn a_verifier_with_a_fixed_key_set_uses_the_given_status_lists() {
    let issuer = TestIssuer::new();
    issuer.revoke(1);
    let (key_set, other) = (issuer.key_set(), "https://status.test/7");
    let stranger = TestIssuer::new();
    let builder = || Verifier::builder(ISSUER, AUDIENCE).clock(issuer.clock().clone());
    let (valid, revoked) = (issuer.token().status(2).sign(), issuer.token().status(1).sign());
    let check = |verifier: &Verifier, token: &str| {
        verifier.verify(token).map(Verified::into_inner).map(|_| ())
    };
    let bare = builder().key_set(&key_set).unwrap();
    assert_eq!(check(&bare, &valid), Err(VerifyError::NoStatusList));
    assert_eq!(check(&bare, &issuer.token().sign()), Ok(()));
    let ignoring = builder().ignore_status().key_set(&key_set).unwrap();
    assert_eq!(check(&ignoring, &revoked), Ok(()));

    let given = builder()
        .status_list(STATUS_LIST, issuer.status_list().sign())
        .status_list(other, issuer.status_list().uri(other).sign());
    let given = given.key_set(&key_set).unwrap();
    assert_eq!(check(&given, &valid), Ok(()));
    assert_eq!(check(&given, &revoked), Err(VerifyError::Revoked));
    assert_eq!(
        check(&given, &issuer.token().status_at(other, 1).sign()),
        Err(VerifyError::Revoked)
    );
    assert_eq!(given.health().status.lists, 2);

    for (list, error) in [
        (stranger.status_list().sign(), TokenError::UnknownKey),
        (issuer.status_list().uri(other).sign(), TokenError::WrongSubject),
        (issuer.token().sign(), TokenError::WrongType),
        (issuer.status_list().expires_at(Some(issuer.clock().now())).sign(), TokenError::Expired),
    ] {
        let started = builder().leeway(Duration::ZERO).status_list(STATUS_LIST, list);
        let build_error = started.key_set(&key_set).unwrap_err();
        let BuildError::StatusList { uri, source } = build_error else { panic!("{build_error:?}") };
        assert_eq!((uri.as_str(), source), (STATUS_LIST, error));
    }

    issuer.clock().advance(Duration::from_secs(86_400 + 5));
    let late = issuer.token().status(2).sign();
    assert_eq!(check(&given, &late), Err(VerifyError::StaleStatusList), "the list has expired");
    assert!(!given.health().status.ready);
    let keep_using = builder().on_stale_status(Duration::from_secs(30), StalePolicy::KeepUsing);
    assert_eq!(check(&keep_using.key_set(&key_set).unwrap(), &late), Ok(()));
}

#[test]
fn a_test_issuer_revokes_immediately() {
    let issuer = TestIssuer::new();
    let (verifier, successor) = (issuer.verifier(), issuer.successor());
    let token = issuer.token().status(7).sign();
    assert!(verifier.verify(&token).is_ok());
    successor.revoke(7);
    assert_eq!(verifier.verify(&token).unwrap_err(), VerifyError::Revoked);
    assert_eq!(issuer.verifier().verify(&token).unwrap_err(), VerifyError::Revoked);
    assert!(verifier.verify(&issuer.token().status(8).sign()).is_ok());
    let past = issuer.token().status(STATUS_ENTRIES).sign();
    assert_eq!(verifier.verify(&past).unwrap_err(), VerifyError::NotListed);
    assert!(TestIssuer::new().verifier().verify(&token).is_err(), "another issuer has another key");
}

#[test]
fn the_status_claim_is_separate_from_extra_claims() {
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
async fn without_metadata_lists_are_learned_from_tokens() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    issuer.revoke(1);
    site.show(&issuer);
    let verifier = site.builder().jwks_uri(KEYS).await.unwrap();
    assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), VerifyError::NoStatusList);
    assert_eq!(verifier.verify(&listed(&issuer, 2)).unwrap_err(), VerifyError::NoStatusList);
    settle().await;
    assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), VerifyError::Revoked);
    assert!(verifier.verify(&listed(&issuer, 2)).is_ok());
    assert_eq!(site.requests_for(STATUS_LIST), 1);
}
