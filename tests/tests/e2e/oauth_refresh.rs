//! `grant_type=refresh_token`: the rules of `/auth/refresh` at the OAuth route.

use std::time::Duration;

use aquaware_tests::{Client, Jws, Response, Server, Tokens, pause, retry_key, until};
use serde_json::json;

use crate::oauth_support::{
    APP, By, THE_ROBOT, THE_SHOP, WEB, granted, is_rejected, refresh, refresh_call, refreshed,
    session_of, setup, shop_session, start,
};

/// A server without a retry window.
fn strict() -> (Server, Client) {
    let server = setup()
        .set("clients.web.retry_window", "0s")
        .set("clients.shop.retry_window", "0s")
        .start();
    let client = server.client();
    (server, client)
}

#[track_caller]
fn keyed(client: &Client, by: By<'_>, token: &str, key: &str) -> Tokens {
    Tokens::of(&granted(refresh_call(client, by, token, "").key(Some(key)).send()))
}

#[test]
fn the_response_equals_that_of_the_first_party_route() {
    let (_server, client) = start();
    let tokens = session_of(&client, "web", "feed");
    let response = granted(refresh(&client, WEB, tokens.refresh()));
    let again = client.refresh(tokens.refresh(), None).expect(200);
    let members = |response: &Response| {
        let body = response.json();
        body.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    let mut shared = members(&response);
    shared.retain(|name| !["refresh_token_timeout", "authorization_expires_in"].contains(&&**name));
    assert_eq!(shared, members(&again));
    let next = Tokens::of(&response);
    assert_eq!(Tokens::of(&again).refresh, next.refresh);
    assert_eq!((next.session.as_str(), next.generation()), (tokens.session.as_str(), 2));
    assert_eq!(next.body["expires_in"], 300);
    assert_eq!(next.body["scope"], "feed");
    let claims = Jws::read(&next.access).claims;
    assert_eq!(claims["client_id"], "web");
    assert_eq!(claims["auth_time"], Jws::read(&tokens.access).claims["auth_time"]);
    client.me(&next.access).is(200);
}

/// draft-ietf-oauth-refresh-token-expiration-03.
#[test]
fn the_lifetimes_of_the_refresh_token_and_of_the_session_are_told() {
    let setup = setup().set("clients.web.refresh_lifetime", "30d");
    let server = setup.set("clients.web.session_lifetime", "40d").start();
    let client = server.client();
    let tokens = session_of(&client, "web", "");
    let body = granted(refresh(&client, WEB, tokens.refresh())).json();
    assert_eq!(body["refresh_token_timeout"], body["refresh_expires_in"]);
    assert!(
        (30 * 86_400 - 60..=30 * 86_400).contains(&body["refresh_token_timeout"].as_u64().unwrap())
    );
    let ends_in = body["authorization_expires_in"].as_u64().unwrap();
    assert!((40 * 86_400 - 60..=40 * 86_400).contains(&ends_in), "{ends_in}");
}

#[test]
fn the_same_key_gets_the_same_token_at_any_time() {
    let (_server, client) = strict();
    for (by, first) in [(WEB, session_of(&client, "web", "")), (THE_SHOP, shop_session(&client))] {
        let key = retry_key();
        let second = keyed(&client, by, first.refresh(), &key);
        pause(Duration::from_millis(20));
        let again = keyed(&client, by, first.refresh(), &key);
        assert_eq!(again.refresh, second.refresh);
        assert_ne!(again.access, second.access);
        assert_eq!(refreshed(&client, by, second.refresh()).generation(), 3);
    }
}

#[test]
fn another_key_after_the_window_ends_the_session() {
    let (_server, client) = strict();
    let first = session_of(&client, "web", "");
    let second = keyed(&client, WEB, first.refresh(), &retry_key());
    let call = refresh_call(&client, WEB, first.refresh(), "").key(Some(&retry_key()));
    is_rejected(&call.send(), "invalid_grant");
    is_rejected(&refresh(&client, WEB, second.refresh()), "invalid_grant");
    client.me(&second.access).is_invalid_token();
}

/// FAPI 2.0 Security Profile §5.3.2.1 no. 10.
#[test]
fn an_authenticated_client_may_retry_until_the_successor_is_used() {
    let (_server, client) = strict();
    let first = shop_session(&client);
    let second = keyed(&client, THE_SHOP, first.refresh(), &retry_key());
    for key in [Some(retry_key()), None] {
        let call = refresh_call(&client, THE_SHOP, first.refresh(), "").key(key.as_deref());
        let again = Tokens::of(&granted(call.send()));
        assert_eq!(again.refresh, second.refresh);
    }
    let third = refreshed(&client, THE_SHOP, second.refresh());
    is_rejected(&refresh(&client, THE_SHOP, first.refresh()), "invalid_grant");
    is_rejected(&refresh(&client, THE_SHOP, third.refresh()), "invalid_grant");
}

#[test]
fn within_the_window_every_caller_gets_the_same_token() {
    let (_server, client) = start();
    let first = session_of(&client, "web", "");
    let second = keyed(&client, WEB, first.refresh(), &retry_key());
    let again = keyed(&client, WEB, first.refresh(), &retry_key());
    assert_eq!(again.refresh, second.refresh);
    assert_eq!(refreshed(&client, WEB, first.refresh()).refresh, second.refresh);
    assert_eq!(client.refreshed(first.refresh(), None).refresh, second.refresh);
}

#[test]
fn invalid_idempotency_keys_are_rejected_without_side_effects() {
    let (_server, client) = strict();
    let tokens = session_of(&client, "web", "");
    let long = "k".repeat(256);
    for key in ["", "a b", "ä", &long] {
        let call = refresh_call(&client, WEB, tokens.refresh(), "").header("idempotency-key", key);
        is_rejected(&call.send(), "invalid_request");
    }
    let call = refresh_call(&client, WEB, tokens.refresh(), "");
    let twice = call.key(Some(&retry_key())).key(Some(&retry_key())).send();
    is_rejected(&twice, "invalid_request");
    assert_eq!(refreshed(&client, WEB, tokens.refresh()).generation(), 2);
}

#[test]
fn both_routes_can_refresh_the_same_session_alternately() {
    let (_server, client) = strict();
    let mut tokens = session_of(&client, "web", "");
    for turn in 0..6 {
        let key = retry_key();
        let there = |token: &str| keyed(&client, WEB, token, &key);
        let here = |token: &str| client.refreshed(token, Some(&key));
        let next = if turn % 2 == 0 { there(tokens.refresh()) } else { here(tokens.refresh()) };
        // A lost response may be retried at the other route.
        let again = if turn % 2 == 0 { here(tokens.refresh()) } else { there(tokens.refresh()) };
        assert_eq!(again.refresh, next.refresh);
        tokens = next;
    }
    assert_eq!(tokens.generation(), 7);
    assert_eq!(client.sessions(&tokens.access).len(), 1);
}

#[test]
fn a_theft_is_detected_through_the_other_route() {
    let (_server, client) = strict();
    let first = session_of(&client, "web", "");
    let second = refreshed(&client, WEB, first.refresh());
    client.refresh(first.refresh(), None).is_problem(401, "refresh_token_reused");
    is_rejected(&refresh(&client, WEB, second.refresh()), "invalid_grant");

    let first = session_of(&client, "web", "");
    let second = client.refreshed(first.refresh(), None);
    is_rejected(&refresh(&client, WEB, first.refresh()), "invalid_grant");
    client.refresh(second.refresh(), None).is_problem(401, "session_revoked");
}

#[test]
fn a_token_works_only_for_its_own_client() {
    let (_server, client) = strict();
    let web = session_of(&client, "web", "");
    let shop = shop_session(&client);
    for by in [APP, By::ClientId("device"), THE_SHOP, THE_ROBOT] {
        is_rejected(&refresh(&client, by, web.refresh()), "invalid_grant");
    }
    for by in [WEB, APP, By::ClientId("device"), THE_ROBOT] {
        is_rejected(&refresh(&client, by, shop.refresh()), "invalid_grant");
    }
    assert_eq!(refreshed(&client, WEB, web.refresh()).generation(), 2);
    assert_eq!(refreshed(&client, THE_SHOP, shop.refresh()).generation(), 2);
}

#[test]
fn attempts_of_another_client_do_not_count_for_the_owner() {
    let server = setup().set("limits.refresh_per_session", "2/1h").start();
    let client = server.client();
    let mut tokens = session_of(&client, "web", "");
    // A device's token counts every time it is presented, other tokens once.
    let device = session_of(&client, "device", "");
    for _ in 0..6 {
        for token in [tokens.refresh(), device.refresh()] {
            is_rejected(&refresh(&client, APP, token), "invalid_grant");
            is_rejected(&refresh(&client, By::ClientId("nobody"), token), "invalid_client");
        }
    }
    let by = By::ClientId("device");
    let _ = refreshed(&client, by, device.refresh());
    let _ = client.refreshed(device.refresh(), None);
    refresh(&client, by, device.refresh()).is_problem(429, "rate_limited");
    tokens = refreshed(&client, WEB, tokens.refresh());
    tokens = client.refreshed(tokens.refresh(), None);
    // Both routes share one limit, and rejected requests are not counted.
    let limited = refresh(&client, WEB, tokens.refresh());
    limited.is_problem(429, "rate_limited");
    client.refresh(tokens.refresh(), None).is_problem(429, "rate_limited");
    let server = server.stop().start();
    assert_eq!(refreshed(&server.client(), WEB, tokens.refresh()).generation(), 4);
}

#[test]
fn all_invalid_tokens_get_the_same_body() {
    let server = setup()
        .set("clients.web.retry_window", "0s")
        .set("clients.app.refresh_lifetime", "1s")
        .start();
    let client = server.client();
    let short = session_of(&client, "app", "");
    let other = session_of(&client, "device", "");
    let superseded = session_of(&client, "web", "");
    let live = refreshed(&client, WEB, superseded.refresh());
    let logged_out = session_of(&client, "web", "");
    client.log_out(logged_out.refresh()).is(204);
    let cut = &live.refresh()[..live.refresh().len() - 2];
    let (_other_server, stranger) = start();
    let foreign = session_of(&stranger, "web", "");
    until(Jws::read(short.refresh()).number("exp"));
    let responses = [
        refresh(&client, WEB, "garbage"),
        refresh(&client, WEB, cut),
        refresh(&client, WEB, &live.access),
        refresh(&client, WEB, foreign.refresh()),
        refresh(&client, WEB, other.refresh()),
        refresh(&client, WEB, logged_out.refresh()),
        refresh(&client, APP, short.refresh()),
        refresh(&client, WEB, superseded.refresh()),
        refresh(&client, WEB, live.refresh()),
        refresh_call(&client, WEB, live.refresh(), "a.wide scope").send(),
    ];
    for response in &responses {
        is_rejected(response, "invalid_grant");
        assert_eq!(response.body, responses[0].body, "{}", response.describe());
        assert_eq!(response.header("www-authenticate"), None);
    }
}

#[test]
fn a_narrower_scope_applies_to_the_access_token_only() {
    let (_server, client) = start();
    let mut tokens = session_of(&client, "web", "feed read");
    for (asked, given) in [("feed", "feed"), ("", "feed read"), ("read feed", "feed read")] {
        let response = granted(refresh_call(&client, WEB, tokens.refresh(), asked).send());
        assert_eq!(response.member("scope"), given);
        tokens = Tokens::of(&response);
        assert_eq!(Jws::read(&tokens.access).claims["scope"], given);
    }
    let narrow = Tokens::of(&granted(refresh_call(&client, WEB, tokens.refresh(), "feed").send()));
    // The other route never narrows the scope.
    assert_eq!(client.refreshed(narrow.refresh(), None).body["scope"], "feed read");
}

#[test]
fn a_wider_scope_is_rejected_without_side_effects() {
    let (_server, client) = strict();
    let tokens = session_of(&client, "web", "feed");
    // A scope that the client could request at a login was not granted to this session.
    for scope in ["read", "feed read", "admin", "fe\"ed", "fe\u{e9}d", "feed\tread"] {
        let response = refresh_call(&client, WEB, tokens.refresh(), scope).send();
        is_rejected(&response, "invalid_scope");
    }
    assert_eq!(refreshed(&client, WEB, tokens.refresh()).generation(), 2);
}

#[test]
fn the_token_of_a_cookie_client_cannot_be_used_at_the_oauth_route() {
    let (_server, client) = start();
    let person = client.new_person();
    let body = json!({
        "email": person.email, "password": person.password, "client_id": "browser",
    });
    let login = client.post("/auth/login").json(&body).send().expect(200);
    let header = login.header("set-cookie").expect("a cookie");
    let token = header.split(['=', ';']).nth(1).expect("a value").to_owned();
    let by = By::ClientId("browser");
    is_rejected(&refresh(&client, by, &token), "unauthorized_client");
    // For every other client it is a token of another client.
    is_rejected(&refresh(&client, WEB, &token), "invalid_grant");
    let cookie = format!("__Host-aquaware-refresh={token}");
    // The cookie is ignored here, whichever page sends it.
    let call = refresh_call(&client, by, "", "").header("cookie", &cookie);
    is_rejected(&call.send(), "invalid_request");
    let call = client.post("/auth/refresh").header("cookie", &cookie);
    call.header("origin", aquaware_tests::ISSUER).send().is(200);
}

#[test]
fn a_device_keeps_its_token_at_the_oauth_route_too() {
    let (_server, client) = start();
    let device = session_of(&client, "device", "");
    for _ in 0..2 {
        let tokens = refreshed(&client, By::ClientId("device"), device.refresh());
        assert_eq!(tokens.refresh, None);
        assert_eq!(tokens.body.get("refresh_expires_in"), None);
        client.me(&tokens.access).is(200);
    }
}

#[test]
fn a_client_without_the_grant_cannot_refresh_at_either_route() {
    // Issued before the client lost the grant.
    let server = setup().set("clients.poor.grants", "login,refresh_token").start();
    let client = server.client();
    let tokens = session_of(&client, "poor", "");
    let taken = server.stop();
    let server = taken.setup().set("clients.poor.grants", "login").start();
    let client = server.client();
    is_rejected(&refresh(&client, By::ClientId("poor"), tokens.refresh()), "unauthorized_client");
    client.refresh(tokens.refresh(), None).is_problem(403, "client_not_allowed");
    // For every other client it is a token of another client.
    is_rejected(&refresh(&client, WEB, tokens.refresh()), "invalid_grant");
    let without = session_of(&client, "poor", "");
    assert_eq!(without.refresh, None);
}

#[test]
fn confidential_clients_are_rejected_by_the_first_party_routes() {
    let (_server, client) = strict();
    let shop = shop_session(&client);
    client.refresh(shop.refresh(), None).is_problem(403, "client_not_allowed");
    let person = client.new_person();
    for id in ["shop", "robot"] {
        let body = json!({ "email": person.email, "password": person.password, "client_id": id });
        let response = client.post("/auth/login").json(&body).send();
        response.is_problem(403, "client_not_allowed");
    }
    assert_eq!(refreshed(&client, THE_SHOP, shop.refresh()).generation(), 2);
    // Its access tokens are valid here, and so is the logout.
    client.me(&shop.access).is(200);
    client.post("/auth/logout").bearer(&shop.access).send().is(204);
    client.me(&shop.access).is_invalid_token();
}

#[test]
fn concurrent_callers_get_the_same_token() {
    let (_server, client) = start();
    let first = shop_session(&client);
    let responses: Vec<Tokens> = std::thread::scope(|scope| {
        let call = || refreshed(&client, THE_SHOP, first.refresh());
        let callers: Vec<_> = (0..16).map(|_| scope.spawn(call)).collect();
        callers.into_iter().map(|it| it.join().expect("an response")).collect()
    });
    assert!(responses.iter().all(|tokens| tokens.refresh == responses[0].refresh));
    assert_eq!(responses[0].generation(), 2);
}
