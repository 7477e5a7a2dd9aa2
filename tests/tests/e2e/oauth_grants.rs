//! `client_credentials` and `password`: which clients may use them, and their tokens.

use aquaware_tests::{ISSUER, Jws, Outcome, Person, Response, Tokens, pause};

use crate::oauth_support::{
    APP, By, INTROSPECT, THE_ROBOT, THE_SHOP, TOKEN, WEB, ask, granted, is_rejected, refreshed,
    robot_token, send_password, setup, start,
};

#[test]
fn client_credentials_tokens_name_the_client_and_have_no_session() {
    let (_server, client) = start();
    let response = granted(robot_token(&client, "feed"));
    let body = response.json();
    let members: Vec<_> = body.as_object().unwrap().keys().collect();
    assert_eq!(members, ["access_token", "expires_in", "scope", "token_type"]);
    assert_eq!((&body["expires_in"], &body["scope"]), (&300.into(), &"feed".into()));
    let token = Jws::read(&response.text_of("access_token"));
    assert_eq!(token.header["typ"], "at+jwt");
    let names = ["aud", "client_id", "exp", "iat", "iss", "jti", "scope", "sub"];
    assert_eq!(token.claim_names(), names);
    assert_eq!(token.claims["sub"], "robot");
    assert_eq!(token.claims["client_id"], "robot");
    assert_eq!(token.claims["iss"], ISSUER);
    assert_eq!(token.claims["aud"], "https://tank.example");
    assert_eq!(token.claims["scope"], "feed");
    let again = Jws::read(&granted(robot_token(&client, "feed")).text_of("access_token"));
    assert_ne!(again.claims["jti"], token.claims["jti"]);
    // Without a requested scope there is none.
    let plain = granted(robot_token(&client, ""));
    assert_eq!(plain.json().get("scope"), None);
    assert!(!Jws::read(&plain.text_of("access_token")).claim_names().contains(&"scope"));
}

#[test]
fn client_credentials_tokens_are_rejected_by_the_first_party_routes() {
    let (_server, client) = start();
    let token = robot_token(&client, "feed").text_of("access_token");
    client.me(&token).is_invalid_token();
    for (method, path) in
        [("GET", "/auth/sessions"), ("POST", "/auth/logout-all"), ("POST", "/auth/logout")]
    {
        client.call(method, path).bearer(&token).send().is_invalid_token();
    }
}

#[test]
fn client_credentials_require_the_grant() {
    let (_server, client) = start();
    for by in [WEB, APP, By::ClientId("device"), THE_SHOP] {
        let response = ask(&client, TOKEN, by, &[("grant_type", "client_credentials")]).send();
        is_rejected(&response, "unauthorized_client");
    }
    for scope in ["read", "feed read", "admin", "fe\"ed"] {
        is_rejected(&robot_token(&client, scope), "invalid_scope");
    }
    // The client has no other grant, and the error says so.
    let person = client.new_person();
    let response = send_password(&client, THE_ROBOT, &person, &person.password, "");
    is_rejected(&response, "unauthorized_client");
}

#[test]
fn the_password_grant_opens_a_session() {
    let (_server, client) = start();
    let person = client.new_person();
    for (by, id) in [(APP, "app"), (THE_SHOP, "shop")] {
        let response = send_password(&client, by, &person, &person.password, "feed");
        let tokens = Tokens::of(&granted(response));
        assert_eq!(tokens.body["scope"], "feed");
        assert_eq!(Jws::read(&tokens.access).claims["client_id"], id);
        let sessions = client.sessions(&tokens.access);
        assert!(sessions.iter().any(|it| it["client_id"] == id && it["id"] == tokens.session));
        assert_eq!(refreshed(&client, by, tokens.refresh()).generation(), 2);
    }
    for by in [WEB, By::ClientId("device"), By::ClientId("poor")] {
        let response = send_password(&client, by, &person, &person.password, "");
        is_rejected(&response, "unauthorized_client");
    }
    let response = send_password(&client, APP, &person, &person.password, "introspect");
    is_rejected(&response, "invalid_scope");
}

#[test]
fn wrong_passwords_unknown_users_and_disabled_accounts_get_the_same_error() {
    let (server, client) = start();
    let (person, disabled) = (client.new_person(), client.new_person());
    let stopped = server.stop();
    let run = stopped.setup().run(&["accounts", "disable", &disabled.email]);
    assert_eq!(run.outcome, Outcome::Exit(0), "{run:?}");
    let server = stopped.start();
    let client = server.client();
    let nobody = Person::new();
    let no_address = Person { email: "no\0address".to_owned(), password: String::new() };
    let responses = [
        send_password(&client, APP, &person, "quartz wrong", ""),
        send_password(&client, APP, &nobody, "quartz wrong", ""),
        send_password(&client, APP, &no_address, "quartz wrong", ""),
        send_password(&client, APP, &disabled, &disabled.password, ""),
        send_password(&client, THE_SHOP, &person, "quartz wrong", ""),
    ];
    for response in &responses {
        is_rejected(response, "invalid_grant");
        assert_eq!(response.body, responses[0].body);
    }
}

#[track_caller]
fn is_limited(response: &Response, code: &str) {
    response.is_problem(429, code);
}

#[test]
fn failed_password_grants_count_towards_the_account_lock() {
    let server = setup().set("limits.failed_logins_per_account", "4/15m").start();
    let client = server.client();
    let person = client.new_person();
    for by in [APP, THE_SHOP] {
        is_rejected(&send_password(&client, by, &person, "quartz wrong", ""), "invalid_grant");
        client.try_log_in(&person.email, "quartz wrong").is_problem(401, "invalid_credentials");
    }
    is_limited(&send_password(&client, APP, &person, &person.password, ""), "account_locked");
    is_limited(&client.try_log_in(&person.email, &person.password), "account_locked");

    // A successful login clears the count at either route.
    let other = client.new_person();
    for _ in 0..3 {
        for _ in 0..3 {
            let wrong = client.try_log_in(&other.email, "quartz wrong");
            wrong.is_problem(401, "invalid_credentials");
        }
        let _ = granted(send_password(&client, APP, &other, &other.password, ""));
    }
}

#[test]
fn password_grants_count_towards_the_limit_per_address() {
    let server = setup().set("limits.login_per_address", "4/1h").start();
    let client = server.client();
    let person = client.new_person();
    let first = Tokens::of(&granted(send_password(&client, APP, &person, &person.password, "")));
    is_rejected(&send_password(&client, APP, &person, "quartz wrong", ""), "invalid_grant");
    let _ = client.log_in(&person);
    let _ = granted(send_password(&client, THE_SHOP, &person, &person.password, ""));
    is_limited(&send_password(&client, APP, &person, &person.password, ""), "rate_limited");
    is_limited(&client.try_log_in(&person.email, &person.password), "rate_limited");
    // Requests without a password are not limited.
    let _ = refreshed(&client, APP, first.refresh());
    let _ = granted(robot_token(&client, ""));
}

#[test]
fn client_credentials_tokens_expire() {
    let server = setup().set("clients.robot.access_lifetime", "10s").start();
    let client = server.client();
    let token = granted(robot_token(&client, "feed")).text_of("access_token");
    let active = || {
        let response = ask(&client, INTROSPECT, THE_SHOP, &[("token", &token)]).send().expect(200);
        response.member("active")
    };
    assert_eq!(active(), true);
    aquaware_tests::until(Jws::read(&token).number("exp"));
    pause(std::time::Duration::from_millis(10));
    assert_eq!(active(), false);
}
