//! When status lists are fetched: before the first request, at their `ttl`, and never more often than
//! their issuer can bear.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aquaware_verifier::limits::MAX_STATUS_LISTS;
use aquaware_verifier::testing::{STATUS_LIST, TestIssuer};
use aquaware_verifier::{DocumentError, StalePolicy, VerifyError};
use tokio::time::Instant;

use crate::site::{AGGREGATION, Shelf, Site, listed, long, pass, settle};

fn uri(number: usize) -> String {
    format!("https://issuer.test/status-lists/{number}")
}

pub(crate) fn named(issuer: &TestIssuer, number: usize) -> String {
    issuer.token().expires_in(Duration::from_secs(86_400)).status_at(&uri(number), 1).sign()
}

fn put(site: &Site, issuer: &TestIssuer, number: usize) {
    let expires = site.now().plus(Duration::from_secs(86_400));
    let list = issuer.status_list().uri(&uri(number)).issued_at(site.now());
    site.put(&uri(number), &list.expires_at(Some(expires)).sign());
}

#[tokio::test(start_paused = true)]
async fn aggregated_lists_are_cached_before_the_first_request() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    *site.latency.lock().unwrap() = Duration::from_millis(200);
    let uris: Vec<String> = (0..40).map(uri).collect();
    for number in 0..40 {
        put(&site, &issuer, number);
    }
    site.aggregate(&uris.iter().map(String::as_str).collect::<Vec<_>>());
    let verifier = site.verifier().await;
    for number in 0..40 {
        assert!(verifier.verify(&named(&issuer, number)).is_ok(), "{number}");
    }
    let status = verifier.health().status;
    assert!(status.ready && status.lists == 40, "{status:?}");
    let max = site.max_in_flight.load(Ordering::SeqCst);
    assert!(max > 1 && max <= 16, "{max} at once");
}

#[tokio::test(start_paused = true)]
async fn new_aggregated_lists_are_cached_before_a_token_names_them() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    put(&site, &issuer, 0);
    site.aggregate(&[&uri(0)]);
    let verifier = site.verifier().await;
    put(&site, &issuer, 1);
    site.aggregate(&[&uri(0), &uri(1)]);
    // The aggregation is read whenever the keys are.
    pass(301).await;
    assert!(verifier.verify(&named(&issuer, 1)).is_ok());
    let before = site.requests_for(AGGREGATION);
    pass(3600).await;
    assert!(site.requests_for(AGGREGATION) - before <= 15);
}

#[tokio::test(start_paused = true)]
async fn unavailable_lists_do_not_prevent_the_start() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    put(&site, &issuer, 0);
    site.aggregate(&[&uri(0), &uri(1)]);
    let begun = Instant::now();
    let verifier = site.verifier().await;
    assert!(begun.elapsed() < Duration::from_secs(1), "a 404 arrives immediately");
    assert!(verifier.verify(&named(&issuer, 0)).is_ok());
    assert_eq!(verifier.verify(&named(&issuer, 1)).unwrap_err(), VerifyError::NoStatusList);
    let status = verifier.health().status;
    assert!(!status.ready && status.unusable == 1, "{status:?}");
    assert!(verifier.health().ready, "tokens without a status are unaffected");
}

#[tokio::test(start_paused = true)]
async fn the_start_waits_for_status_lists_for_a_limited_time() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    let silent = || Shelf { silent: true, ..Shelf::default() };
    put(&site, &issuer, 0);
    for number in 1..40 {
        site.put_shelf(&uri(number), silent());
    }
    let uris: Vec<String> = (0..40).rev().map(uri).collect();
    site.aggregate(&uris.iter().map(String::as_str).collect::<Vec<_>>());
    let begun = Instant::now();
    let verifier = site.verifier().await;
    assert_eq!(begun.elapsed().as_secs(), 10, "less than the timeouts of all of them");
    // The list that responds is fetched after those that do not.
    pass(60).await;
    assert!(verifier.verify(&named(&issuer, 0)).is_ok());
    site.put_shelf(AGGREGATION, silent());
    let begun = Instant::now();
    assert!(site.verifier().await.verify(&long(&issuer)).is_ok());
    assert_eq!(begun.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn lists_are_refreshed_at_their_ttl_within_bounds() {
    let issuer = TestIssuer::new();
    for (ttl, cache_control, min, max) in [
        (Some(10), Some("max-age=3600"), 400, 500),
        (Some(1), None, 800, 1000),
        (Some(600), Some("max-age=1"), 24, 36),
        (None, Some("max-age=100"), 40, 50),
        (None, None, 66, 84),
        (Some(86_400), None, 24, 36),
    ] {
        let site = Site::publishing(&[&issuer]);
        let list = issuer.status_list().ttl(ttl.map(Duration::from_secs)).sign();
        let body = Some(list.into_bytes());
        site.put_shelf(STATUS_LIST, Shelf { body, cache_control, ..Shelf::default() });
        site.aggregate(&[STATUS_LIST]);
        let verifier = site.verifier().await;
        pass(3600).await;
        let fetches = site.requests_for(STATUS_LIST) - 1;
        assert!((min..=max).contains(&fetches), "{ttl:?} {cache_control:?}: {fetches}");
        assert_eq!(verifier.health().status.failures, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_list_is_available_a_moment_later() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.show(&issuer);
    let verifier = site.verifier().await;
    let token = listed(&issuer, 1);
    for _ in 0..1000 {
        assert_eq!(verifier.verify(&token).unwrap_err(), VerifyError::NoStatusList);
    }
    settle().await;
    assert!(verifier.verify(&token).is_ok());
    assert_eq!(site.requests_for(STATUS_LIST), 1);
}

#[tokio::test(start_paused = true)]
async fn a_list_can_be_requested_from_any_thread() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.show(&issuer);
    let verifier = site.verifier().await;
    let (clone, token) = (verifier.clone(), listed(&issuer, 1));
    // Outside the runtime, as in a web server with its own threads.
    let thread = std::thread::spawn(move || clone.verify(&token).unwrap_err());
    assert_eq!(thread.join().unwrap(), VerifyError::NoStatusList);
    pass(1).await;
    assert!(verifier.verify(&listed(&issuer, 1)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_number_of_status_lists_is_bounded() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.show(&issuer);
    let verifier = site.verifier().await;
    for number in 0..MAX_STATUS_LISTS + 200 {
        let result = verifier.verify(&named(&issuer, number));
        assert_eq!(result.unwrap_err(), VerifyError::NoStatusList);
    }
    settle().await;
    let status = verifier.health().status;
    assert_eq!(status.lists, MAX_STATUS_LISTS);
    assert!(
        !status.ready
            && matches!(status.last_error.unwrap().source, DocumentError::TooManyStatusLists)
    );
    let fetches = site.calls().iter().filter(|call| call.url.contains("/status-lists/")).count();
    assert_eq!(fetches, MAX_STATUS_LISTS);
    assert!(verifier.verify(&listed(&issuer, 1)).is_ok(), "a cached list stays in use");
    // Unused lists make room.
    for _ in 0..70 {
        pass(60).await;
        assert!(verifier.verify(&listed(&issuer, 1)).is_ok());
    }
    put(&site, &issuer, MAX_STATUS_LISTS + 1);
    assert!(verifier.verify(&named(&issuer, MAX_STATUS_LISTS + 1)).is_err());
    settle().await;
    assert!(verifier.verify(&named(&issuer, MAX_STATUS_LISTS + 1)).is_ok());
    let status = verifier.health().status;
    assert!(status.ready && status.lists == 2 && status.last_error.is_none(), "{status:?}");
}

#[tokio::test(start_paused = true)]
async fn with_keep_using_too_many_lists_are_reported_but_reject_no_token() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    for number in 0..MAX_STATUS_LISTS {
        put(&site, &issuer, number);
    }
    let builder = site.builder().on_stale_status(Duration::from_secs(300), StalePolicy::KeepUsing);
    let verifier = builder.discover().await.unwrap();
    for number in 0..MAX_STATUS_LISTS {
        assert!(verifier.verify(&named(&issuer, number)).is_err());
    }
    settle().await;
    assert!(verifier.health().status.ready, "the maximum number");
    assert!(verifier.verify(&named(&issuer, MAX_STATUS_LISTS)).is_ok());
    let status = verifier.health().status;
    assert!(!status.ready && status.unusable == 0, "{status:?}");
    assert_eq!(status.last_error.unwrap().url, uri(MAX_STATUS_LISTS));
}

#[tokio::test(start_paused = true)]
async fn forged_tokens_cause_no_status_list_fetch() {
    let (issuer, other) = (TestIssuer::new(), TestIssuer::new());
    let site = Site::publishing(&[&issuer]);
    let verifier = site.verifier().await;
    for number in 0..1000 {
        assert!(verifier.verify(&named(&other, number)).is_err());
        let token = named(&issuer, number);
        let (message, _) = token.rsplit_once('.').unwrap();
        assert!(verifier.verify(&format!("{message}.AAAA")).is_err());
    }
    pass(100).await;
    assert_eq!(verifier.health().status.lists, 0);
    assert!(site.calls().iter().all(|call| !call.url.contains("status-lists")));
}

#[tokio::test(start_paused = true)]
async fn an_idle_list_is_dropped_and_fetched_again_on_demand() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.show(&issuer);
    put(&site, &issuer, 1);
    site.aggregate(&[&uri(1)]);
    let verifier = site.verifier().await;
    let token = listed(&issuer, 1);
    assert!(verifier.verify(&token).is_err());
    pass(3700).await;
    assert_eq!(verifier.health().status.lists, 1, "the aggregated list stays");
    let before = site.requests_for(STATUS_LIST);
    pass(3600).await;
    assert_eq!(site.requests_for(STATUS_LIST), before);
    assert_eq!(verifier.verify(&token).unwrap_err(), VerifyError::NoStatusList);
    settle().await;
    assert!(verifier.verify(&token).is_ok());
    assert!(verifier.verify(&named(&issuer, 1)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn at_most_one_fetch_per_list_is_in_flight() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.show(&issuer);
    let verifier = site.builder().jwks_uri(crate::site::KEYS).await.unwrap();
    *site.latency.lock().unwrap() = Duration::from_secs(2);
    let token = listed(&issuer, 1);
    let all = (0..50).map(|_| {
        let (verifier, token) = (verifier.clone(), token.clone());
        tokio::spawn(async move { verifier.verify_waiting(&token, Duration::from_secs(5)).await })
    });
    for task in all.collect::<Vec<_>>() {
        assert!(task.await.unwrap().is_ok());
    }
    assert_eq!(site.requests_for(STATUS_LIST), 1);
    pass(30).await;
    assert_eq!(site.max_in_flight.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn the_list_tasks_end_with_the_last_clone() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.show(&issuer);
    put(&site, &issuer, 1);
    site.aggregate(&[&uri(1)]);
    let verifier = site.verifier().await;
    let clone = verifier.clone();
    assert!(verifier.verify(&listed(&issuer, 1)).is_err());
    drop(verifier);
    pass(100).await;
    assert!(clone.verify(&long(&issuer)).is_ok());
    let calls = site.calls().len();
    drop(clone);
    pass(4000).await;
    assert_eq!(site.calls().len(), calls);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_start_leaves_no_task_behind() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.put_shelf(&uri(0), Shelf { silent: true, ..Shelf::default() });
    site.aggregate(&[&uri(0)]);
    let started = tokio::time::timeout(Duration::from_secs(1), site.builder().discover());
    assert!(started.await.is_err());
    let calls = site.calls().len();
    pass(4000).await;
    assert_eq!(site.calls().len(), calls);
}

#[tokio::test(start_paused = true)]
async fn an_unresponsive_origin_does_not_delay_others() {
    let issuer = TestIssuer::new();
    let site = Site::publishing(&[&issuer]);
    site.show(&issuer);
    let builder = site.builder().status_lists_at("https://slow.test");
    let verifier = builder.discover().await.unwrap();
    for number in 0..40 {
        let slow = format!("https://slow.test/status-lists/{number}");
        site.put_shelf(&slow, Shelf { silent: true, ..Shelf::default() });
        assert!(verifier.verify(&issuer.token().status_at(&slow, 1).sign()).is_err());
    }
    settle().await;
    assert_eq!(site.max_in_flight.load(Ordering::SeqCst), 16);
    assert!(verifier.verify(&listed(&issuer, 1)).is_err());
    settle().await;
    assert!(verifier.verify(&listed(&issuer, 1)).is_ok());
}
