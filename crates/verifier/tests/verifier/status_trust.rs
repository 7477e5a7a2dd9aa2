//! Which status lists are accepted.

use std::sync::Arc;
use std::time::Duration;

use aquaware_verifier::testing::{STATUS_LIST, StatusList, TestIssuer};
use aquaware_verifier::{Algorithm, DocumentError, StalePolicy, TokenError, Verifier, VerifyError};
use serde_json::json;

use crate::site::{Shelf, Site, listed, long, pass};

/// A verifier with a cached list in which 1 is revoked.
async fn warm(issuer: &TestIssuer) -> (Arc<Site>, Verifier) {
    let site = Site::publishing(&[issuer]);
    site.cache_control("max-age=3600");
    issuer.revoke(1);
    site.show(issuer);
    site.aggregate(&[STATUS_LIST]);
    let verifier = site.verifier().await;
    assert_eq!(verifier.verify(&listed(issuer, 1)).unwrap_err(), VerifyError::Revoked);
    (site, verifier)
}

pub(crate) fn problem(verifier: &Verifier) -> String {
    let error = verifier.health().status.last_error.unwrap();
    match &error.source {
        DocumentError::StatusList(error) => error.to_string(),
        other => other.to_string(),
    }
}

#[tokio::test(start_paused = true)]
async fn an_invalid_status_list_keeps_the_current_one_and_is_reported() {
    let issuer = TestIssuer::new();
    let (site, verifier) = warm(&issuer).await;
    // Lists without revocations, so that accepting one would be noticed.
    let other = TestIssuer::new();
    let all_valid = || issuer.status_list().entries(StatusList::new(1024, []));
    let later = || Some(site.now().plus(Duration::from_secs(86_400)));
    let token = all_valid().expires_at(later()).issued_at(site.now()).sign();
    let (message, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{message}.{}", long(&issuer).rsplit('.').next().unwrap());
    let list = json!({ "bits": 1, "lst": "eNrbuRgAAhcBXQ" });
    for (token, error) in [
        (all_valid().uri("https://issuer.test/status-lists/1").sign(), TokenError::WrongSubject),
        (
            issuer.token().claim("sub", STATUS_LIST).claim("status_list", list).sign(),
            TokenError::WrongType,
        ),
        (all_valid().expires_at(Some(site.now())).sign(), TokenError::Expired),
        (other.status_list().sign(), TokenError::UnknownKey),
        (forged, TokenError::InvalidSignature),
        ("<html>".to_owned(), TokenError::Malformed),
        ("\u{fffd}".to_owned(), TokenError::Malformed),
        (String::new(), TokenError::Malformed),
    ] {
        site.put(STATUS_LIST, &token);
        let before = verifier.health().status.confirmed_at;
        pass(11).await;
        let status = verifier.health().status;
        assert_eq!(problem(&verifier), error.to_string());
        assert!(status.failures > 0 && status.ready, "{error}");
        assert_eq!(status.confirmed_at, before, "{error}");
        assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), VerifyError::Revoked);
        assert!(verifier.verify(&listed(&issuer, 2)).is_ok());
        site.show(&issuer);
        pass(31).await;
        assert_eq!(verifier.health().status.failures, 0, "recovered");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_is_used_until_its_exp_and_no_longer() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let exp = site.now().plus(Duration::from_secs(60));
    site.put(STATUS_LIST, &issuer.status_list().expires_at(Some(exp)).sign());
    site.aggregate(&[STATUS_LIST]);
    let verifier = site.verifier().await;
    let token = listed(&issuer, 1);
    for _ in 0..59 {
        assert!(verifier.verify(&token).is_ok());
        pass(1).await;
    }
    // It is still published, but a 304 does not extend its use.
    pass(1).await;
    assert_eq!(verifier.verify(&token).unwrap_err(), VerifyError::StaleStatusList);
    pass(30).await;
    assert_eq!(verifier.verify(&token).unwrap_err(), VerifyError::StaleStatusList);
    assert_eq!(problem(&verifier), TokenError::Expired.to_string());
    site.show(&issuer);
    pass(31).await;
    assert!(verifier.verify(&token).is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_list_is_confirmed_by_304() {
    let issuer = TestIssuer::new();
    let (site, verifier) = warm(&issuer).await;
    pass(100).await;
    let calls = site.calls();
    let lists: Vec<_> = calls.iter().filter(|call| call.url == STATUS_LIST).collect();
    assert!(lists.len() > 8 && lists[0].if_none_match.is_none() && lists[0].gzip);
    assert!(lists[1..].iter().all(|call| call.if_none_match.is_some()));
    assert!(verifier.health().status.age.unwrap() < Duration::from_secs(10));
    assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), VerifyError::Revoked);
}

#[tokio::test(start_paused = true)]
async fn time_spent_in_http_caches_counts_as_age() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let body = Some(issuer.status_list().ttl(Some(Duration::from_secs(100))).sign().into_bytes());
    let aged = |age| Shelf { body: body.clone(), age: Some(age), ..Shelf::default() };
    site.put_shelf(STATUS_LIST, aged(60));
    site.aggregate(&[STATUS_LIST]);
    let verifier = site.verifier().await;
    assert_eq!(verifier.health().status.age, Some(Duration::from_secs(60)));
    pass(37).await;
    assert_eq!(site.requests_for(STATUS_LIST), 2, "40 s of its 100 s were left");
    // An older response from another cache does not undo the confirmation by a newer one.
    site.put_shelf(STATUS_LIST, aged(0));
    let short = site.builder().on_stale_status(Duration::from_secs(30), StalePolicy::Reject);
    let verifier = short.discover().await.unwrap();
    site.put_shelf(STATUS_LIST, aged(99));
    pass(20).await;
    assert!(site.requests_for(STATUS_LIST) >= 4);
    assert_eq!(verifier.health().status.age, Some(Duration::from_secs(20)));
}

#[tokio::test(start_paused = true)]
async fn the_age_of_a_list_counts_from_the_request() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    *site.latency.lock().unwrap() = Duration::from_secs(4);
    site.show(&issuer);
    site.aggregate(&[STATUS_LIST]);
    let verifier = site.verifier().await;
    assert_eq!(verifier.health().status.age, Some(Duration::from_secs(4)));
}

#[tokio::test(start_paused = true)]
async fn a_compressed_list_is_decompressed_up_to_a_bound() {
    let issuer = TestIssuer::new();
    let (site, verifier) = warm(&issuer).await;
    for (body, coding, text) in [
        (vec![0; 1 << 21], None, "the response is too large"),
        (gzipped(&vec![b' '; 1 << 26]), Some("gzip"), "the response is too large"),
        (b"no gzip".to_vec(), Some("gzip"), "the response cannot be decoded"),
        (b"x".to_vec(), Some("br"), "the response cannot be decoded"),
    ] {
        site.put_shelf(STATUS_LIST, Shelf { body: Some(body), coding, ..Shelf::default() });
        pass(11).await;
        assert_eq!(problem(&verifier), text);
        assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), VerifyError::Revoked);
    }
    // Uncompressed.
    let body = Some(issuer.status_list().sign().into_bytes());
    site.put_shelf(STATUS_LIST, Shelf { body, ..Shelf::default() });
    pass(31).await;
    assert_eq!(verifier.health().status.failures, 0);
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_older_list_never_undoes_a_revocation() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let before = issuer.status_list().sign();
    issuer.revoke(1);
    pass(100).await;
    site.show(&issuer);
    site.aggregate(&[STATUS_LIST]);
    let verifier = site.verifier().await;
    let token = listed(&issuer, 1);
    // A cache returns an old version.
    site.put(STATUS_LIST, &before);
    for _ in 0..140 {
        pass(1).await;
        assert_eq!(verifier.verify(&token).unwrap_err(), VerifyError::Revoked);
    }
    assert_eq!(problem(&verifier), DocumentError::OlderStatusList.to_string());
    assert!(verifier.health().status.age.unwrap() > Duration::from_secs(130), "not confirmed");
    site.show(&issuer);
    pass(31).await;
    assert_eq!(verifier.health().status.failures, 0);
}

#[tokio::test(start_paused = true)]
async fn an_older_list_with_the_same_entries_is_accepted() {
    let issuer = TestIssuer::new();
    issuer.revoke(1);
    // Two machines of an issuer: each signs when it first sees a change, and every hour.
    let one = issuer.status_list().sign();
    let site = Site::publishing(&[&issuer]);
    pass(100).await;
    site.show(&issuer);
    site.aggregate(&[STATUS_LIST]);
    let verifier = site.verifier().await;
    site.put(STATUS_LIST, &one);
    for _ in 0..400 {
        pass(1).await;
        let status = verifier.health().status;
        assert!(status.failures == 0 && status.age.unwrap() <= Duration::from_secs(10));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slightly_older_list_is_accepted_but_lists_cannot_go_back_step_by_step() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    pass(100).await;
    let at = |seconds| site.now().minus(Duration::from_secs(seconds));
    let signed = [at(0), at(59), at(70)];
    site.put(STATUS_LIST, &issuer.status_list().issued_at(signed[0]).sign());
    site.aggregate(&[STATUS_LIST]);
    // Independent of the leeway of the service: the issuer's machines differ.
    let verifier = site.verifier().await;
    // The first to publish a revocation is a machine whose clock is behind.
    issuer.revoke(1);
    site.put(STATUS_LIST, &issuer.status_list().issued_at(signed[1]).sign());
    pass(10).await;
    assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), VerifyError::Revoked);
    issuer.revoke(2);
    site.put(STATUS_LIST, &issuer.status_list().issued_at(signed[2]).sign());
    pass(10).await;
    assert_eq!(problem(&verifier), DocumentError::OlderStatusList.to_string());
    assert!(verifier.verify(&listed(&issuer, 2)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_list_signed_in_the_future_does_not_block_later_lists() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let list = || issuer.status_list().expires_at(None);
    let fast = site.now().plus(Duration::from_secs(3600));
    site.put(STATUS_LIST, &list().issued_at(fast).sign());
    site.aggregate(&[STATUS_LIST]);
    let verifier = site.verifier().await;
    pass(60).await;
    issuer.revoke(1);
    site.put(STATUS_LIST, &list().issued_at(site.now()).sign());
    pass(10).await;
    assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), VerifyError::Revoked);
    assert_eq!(verifier.health().status.failures, 0);
}

#[tokio::test(start_paused = true)]
async fn a_list_signed_with_a_dropped_key_does_not_block_an_older_list() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let before = site.now();
    pass(100).await;
    site.show(&issuer);
    site.aggregate(&[STATUS_LIST]);
    let verifier = site.verifier().await;
    let next = issuer.successor();
    site.publish(&[&next]);
    verifier.refresh().await.unwrap();
    issuer.revoke(1);
    site.put(STATUS_LIST, &next.status_list().issued_at(before).expires_at(None).sign());
    pass(10).await;
    assert_eq!(verifier.verify(&listed(&next, 1)).unwrap_err(), VerifyError::Revoked);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_whose_clock_was_set_back_recovers_before_its_list_is_stale() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let before = issuer.status_list().sign();
    pass(1000).await;
    issuer.revoke(1);
    site.show(&issuer);
    site.aggregate(&[STATUS_LIST]);
    let verifier = site.verifier().await;
    site.put(STATUS_LIST, &before);
    for _ in 0..190 {
        pass(1).await;
        assert!(verifier.verify(&listed(&issuer, 2)).is_ok());
    }
    assert!(verifier.verify(&listed(&issuer, 1)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_list_signed_with_a_new_key_is_fetched_again_when_the_key_arrives() {
    let issuer = TestIssuer::new();
    let (site, verifier) = warm(&issuer).await;
    pass(60).await;
    let keys_before = site.fetches();
    // The key signs the list before the verifier has fetched it.
    let next = issuer.successor();
    site.publish(&[&issuer, &next]);
    issuer.revoke(2);
    site.show(&next);
    pass(11).await;
    assert_eq!(site.fetches(), keys_before + 1, "one fetch");
    assert_eq!(verifier.verify(&listed(&issuer, 2)).unwrap_err(), VerifyError::Revoked);
    assert_eq!(verifier.health().status.failures, 0);
    // During the cooldown the key is fetched when that ends.
    let third = next.successor();
    site.publish(&[&issuer, &next, &third]);
    issuer.revoke(3);
    site.show(&third);
    pass(9).await;
    assert!(verifier.verify(&listed(&issuer, 3)).is_ok());
    pass(24).await;
    assert_eq!(verifier.verify(&listed(&issuer, 3)).unwrap_err(), VerifyError::Revoked);
    assert_eq!(site.fetches(), keys_before + 2);
}

#[tokio::test(start_paused = true)]
async fn a_list_with_an_unknown_key_costs_one_key_fetch_per_cooldown() {
    let issuer = TestIssuer::new();
    let (site, verifier) = warm(&issuer).await;
    pass(60).await;
    let before = site.fetches();
    site.show(&issuer.successor());
    pass(600).await;
    assert_eq!(problem(&verifier), TokenError::UnknownKey.to_string());
    let fetched = site.fetches() - before;
    assert!(fetched <= 20, "{fetched}");
}

#[tokio::test(start_paused = true)]
async fn a_list_signed_with_a_dropped_key_is_not_confirmed() {
    let issuer = TestIssuer::new();
    let (site, verifier) = warm(&issuer).await;
    let next = issuer.successor();
    site.publish(&[&next]);
    verifier.refresh().await.unwrap();
    pass(60).await;
    assert_eq!(problem(&verifier), TokenError::UnknownKey.to_string());
    pass(250).await;
    let result = verifier.verify(&listed(&next, 2));
    assert_eq!(result.unwrap_err(), VerifyError::StaleStatusList);
}

#[tokio::test(start_paused = true)]
async fn lists_signed_with_a_disallowed_algorithm_are_rejected() {
    let (issuer, other) = (TestIssuer::new(), TestIssuer::signing_with(Algorithm::Es256));
    let site = Site::publishing(&[&issuer, &other]);
    site.put(STATUS_LIST, &other.status_list().sign());
    site.aggregate(&[STATUS_LIST]);
    let only = site.builder().algorithms([Algorithm::EdDsa]).discover().await.unwrap();
    assert_eq!(only.verify(&listed(&issuer, 1)).unwrap_err(), VerifyError::NoStatusList);
    assert_eq!(problem(&only), TokenError::WrongAlgorithm.to_string());
    assert!(site.verifier().await.verify(&listed(&issuer, 1)).is_ok());
}
