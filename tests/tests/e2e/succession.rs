//! The rules of a refresh: retries are recognised, and thefts are detected.

use std::time::Duration;

use aquaware_tests::{Client, Setup, Store, Tokens, on_every_store, pause, retry_key, until};

/// The shortest retry window that a test can first be inside and then outside of.
const WINDOW: &str = "1s";

fn past_the_window() {
    pause(Duration::from_millis(1200));
}

/// Asserts that `token` is treated as stolen, and that its session has ended.
#[track_caller]
fn is_reused(client: &Client, token: &str, key: Option<&str>, owner: &Tokens) {
    client.refresh(token, key).is_problem(401, "refresh_token_reused");
    client.refresh(owner.refresh(), None).is_problem(401, "session_revoked");
    client.refresh(token, key).is_problem(401, "session_revoked");
    client.me(&owner.access).is_invalid_token();
}

on_every_store!(
    the_same_key_gets_the_same_successor_long_after_the_window,
    another_key_after_the_window_ends_the_session_for_owner_and_thief,
    within_the_window_every_caller_gets_the_same_successor,
    an_older_generation_is_reused_whatever_key_and_window,
);

fn the_same_key_gets_the_same_successor_long_after_the_window(store: Store) {
    let server = Setup::on(store).set("clients.web.retry_window", WINDOW).start();
    let client = server.client();
    let (_, first) = client.new_session();
    let key = retry_key();
    let second = client.refreshed(first.refresh(), Some(&key));
    past_the_window();
    for _ in 0..3 {
        let again = client.refreshed(first.refresh(), Some(&key));
        assert_eq!(again.refresh, second.refresh);
        assert_ne!(again.access, second.access);
        client.me(&again.access).is(200);
    }
    let third = client.refreshed(second.refresh(), Some(&key));
    assert_eq!(third.generation(), 3);
}

fn another_key_after_the_window_ends_the_session_for_owner_and_thief(store: Store) {
    let server = Setup::on(store).set("clients.web.retry_window", WINDOW).start();
    let client = server.client();
    let (person, stolen) = client.new_session();
    let other = client.log_in(&person);
    let (with_key, without) = (client.log_in(&person), client.log_in(&person));
    let key = retry_key();
    let mine = client.refreshed(stolen.refresh(), Some(&key));
    let keyed = client.refreshed(with_key.refresh(), Some(&key));
    let unkeyed = client.refreshed(without.refresh(), None);
    past_the_window();
    is_reused(&client, stolen.refresh(), None, &mine);
    is_reused(&client, with_key.refresh(), Some(&retry_key()), &keyed);
    is_reused(&client, without.refresh(), Some(&key), &unkeyed);
    // Only that session.
    client.me(&other.access).is(200);
    let _ = client.refreshed(other.refresh(), None);
}

fn within_the_window_every_caller_gets_the_same_successor(store: Store) {
    let server = Setup::on(store).start();
    let client = server.client();
    let (_, first) = client.new_session();
    let second = client.refreshed(first.refresh(), Some(&retry_key()));
    for key in [None, Some(retry_key()), Some("short".to_owned()), None] {
        let again = client.refreshed(first.refresh(), key.as_deref());
        assert_eq!(again.refresh, second.refresh);
        assert_eq!(again.session, second.session);
        client.me(&again.access).is(200);
    }
    assert_eq!(client.refreshed(second.refresh(), None).generation(), 3);
}

fn an_older_generation_is_reused_whatever_key_and_window(store: Store) {
    let server = Setup::on(store).set("clients.web.retry_window", "1h").start();
    let client = server.client();
    for same_key in [true, false] {
        let (_, first) = client.new_session();
        let key = retry_key();
        let second = client.refreshed(first.refresh(), Some(&key));
        let third = client.refreshed(second.refresh(), Some(&key));
        let key = same_key.then_some(key.as_str());
        is_reused(&client, first.refresh(), key, &third);
    }
}

#[test]
fn a_thief_who_refreshes_first_is_detected_by_the_owner_s_refresh() {
    let server = Setup::new().set("clients.web.retry_window", "0s").start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    let thief = client.refreshed(tokens.refresh(), Some(&retry_key()));
    is_reused(&client, tokens.refresh(), Some(&retry_key()), &thief);
}

#[test]
fn owner_and_thief_cannot_take_turns() {
    let server = Setup::new().set("clients.web.retry_window", "0s").start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    let key = retry_key();
    let owner = client.refreshed(tokens.refresh(), Some(&key));
    let thief = client.refreshed(owner.refresh(), Some(&retry_key()));
    // The owner's next refresh reveals the copy; a retry of the previous one would too.
    is_reused(&client, owner.refresh(), Some(&key), &thief);
}

#[test]
fn retries_do_not_extend_the_retry_window() {
    let server = Setup::new().set("clients.web.retry_window", "12s").start();
    let client = server.client();
    let (_, first) = client.new_session();
    let second = client.refreshed(first.refresh(), None);
    pause(Duration::from_secs(3));
    assert_eq!(client.refreshed(first.refresh(), None).refresh, second.refresh);
    // Past the window of the refresh, but not of the retry.
    pause(Duration::from_millis(9200));
    is_reused(&client, first.refresh(), None, &second);
}

#[test]
fn without_a_retry_window_only_the_same_key_repeats() {
    let server = Setup::new().set("clients.web.retry_window", "0s").start();
    let client = server.client();
    let (_, first) = client.new_session();
    let key = retry_key();
    let second = client.refreshed(first.refresh(), Some(&key));
    assert_eq!(client.refreshed(first.refresh(), Some(&key)).refresh, second.refresh);
    is_reused(&client, first.refresh(), None, &second);
    let (_, first) = client.new_session();
    let second = client.refreshed(first.refresh(), None);
    is_reused(&client, first.refresh(), None, &second);
}

#[test]
fn a_key_that_is_too_short_is_ignored() {
    let server = Setup::new().set("clients.web.retry_window", "0s").start();
    let client = server.client();
    let counts = "0123456789abcdef";
    for (key, repeats) in [(&counts[..1], false), (&counts[..15], false), (counts, true)] {
        let (_, first) = client.new_session();
        let second = client.refreshed(first.refresh(), Some(key));
        if repeats {
            assert_eq!(client.refreshed(first.refresh(), Some(key)).refresh, second.refresh);
        } else {
            is_reused(&client, first.refresh(), Some(key), &second);
        }
    }
}

#[test]
fn invalid_idempotency_keys_are_rejected_without_side_effects() {
    let server = Setup::new().set("clients.web.retry_window", "0s").start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    let long = "k".repeat(256);
    let bad: [&[u8]; 6] = [
        b"",
        b"0123456789 abcdef",
        b"0123456789\tabcdef",
        long.as_bytes(),
        "ключ-ключ-ключ-ключ".as_bytes(),
        b"0123456789\xffabcdef",
    ];
    for key in bad {
        let call = client.refresh_call(tokens.refresh(), None);
        let response = call.header_bytes("idempotency-key", key).send();
        assert_eq!(response.status, 400, "{key:?}: {}", response.describe());
        response.is_problem(400, "invalid_request");
    }
    let next = client.refreshed(tokens.refresh(), Some(&"k".repeat(255)));
    assert_eq!(next.generation(), 2);
}

#[test]
fn an_expired_superseded_token_is_reported_as_expired() {
    let server = Setup::new()
        .set("clients.web.refresh_lifetime", "16s")
        .set("clients.web.retry_window", "0s")
        .start();
    let client = server.client();
    let (_, first) = client.new_session();
    let exp = aquaware_tests::Jws::read(first.refresh()).number("exp");
    until(exp - 8);
    let second = client.refreshed(first.refresh(), None);
    until(exp);
    client.refresh(first.refresh(), None).is_problem(401, "refresh_token_expired");
    client.me(&second.access).is(200);
    let third = client.refreshed(second.refresh(), None);
    assert_eq!(third.generation(), 3);
}

#[test]
fn a_key_applies_to_its_own_session_only() {
    let server = Setup::new().set("clients.web.retry_window", "0s").start();
    let client = server.client();
    let key = retry_key();
    let (_, one) = client.new_session();
    let (_, two) = client.new_session();
    let one_next = client.refreshed(one.refresh(), Some(&key));
    let two_next = client.refreshed(two.refresh(), Some(&key));
    assert_ne!(one_next.session, two_next.session);
    assert_eq!(client.refreshed(one.refresh(), Some(&key)).refresh, one_next.refresh);
    assert_eq!(client.refreshed(two.refresh(), Some(&key)).refresh, two_next.refresh);
}
