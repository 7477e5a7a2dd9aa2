//! The cache of verified tokens: whatever ends a token ends it there too.

use std::sync::Arc;
use std::time::Duration;

use aquaware_verifier::testing::{START, TestIssuer};
use aquaware_verifier::{TokenError, Verifier, VerifyError};
use serde::Deserialize;

use crate::site::{Site, long, pass};

fn is_cached(verifier: &Verifier, token: &str) -> bool {
    let first = verifier.verify_shared(token).unwrap();
    Arc::ptr_eq(&first, &verifier.verify_shared(token).unwrap())
}

#[test]
fn a_token_that_was_verified_is_not_verified_again() {
    let issuer = TestIssuer::new();
    let token = issuer.token().sign();
    assert!(is_cached(&issuer.verifier(), &token));
    let without = issuer.builder().cache_tokens(0).key_set(&issuer.key_set()).unwrap();
    assert!(!is_cached(&without, &token));
}

#[test]
fn a_cached_token_expires_like_any_other() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier();
    let token = issuer.token().expires_in(Duration::from_secs(100)).sign();
    assert!(is_cached(&verifier, &token));
    issuer.clock().advance(Duration::from_millis(104_999));
    assert!(verifier.verify(&token).is_ok());
    issuer.clock().advance(Duration::from_millis(1));
    assert_eq!(verifier.verify(&token).unwrap_err(), VerifyError::Token(TokenError::Expired));
}

#[tokio::test(start_paused = true)]
async fn a_cached_token_is_not_valid_before_its_nbf() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let verifier = site.verifier().await;
    let token = issuer.token().claim("nbf", START.seconds()).sign();
    assert!(is_cached(&verifier, &token));
    site.set_clock_by(-60);
    assert_eq!(verifier.verify(&token).unwrap_err(), VerifyError::Token(TokenError::NotYetValid));
}

#[test]
fn a_cached_token_is_rejected_when_it_is_revoked() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier();
    let token = issuer.token().status(7).sign();
    assert!(is_cached(&verifier, &token));
    issuer.revoke(7);
    assert_eq!(verifier.verify(&token).unwrap_err(), VerifyError::Revoked);
}

#[tokio::test(start_paused = true)]
async fn a_cached_token_is_rejected_when_its_key_is_dropped() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let verifier = site.verifier().await;
    let token = long(&issuer);
    assert!(is_cached(&verifier, &token));
    pass(320).await;
    assert!(is_cached(&verifier, &token), "the key set was confirmed");
    site.publish(&[&issuer.successor()]);
    verifier.refresh().await.unwrap();
    assert_eq!(verifier.verify(&token).unwrap_err(), VerifyError::UnknownKey);
}

#[tokio::test(start_paused = true)]
async fn a_cached_token_is_rejected_while_the_keys_are_stale() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let verifier = site.verifier().await;
    let token = issuer.token().expires_in(Duration::from_secs(30 * 86_400)).sign();
    assert!(is_cached(&verifier, &token));
    site.set_clock_by(86_401);
    assert_eq!(verifier.verify(&token).unwrap_err(), VerifyError::StaleKeys);
}

#[test]
fn a_change_of_any_byte_of_a_cached_token_is_noticed() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier();
    let token = issuer.token().sign();
    assert!(is_cached(&verifier, &token));
    for position in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(verifier.verify(&changed).is_err(), "{position}");
    }
    assert!(verifier.verify(&format!("{token} ")).is_err());
}

#[test]
fn extra_claims_of_a_cached_token_are_read_as_the_requested_type() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Tenant {
        tenant: u32,
    }
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier();
    let token = issuer.token().claim("tenant", 7).sign();
    for _ in 0..2 {
        assert_eq!(verifier.verify_as::<Tenant>(&token).unwrap().extra, Tenant { tenant: 7 });
        assert!(verifier.verify_as::<Vec<u8>>(&token).is_err());
    }
}
