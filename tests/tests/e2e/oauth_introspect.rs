//! Introspection (RFC 7662): which callers may use it, and the members of the response.

use aquaware_tests::{Client, ISSUER, Jws, Response, Tokens, until};
use serde_json::{Value, json};

use crate::oauth_support::{
    By, INTROSPECT, ROBOT, SHOP, THE_ROBOT, THE_SHOP, WEB, ask, granted, is_rejected, refreshed,
    robot_token, session_of, setup, shop_session, start,
};

#[track_caller]
fn about(client: &Client, by: By<'_>, token: &str) -> Value {
    let response = ask(client, INTROSPECT, by, &[("token", token)]).send().expect(200);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    response.json()
}

#[track_caller]
fn is_dead(client: &Client, token: &str) {
    for hint in ["access_token", "refresh_token", "poem"] {
        let fields = [("token", token), ("token_type_hint", hint)];
        let response = ask(client, INTROSPECT, THE_ROBOT, &fields).send().expect(200);
        assert_eq!(response.text(), r#"{"active":false}"#, "{}", response.describe());
    }
}

#[track_caller]
fn is_active(client: &Client, token: &str) {
    assert_eq!(about(client, THE_ROBOT, token)["active"], true);
}

#[test]
fn introspecting_an_access_token_returns_all_members() {
    let (_server, client) = start();
    let tokens = session_of(&client, "web", "feed read");
    let claims = Jws::read(&tokens.access).claims;
    for hint in ["access_token", "refresh_token", "poem", ""] {
        let fields = [("token", tokens.access.as_str()), ("token_type_hint", hint)];
        let response = ask(&client, INTROSPECT, THE_ROBOT, &fields).send().expect(200);
        let expected = json!({
            "active": true, "token_type": "Bearer", "scope": "feed read",
            "iss": ISSUER, "aud": ISSUER, "client_id": "web", "sub": claims["sub"],
            "exp": claims["exp"], "iat": claims["iat"], "jti": claims["jti"],
            "sid": tokens.session,
        });
        assert_eq!(response.json(), expected, "{hint}");
    }
}

#[test]
fn introspecting_a_refresh_token_returns_all_members() {
    let (_server, client) = start();
    let tokens = session_of(&client, "web", "feed");
    let claims = Jws::read(tokens.refresh()).claims;
    let expected = json!({
        "active": true, "token_type": "refresh_token", "scope": "feed",
        "iss": ISSUER, "aud": ISSUER, "client_id": "web", "sub": claims["sub"],
        "exp": claims["exp"], "iat": claims["iat"], "sid": tokens.session,
    });
    assert_eq!(about(&client, THE_ROBOT, tokens.refresh()), expected);
    // Without a scope there is no member for it, and introspection does not advance the session.
    let plain = session_of(&client, "web", "");
    assert_eq!(about(&client, THE_ROBOT, plain.refresh()).get("scope"), None);
    assert_eq!(about(&client, THE_ROBOT, &plain.access).get("scope"), None);
    assert_eq!(refreshed(&client, WEB, plain.refresh()).generation(), 2);
}

#[test]
fn introspecting_a_client_credentials_token_returns_no_session() {
    let (_server, client) = start();
    let token = granted(robot_token(&client, "feed")).text_of("access_token");
    let claims = Jws::read(&token).claims;
    let expected = json!({
        "active": true, "token_type": "Bearer", "scope": "feed", "iss": ISSUER,
        "aud": "https://tank.example", "client_id": "robot", "sub": "robot",
        "exp": claims["exp"], "iat": claims["iat"], "jti": claims["jti"],
    });
    assert_eq!(about(&client, THE_SHOP, &token), expected);
}

#[test]
fn several_audiences_are_returned_as_in_the_token() {
    let server = setup().set("clients.web.audience", "https://a.example,https://b.example").start();
    let client = server.client();
    let tokens = session_of(&client, "web", "");
    let found = about(&client, THE_ROBOT, &tokens.access);
    assert_eq!(found["aud"], json!(["https://a.example", "https://b.example"]));
}

#[test]
fn invalid_tokens_are_inactive_without_further_members() {
    let server = setup()
        .set("clients.device.access_lifetime", "1s")
        .set("clients.device.refresh_lifetime", "1s")
        .start();
    let client = server.client();
    let (_stranger_server, stranger) = start();
    let foreign = session_of(&stranger, "web", "feed");
    let expired = session_of(&client, "device", "");
    let ended = session_of(&client, "web", "feed");
    client.log_out(ended.refresh()).is(204);
    let first = session_of(&client, "web", "feed");
    let second = refreshed(&client, WEB, first.refresh());
    let revoked = shop_session(&client);
    ask(&client, "/oauth2/revoke", THE_SHOP, &[("token", revoked.refresh())]).send().is(200);
    until(Jws::read(expired.refresh()).number("exp"));
    until(Jws::read(&expired.access).number("exp"));
    let cut = &second.refresh()[..second.refresh().len() - 2];
    for token in [
        "garbage",
        "a.b.c",
        " ",
        cut,
        foreign.refresh(),
        &foreign.access,
        expired.refresh(),
        &expired.access,
        ended.refresh(),
        &ended.access,
        revoked.refresh(),
        &revoked.access,
        first.refresh(),
    ] {
        is_dead(&client, token);
    }
    // Within the retry window the superseded token still gets a response, but it is not live.
    is_active(&client, second.refresh());
    is_active(&client, &first.access);
    let _ = refreshed(&client, WEB, second.refresh());
}

#[test]
fn a_detected_theft_and_a_logout_everywhere_show_immediately() {
    let server = setup().set("clients.web.retry_window", "0s").start();
    let client = server.client();
    let first = session_of(&client, "web", "");
    let second = refreshed(&client, WEB, first.refresh());
    client.refresh(first.refresh(), None).is_problem(401, "refresh_token_reused");
    is_dead(&client, second.refresh());
    is_dead(&client, &second.access);

    let person = client.new_person();
    let tokens = client.log_in(&person);
    is_active(&client, &tokens.access);
    client.post("/auth/logout-all").bearer(&tokens.access).send().is(200);
    is_dead(&client, &tokens.access);
    is_dead(&client, tokens.refresh());
}

#[test]
fn confidential_clients_may_introspect_any_token() {
    let (_server, client) = start();
    let tokens = session_of(&client, "web", "");
    for by in [THE_SHOP, THE_ROBOT, By::Post("shop", SHOP), By::Post("robot", ROBOT)] {
        assert_eq!(about(&client, by, &tokens.access)["active"], true, "{by:?}");
    }
}

#[track_caller]
fn with_bearer(client: &Client, bearer: &str, token: &str) -> Response {
    ask(client, INTROSPECT, By::Anonymous, &[("token", token)]).bearer(bearer).send()
}

#[test]
fn a_bearer_with_the_scope_may_introspect() {
    let (_server, client) = start();
    let tokens = session_of(&client, "web", "");
    let robot = granted(robot_token(&client, "introspect")).text_of("access_token");
    let person = session_of(&client, "web", "introspect read");
    for bearer in [&robot, &person.access] {
        let response = with_bearer(&client, bearer, &tokens.access).expect(200);
        assert_eq!(response.member("active"), true);
        assert_eq!(with_bearer(&client, bearer, "garbage").text(), r#"{"active":false}"#);
    }
    client.log_out(person.refresh()).is(204);
    with_bearer(&client, &person.access, &tokens.access).is_invalid_token();
}

#[test]
fn a_bearer_without_the_scope_gets_its_name() {
    let (_server, client) = start();
    let tokens = session_of(&client, "web", "feed read");
    let robot = granted(robot_token(&client, "feed")).text_of("access_token");
    for bearer in [&tokens.access, &robot] {
        let response = with_bearer(&client, bearer, &tokens.access);
        response.is_problem(403, "insufficient_scope");
        let challenge =
            r#"Bearer realm="aquaware", error="insufficient_scope", scope="introspect""#;
        assert_eq!(response.header("www-authenticate"), Some(challenge));
    }
}

#[test]
fn an_invalid_bearer_token_is_rejected() {
    let (_server, client) = start();
    let tokens = session_of(&client, "web", "introspect");
    for bearer in ["garbage", "a b", tokens.refresh()] {
        with_bearer(&client, bearer, &tokens.access).is_invalid_token();
    }
    let fields = [("token", tokens.access.as_str()), ("access_token", tokens.access.as_str())];
    let call = ask(&client, INTROSPECT, By::Anonymous, &fields).bearer(&tokens.access);
    call.send().is_problem(400, "invalid_request");
    let path = format!("{INTROSPECT}?access_token={}", tokens.access);
    let call = ask(&client, &path, By::Anonymous, &[("token", "x")]).bearer(&tokens.access);
    call.send().is_problem(400, "invalid_request");
}

#[test]
fn other_callers_may_not_introspect() {
    let (_server, client) = start();
    let tokens: Tokens = session_of(&client, "web", "introspect");
    let access = tokens.access.as_str();
    for by in [
        By::Anonymous,
        WEB,
        By::ClientId("device"),
        By::ClientId("shop"),
        By::ClientId("nobody"),
        By::Basic("shop", "wrong"),
        By::Basic("web", "x"),
        By::Post("robot", SHOP),
    ] {
        is_rejected(&ask(&client, INTROSPECT, by, &[("token", access)]).send(), "invalid_client");
        // Not even to learn that the token is missing.
        is_rejected(&ask(&client, INTROSPECT, by, &[]).send(), "invalid_client");
    }
    // A token anywhere but in the header is ignored.
    let path = format!("{INTROSPECT}?access_token={access}");
    is_rejected(&ask(&client, &path, By::Anonymous, &[("token", access)]).send(), "invalid_client");
    let fields = [("token", access), ("access_token", access)];
    is_rejected(&ask(&client, INTROSPECT, By::Anonymous, &fields).send(), "invalid_client");
}
