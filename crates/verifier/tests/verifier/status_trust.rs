//! Which status lists are believed, and where they may come from.

use std::sync::Arc;
use std::time::Duration;

use aquaware_verifier::testing::{STATUS_LIST, StatusList, TestIssuer};
use aquaware_verifier::{Problem, Rejection, Stale, TokenError, Verifier};
use serde_json::json;

use crate::site::{Shelf, Site, listed, long, pass};

/// A verifier that knows a list in which 1 is revoked.
async fn warm(issuer: &TestIssuer) -> (Arc<Site>, Verifier) {
    let site = Site::publishing(&[issuer]);
    site.cache_control("max-age=3600");
    issuer.revoke(1);
    site.show(issuer);
    site.aggregate(&[STATUS_LIST]);
    let verifier = site.verifier().await;
    assert_eq!(verifier.verify(&listed(issuer, 1)).unwrap_err(), Rejection::Revoked);
    (site, verifier)
}

pub(crate) fn problem(verifier: &Verifier) -> String {
    let error = verifier.health().status.last_error.unwrap();
    match &error.problem {
        Problem::StatusList(error) => error.to_string(),
        other => other.to_string(),
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_good_list_changes_nothing_and_is_said() {
    let issuer = TestIssuer::new();
    let (site, verifier) = warm(&issuer).await;
    // Lists in which nobody is revoked, so that one that was believed would be noticed.
    let stranger = TestIssuer::new();
    let all_good = || issuer.status_list().entries(StatusList::new(1024, []));
    let later = || Some(site.now().plus(Duration::from_secs(86_400)));
    let token = all_good().expires_at(later()).issued_at(site.now()).sign();
    let (message, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{message}.{}", long(&issuer).rsplit('.').next().unwrap());
    let list = json!({ "bits": 1, "lst": "eNrbuRgAAhcBXQ" });
    for (token, error) in [
        (all_good().uri("https://issuer.test/status-lists/1").sign(), TokenError::Subject),
        (
            issuer.token().claim("sub", STATUS_LIST).claim("status_list", list).sign(),
            TokenError::Type,
        ),
        (all_good().expires_at(Some(site.now())).sign(), TokenError::Expired),
        (stranger.status_list().sign(), TokenError::UnknownKey),
        (forged, TokenError::Signature),
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
        assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), Rejection::Revoked);
        assert!(verifier.verify(&listed(&issuer, 2)).is_ok());
        site.show(&issuer);
        pass(31).await;
        assert_eq!(verifier.health().status.failures, 0, "it recovers by itself");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_is_used_to_its_exp_and_not_longer() {
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
    // It is still published, and confirmed by 304 every few seconds: that doesn't count.
    pass(1).await;
    assert_eq!(verifier.verify(&token).unwrap_err(), Rejection::StaleStatus);
    pass(30).await;
    assert_eq!(verifier.verify(&token).unwrap_err(), Rejection::StaleStatus);
    assert_eq!(problem(&verifier), TokenError::Expired.to_string());
    site.show(&issuer);
    pass(31).await;
    assert!(verifier.verify(&token).is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_list_is_confirmed_without_being_sent() {
    let issuer = TestIssuer::new();
    let (site, verifier) = warm(&issuer).await;
    pass(100).await;
    let calls = site.calls();
    let lists: Vec<_> = calls.iter().filter(|call| call.url == STATUS_LIST).collect();
    assert!(lists.len() > 8 && lists[0].if_none_match.is_none() && lists[0].gzip);
    assert!(lists[1..].iter().all(|call| call.if_none_match.is_some()));
    assert!(verifier.health().status.age.unwrap() < Duration::from_secs(10));
    assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), Rejection::Revoked);
}

#[tokio::test(start_paused = true)]
async fn time_in_a_cache_counts_as_age() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let body = Some(issuer.status_list().ttl(Some(Duration::from_secs(100))).sign().into_bytes());
    let aged = |age| Shelf { body: body.clone(), age: Some(age), ..Shelf::default() };
    site.put_shelf(STATUS_LIST, aged(60));
    site.aggregate(&[STATUS_LIST]);
    let verifier = site.verifier().await;
    assert_eq!(verifier.health().status.age, Some(Duration::from_secs(60)));
    pass(37).await;
    assert_eq!(site.asked(STATUS_LIST), 2, "forty seconds of its hundred were left");
    // A fresh answer, and after it one of another cache: what was confirmed stays so.
    site.put_shelf(STATUS_LIST, aged(0));
    let short = site.builder().on_stale_status(Duration::from_secs(30), Stale::Refuse);
    let verifier = short.discover().await.unwrap();
    site.put_shelf(STATUS_LIST, aged(99));
    pass(20).await;
    assert!(site.asked(STATUS_LIST) >= 4);
    assert_eq!(verifier.health().status.age, Some(Duration::from_secs(20)));
}

#[tokio::test(start_paused = true)]
async fn a_list_is_as_old_as_the_question() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    *site.latency.lock().unwrap() = Duration::from_secs(4);
    site.show(&issuer);
    site.aggregate(&[STATUS_LIST]);
    let verifier = site.verifier().await;
    assert_eq!(verifier.health().status.age, Some(Duration::from_secs(4)));
}

#[tokio::test(start_paused = true)]
async fn a_packed_list_is_unpacked_to_a_bound() {
    let issuer = TestIssuer::new();
    let (site, verifier) = warm(&issuer).await;
    for (body, coding, said) in [
        (vec![0; 1 << 21], None, "the answer is too long"),
        (gzipped(&vec![b' '; 1 << 26]), Some("gzip"), "the answer is too long"),
        (b"no gzip".to_vec(), Some("gzip"), "the answer can't be unpacked"),
        (b"x".to_vec(), Some("br"), "the answer can't be unpacked"),
    ] {
        site.put_shelf(STATUS_LIST, Shelf { body: Some(body), coding, ..Shelf::default() });
        pass(11).await;
        assert_eq!(problem(&verifier), said);
        assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), Rejection::Revoked);
    }
    // As it is, without a coding.
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
async fn a_list_never_goes_back_in_time() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let before = issuer.status_list().sign();
    issuer.revoke(1);
    pass(100).await;
    site.show(&issuer);
    site.aggregate(&[STATUS_LIST]);
    let verifier = site.verifier().await;
    let token = listed(&issuer, 1);
    // A cache on the way comes with what it kept.
    site.put(STATUS_LIST, &before);
    for _ in 0..140 {
        pass(1).await;
        assert_eq!(verifier.verify(&token).unwrap_err(), Rejection::Revoked);
    }
    assert_eq!(problem(&verifier), Problem::Older.to_string());
    assert!(verifier.health().status.age.unwrap() > Duration::from_secs(130), "no success");
    site.show(&issuer);
    pass(31).await;
    assert_eq!(verifier.health().status.failures, 0);
}

#[tokio::test(start_paused = true)]
async fn an_older_list_that_says_the_same_is_a_success() {
    let issuer = TestIssuer::new();
    issuer.revoke(1);
    // Two machines of an issuer: each signs when it first sees a change, and hourly.
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
async fn a_list_that_is_older_by_no_more_than_clocks_differ_counts_but_not_step_by_step() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    pass(100).await;
    let at = |seconds| site.now().minus(Duration::from_secs(seconds));
    let signed = [at(0), at(59), at(70)];
    site.put(STATUS_LIST, &issuer.status_list().issued_at(signed[0]).sign());
    site.aggregate(&[STATUS_LIST]);
    // Whatever leeway the service allows: it is the issuer's machines that differ.
    let verifier = site.verifier().await;
    // Another machine, whose clock is behind, is the first to show a revocation.
    issuer.revoke(1);
    site.put(STATUS_LIST, &issuer.status_list().issued_at(signed[1]).sign());
    pass(10).await;
    assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), Rejection::Revoked);
    issuer.revoke(2);
    site.put(STATUS_LIST, &issuer.status_list().issued_at(signed[2]).sign());
    pass(10).await;
    assert_eq!(problem(&verifier), Problem::Older.to_string());
    assert!(verifier.verify(&listed(&issuer, 2)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_list_of_the_future_is_held_against_no_other() {
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
    assert_eq!(verifier.verify(&listed(&issuer, 1)).unwrap_err(), Rejection::Revoked);
    assert_eq!(verifier.health().status.failures, 0);
}

#[tokio::test(start_paused = true)]
async fn a_list_of_a_dropped_key_is_held_against_no_other() {
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
    assert_eq!(verifier.verify(&listed(&next, 1)).unwrap_err(), Rejection::Revoked);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_whose_clock_was_set_back_is_believed_before_its_list_is_stale() {
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
async fn a_list_signed_with_a_new_key_waits_for_the_key() {
    let issuer = TestIssuer::new();
    let (site, verifier) = warm(&issuer).await;
    pass(60).await;
    let keys_before = site.fetches();
    // The key signs the list before anybody has it.
    let next = issuer.successor();
    site.publish(&[&issuer, &next]);
    issuer.revoke(2);
    site.show(&next);
    pass(11).await;
    assert_eq!(site.fetches(), keys_before + 1, "one fetch of keys");
    assert_eq!(verifier.verify(&listed(&issuer, 2)).unwrap_err(), Rejection::Revoked);
    assert_eq!(verifier.health().status.failures, 0);
    // Within the cooldown it comes when that ends.
    let third = next.successor();
    site.publish(&[&issuer, &next, &third]);
    issuer.revoke(3);
    site.show(&third);
    pass(9).await;
    assert!(verifier.verify(&listed(&issuer, 3)).is_ok());
    pass(24).await;
    assert_eq!(verifier.verify(&listed(&issuer, 3)).unwrap_err(), Rejection::Revoked);
    assert_eq!(site.fetches(), keys_before + 2);
}

#[tokio::test(start_paused = true)]
async fn a_list_of_a_key_that_nobody_has_costs_one_fetch_of_keys_per_cooldown() {
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
async fn a_list_of_a_dropped_key_is_not_confirmed() {
    let issuer = TestIssuer::new();
    let (site, verifier) = warm(&issuer).await;
    let next = issuer.successor();
    site.publish(&[&next]);
    verifier.refresh().await.unwrap();
    pass(60).await;
    assert_eq!(problem(&verifier), TokenError::UnknownKey.to_string());
    pass(250).await;
    let verdict = verifier.verify(&listed(&next, 2));
    assert_eq!(verdict.unwrap_err(), Rejection::StaleStatus);
}

#[tokio::test(start_paused = true)]
async fn an_algorithm_that_is_not_allowed_signs_no_list() {
    use aquaware_verifier::Algorithm;
    let (issuer, other) = (TestIssuer::new(), TestIssuer::signing_with(Algorithm::Es256));
    let site = Site::publishing(&[&issuer, &other]);
    site.put(STATUS_LIST, &other.status_list().sign());
    site.aggregate(&[STATUS_LIST]);
    let only = site.builder().algorithms([Algorithm::EdDsa]).discover().await.unwrap();
    assert_eq!(only.verify(&listed(&issuer, 1)).unwrap_err(), Rejection::UnknownStatus);
    assert_eq!(problem(&only), TokenError::Algorithm.to_string());
    assert!(site.verifier().await.verify(&listed(&issuer, 1)).is_ok());
}
