//! Revocation (RFC 7009): what ends, which clients may end it, and what is not revealed.

use aquaware_tests::{Client, Jws, Response, Tokens, until};

use crate::oauth_support::{
    APP, By, REVOKE, THE_ROBOT, THE_SHOP, WEB, ask, granted, is_rejected, refresh, refreshed,
    robot_token, session_of, setup, shop_session, start,
};

#[track_caller]
fn revoke(client: &Client, by: By<'_>, token: &str) -> Response {
    ask(client, REVOKE, by, &[("token", token)]).send()
}

#[track_caller]
fn is_done(response: &Response) {
    response.is(200);
    assert_eq!(response.text(), "", "{}", response.describe());
    assert_eq!(response.header("cache-control"), Some("no-store"), "{}", response.describe());
}

#[track_caller]
fn is_over(client: &Client, by: By<'_>, tokens: &Tokens) {
    client.me(&tokens.access).is_invalid_token();
    is_rejected(&refresh(client, by, tokens.refresh()), "invalid_grant");
}

#[track_caller]
fn is_alive(client: &Client, by: By<'_>, tokens: &Tokens) {
    client.me(&tokens.access).is(200);
    let _ = refreshed(client, by, tokens.refresh());
}

#[test]
fn either_token_ends_the_session_immediately_whatever_the_hint() {
    let (_server, client) = start();
    for hint in ["refresh_token", "access_token", "poem", "\"", ""] {
        for refresh in [true, false] {
            for by in [WEB, By::Anonymous] {
                let tokens = session_of(&client, "web", "");
                let token = if refresh { tokens.refresh() } else { &tokens.access };
                let fields = [("token", token), ("token_type_hint", hint)];
                is_done(&ask(&client, REVOKE, by, &fields).send());
                is_over(&client, WEB, &tokens);
                client.refresh(tokens.refresh(), None).is_problem(401, "session_revoked");
                // Repeating it succeeds too.
                is_done(&ask(&client, REVOKE, by, &fields).send());
            }
        }
    }
}

#[test]
fn only_the_session_of_the_token_ends() {
    let (_server, client) = start();
    let person = client.new_person();
    let (one, other) = (client.log_in(&person), client.log_in(&person));
    is_done(&revoke(&client, WEB, one.refresh()));
    is_over(&client, WEB, &one);
    is_alive(&client, WEB, &other);
}

#[test]
fn a_superseded_token_ends_its_session_too() {
    let (_server, client) = start();
    let first = session_of(&client, "web", "");
    let second = refreshed(&client, WEB, first.refresh());
    is_done(&revoke(&client, WEB, first.refresh()));
    is_over(&client, WEB, &second);
}

#[test]
fn unknown_and_invalid_tokens_count_as_revoked() {
    let server = setup()
        .set("clients.web.refresh_lifetime", "1s")
        .set("clients.web.access_lifetime", "1s")
        .start();
    let client = server.client();
    let (_stranger_server, stranger) = start();
    let foreign = session_of(&stranger, "web", "");
    let expired = session_of(&client, "web", "");
    until(Jws::read(expired.refresh()).number("exp"));
    until(Jws::read(&expired.access).number("exp"));
    let live = session_of(&client, "device", "");
    let cut = &live.refresh()[..live.refresh().len() - 2];
    let tokens = [
        "garbage",
        "a.b.c",
        " ",
        cut,
        foreign.refresh(),
        &foreign.access,
        expired.refresh(),
        &expired.access,
    ];
    for by in [WEB, By::Anonymous, THE_SHOP] {
        for token in tokens {
            let response = revoke(&client, by, token);
            // An expired token still identifies its client.
            if token == expired.refresh() && matches!(by, By::Basic(..)) {
                is_rejected(&response, "invalid_grant");
            } else {
                is_done(&response);
            }
        }
    }
    is_alive_device(&client, &live);
}

#[track_caller]
fn is_alive_device(client: &Client, tokens: &Tokens) {
    client.me(&tokens.access).is(200);
    let _ = refreshed(client, By::ClientId("device"), tokens.refresh());
}

#[test]
fn tokens_of_another_client_are_rejected_without_effect() {
    let (_server, client) = start();
    let web = session_of(&client, "web", "");
    let shop = shop_session(&client);
    for token in [web.refresh(), &web.access] {
        for by in [APP, THE_SHOP, THE_ROBOT] {
            is_rejected(&revoke(&client, by, token), "invalid_grant");
        }
    }
    for token in [shop.refresh(), &shop.access] {
        for by in [WEB, APP, THE_ROBOT] {
            is_rejected(&revoke(&client, by, token), "invalid_grant");
        }
    }
    is_alive(&client, WEB, &web);
    is_alive(&client, THE_SHOP, &shop);
}

#[test]
fn tokens_of_a_confidential_client_require_its_authentication() {
    let (_server, client) = start();
    let shop = shop_session(&client);
    for token in [shop.refresh(), &shop.access] {
        for by in [By::Anonymous, By::ClientId("shop"), By::Basic("shop", "wrong")] {
            is_rejected(&revoke(&client, by, token), "invalid_client");
        }
    }
    client.me(&shop.access).is(200);
    is_done(&revoke(&client, THE_SHOP, &shop.access));
    is_over(&client, THE_SHOP, &shop);
}

#[test]
fn unauthenticated_clients_revoke_nothing() {
    let (_server, client) = start();
    let web = session_of(&client, "web", "");
    for by in [By::ClientId("nobody"), By::Basic("web", "x"), By::Post("web", "x")] {
        is_rejected(&revoke(&client, by, web.refresh()), "invalid_client");
    }
    is_alive(&client, WEB, &web);
}

/// It has no session that could end, and stays valid for its few minutes.
#[test]
fn revoking_a_client_credentials_token_succeeds_without_effect() {
    let (_server, client) = start();
    let token = granted(robot_token(&client, "feed")).text_of("access_token");
    is_done(&revoke(&client, THE_ROBOT, &token));
    is_rejected(&revoke(&client, THE_SHOP, &token), "invalid_grant");
    is_rejected(&revoke(&client, By::Anonymous, &token), "invalid_client");
    let _ = granted(robot_token(&client, "feed"));
}
