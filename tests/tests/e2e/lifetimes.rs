//! Lifetimes of a second or two: a token is invalid from the second of its expiry on.

use std::time::Duration;

use aquaware_tests::{Client, Jws, Setup, Tokens, has_begun, pause, until};
use serde_json::json;

/// Refreshes with a token that is valid until the second `exp`. On a busy machine that second may have
/// begun before the request is read; only then may the token be expired.
#[track_caller]
fn refreshed_before(client: &Client, refresh: &str, exp: u64) -> Option<Tokens> {
    let response = client.refresh(refresh, None);
    if response.status != 200 && has_begun(exp) {
        response.is_problem(401, "refresh_token_expired");
        return None;
    }
    Some(Tokens::of(&response))
}

#[test]
fn a_refresh_token_expires_exactly_at_its_second() {
    let server = Setup::new().set("clients.web.refresh_lifetime", "2s").start();
    let client = server.client();
    let (person, unused) = client.new_session();
    let used = client.log_in(&person);
    assert_eq!(unused.body["refresh_expires_in"], 2);
    let (one, other) = (Jws::read(unused.refresh()), Jws::read(used.refresh()));
    assert_eq!(one.number("exp"), one.number("iat") + 2);
    if let Some(next) = refreshed_before(&client, used.refresh(), other.number("exp")) {
        assert!(Jws::read(next.refresh()).number("exp") >= other.number("exp"));
    }
    until(one.number("exp"));
    client.refresh(unused.refresh(), None).is_problem(401, "refresh_token_expired");
}

#[test]
fn each_refresh_restarts_the_idle_lifetime() {
    let server = Setup::new().set("clients.web.refresh_lifetime", "4s").start();
    let client = server.client();
    let (_, mut tokens) = client.new_session();
    for _ in 0..3 {
        let token = Jws::read(tokens.refresh());
        assert_eq!(token.number("exp"), token.number("iat") + 4);
        let exp = token.number("exp");
        until(exp - 2);
        let Some(next) = refreshed_before(&client, tokens.refresh(), exp) else { return };
        tokens = next;
    }
}

#[test]
fn refreshes_never_extend_the_session_lifetime() {
    let server = Setup::new().set("clients.web.session_lifetime", "3s").start();
    let client = server.client();
    let (_, mut tokens) = client.new_session();
    let login = Jws::read(&tokens.access).number("auth_time");
    let end = Jws::read(tokens.refresh()).number("exp");
    assert!((login + 2..=login + 3).contains(&end), "{login} {end}");
    for second in login + 1..end {
        let Some(next) = refreshed_before(&client, tokens.refresh(), end) else { break };
        tokens = next;
        let exp = Jws::read(tokens.refresh()).number("exp");
        assert!(exp <= login + 3, "{exp}");
        let left = tokens.body["refresh_expires_in"].as_u64().unwrap();
        assert!(left <= 3, "{left}");
        until(second);
    }
    until(end);
    client.refresh(tokens.refresh(), None).is_problem(401, "refresh_token_expired");
}

#[test]
fn the_lifetime_of_a_device_token_starts_at_login_whatever_its_use() {
    let server = Setup::new().set("clients.device.refresh_lifetime", "2s").start();
    let client = server.client();
    let person = client.new_person();
    let device = client.log_in_as(&person, "device");
    let exp = Jws::read(device.refresh()).number("exp");
    let _ = refreshed_before(&client, device.refresh(), exp);
    until(exp - 1);
    let _ = refreshed_before(&client, device.refresh(), exp);
    until(exp);
    client.refresh(device.refresh(), None).is_problem(401, "refresh_token_expired");
}

#[test]
fn expired_access_tokens_are_rejected_everywhere() {
    let server = Setup::new().set("clients.web.access_lifetime", "1s").start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    assert_eq!(tokens.body["expires_in"], 1);
    until(Jws::read(&tokens.access).number("exp"));
    let change = json!({ "current_password": person.password, "new_password": "x y z 1 2 3" });
    let own = format!("/auth/sessions/{}", tokens.session);
    let calls = [
        client.get("/auth/me"),
        client.get("/auth/sessions"),
        client.call("DELETE", &own),
        client.post("/auth/logout-all"),
        client.post("/auth/password").json(&change),
    ];
    for call in calls {
        call.bearer(&tokens.access).send().is_invalid_token();
    }
    let _ = client.refreshed(tokens.refresh(), None);
}

#[test]
fn access_tokens_of_ended_sessions_are_rejected_everywhere() {
    let server = Setup::new().start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    client.log_out(tokens.refresh()).is(204);
    let change = json!({ "current_password": person.password, "new_password": "x y z 1 2 3" });
    let own = format!("/auth/sessions/{}", tokens.session);
    let calls = [
        client.get("/auth/me"),
        client.get("/auth/sessions"),
        client.call("DELETE", &own),
        client.post("/auth/logout-all"),
        client.post("/auth/password").json(&change),
    ];
    for call in calls {
        call.bearer(&tokens.access).send().is_invalid_token();
    }
    let _ = client.log_in(&person);
}

#[test]
fn expired_sessions_are_not_listed() {
    let server = Setup::new().set("clients.device.refresh_lifetime", "1s").start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    let device = client.log_in_as(&person, "device");
    until(Jws::read(device.refresh()).number("exp"));
    pause(Duration::from_millis(10));
    let listed = client.sessions(&tokens.access);
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["id"], tokens.session);
    let path = format!("/auth/sessions/{}", device.session);
    client.call("DELETE", &path).bearer(&tokens.access).send().is_problem(404, "not_found");
}
