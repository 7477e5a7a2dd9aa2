//! The form of requests to `/oauth2/*`: methods, types, sizes, parameters.

use aquaware_tests::Tokens;

use crate::oauth_support::{
    APP, By, INTROSPECT, REVOKE, ROBOT, THE_ROBOT, THE_SHOP, TOKEN, WEB, ask, granted, is_rejected,
    refresh_call, refreshed, robot_token, send_password, session_of, shop_session, start,
};

const PATHS: [&str; 3] = [TOKEN, REVOKE, INTROSPECT];
const FORM: &str = "application/x-www-form-urlencoded";

#[test]
fn only_post_is_accepted() {
    let (_server, client) = start();
    for path in PATHS {
        for path in [path.to_owned(), format!("{path}/")] {
            for method in ["GET", "PUT", "DELETE", "PATCH"] {
                let response = client.call(method, &path).send();
                response.is_problem(405, "method_not_allowed");
                let allow = response.header("allow").unwrap_or_default();
                assert_eq!(allow, "OPTIONS, POST", "{method} {path}");
            }
        }
    }
    client.get("/oauth2").send().is_problem(404, "not_found");
    client.post("/oauth2/authorize").send().is_problem(404, "not_found");
}

#[test]
fn a_trailing_slash_makes_no_difference() {
    let (_server, client) = start();
    let fields = [("grant_type", "client_credentials")];
    let response = ask(&client, "/oauth2/token/", THE_ROBOT, &fields).send();
    let _ = granted(response);
}

#[test]
fn other_content_types_are_415_and_oversized_forms_are_413() {
    let (_server, client) = start();
    for path in PATHS {
        for (kind, body) in [
            ("application/json", r#"{"grant_type":"refresh_token","token":"x"}"#),
            ("multipart/form-data; boundary=x", "--x--\r\n"),
            ("text/plain", "grant_type=refresh_token&token=x"),
            ("application/x-www-form-urlencoded; charset=latin1", "token=x"),
        ] {
            let response = client.post(path).body(kind, body.as_bytes()).send();
            assert_eq!(response.status, 415, "{path} {kind}: {}", response.describe());
            response.is_problem(415, "unsupported_media_type");
        }
        client.post(path).bytes(b"token=x").send().is_problem(415, "unsupported_media_type");
        let long = format!("token={}", "x".repeat(16 * 1024));
        let response = client.post(path).body(FORM, long.as_bytes()).send();
        response.is_problem(413, "payload_too_large");
    }
}

#[test]
fn a_charset_is_accepted() {
    let (_server, client) = start();
    let tokens = session_of(&client, "web", "");
    let body = format!("grant_type=refresh_token&client_id=web&refresh_token={}", tokens.refresh());
    let kind = "application/x-www-form-urlencoded; charset=UTF-8";
    let _ = granted(client.post(TOKEN).body(kind, body.as_bytes()).send());
}

#[test]
fn the_grant_type_is_required_and_must_be_supported() {
    let (_server, client) = start();
    is_rejected(&client.post(TOKEN).send(), "invalid_request");
    for by in [WEB, THE_ROBOT, THE_SHOP, By::Anonymous] {
        is_rejected(&ask(&client, TOKEN, by, &[]).send(), "invalid_request");
        is_rejected(&ask(&client, TOKEN, by, &[("grant_type", "")]).send(), "invalid_request");
    }
    for grant in [
        "authorization_code",
        "login",
        "Refresh_Token",
        "refresh_token ",
        "urn:ietf:params:oauth:grant-type:device_code",
        "\"\\\u{e9}",
    ] {
        let fields = [("grant_type", grant), ("refresh_token", "x")];
        for by in [WEB, THE_ROBOT] {
            is_rejected(&ask(&client, TOKEN, by, &fields).send(), "unsupported_grant_type");
        }
    }
}

#[test]
fn missing_parameters_of_a_grant_are_named() {
    let (_server, client) = start();
    for (by, fields, named) in [
        (WEB, &[("grant_type", "refresh_token")][..], "refresh_token"),
        (WEB, &[("grant_type", "refresh_token"), ("refresh_token", "")], "refresh_token"),
        (APP, &[("grant_type", "password"), ("password", "x")], "username"),
        (APP, &[("grant_type", "password"), ("username", "x")], "password"),
    ] {
        let response = ask(&client, TOKEN, by, fields).send();
        is_rejected(&response, "invalid_request");
        assert!(response.text_of("error_description").contains(named), "{}", response.describe());
    }
    for path in [REVOKE, INTROSPECT] {
        for fields in [&[][..], &[("token", "")]] {
            is_rejected(&ask(&client, path, THE_SHOP, fields).send(), "invalid_request");
        }
    }
}

#[test]
fn duplicate_parameters_are_rejected_without_side_effects() {
    let (_server, client) = start();
    let tokens = session_of(&client, "web", "");
    let token = tokens.refresh();
    let whole = format!("grant_type=refresh_token&client_id=web&refresh_token={token}");
    for twice in [
        "grant_type=refresh_token",
        "client_id=web",
        "refresh_token=",
        "scope=feed&scope=feed",
        "x=1&x=2",
        "x=&x=",
        "%22%5c%0a=1&%22%5c%0a=1",
    ] {
        let body = format!("{whole}&{twice}");
        is_rejected(&client.post(TOKEN).body(FORM, body.as_bytes()).send(), "invalid_request");
    }
    for path in [REVOKE, INTROSPECT] {
        for body in [format!("token={token}&token={token}"), format!("token={token}&x=1&x=1")] {
            let call = client.post(path).body(FORM, body.as_bytes());
            is_rejected(&call.send(), "invalid_request");
        }
    }
    assert_eq!(refreshed(&client, WEB, token).generation(), 2);
}

#[test]
fn malformed_forms_are_rejected_with_a_plain_ascii_description() {
    let (_server, client) = start();
    for body in [
        &b"grant_type=%zz"[..],
        b"grant_type=%ff",
        b"grant_type=\xff",
        b"%22%5c=%ff",
        b"%=1",
        "\u{e9}=%ff".as_bytes(),
    ] {
        for path in PATHS {
            is_rejected(&client.post(path).body(FORM, body).send(), "invalid_request");
        }
    }
}

#[test]
fn unknown_parameters_are_ignored_and_empty_ones_omitted() {
    let (_server, client) = start();
    let tokens = session_of(&client, "web", "feed read");
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens.refresh()),
        ("scope", ""),
        ("client_secret", ""),
        ("audience", "https://tank.example"),
        ("username", "x"),
        ("\u{e9}\"", "\\"),
    ];
    let response = granted(ask(&client, TOKEN, WEB, &fields).send());
    assert_eq!(response.member("scope"), "feed read");
    let next = Tokens::of(&response);
    let fields = [("token", next.refresh()), ("token_type_hint", ""), ("x", "y"), ("scope", "?")];
    let response = ask(&client, INTROSPECT, THE_SHOP, &fields).send().expect(200);
    assert_eq!(response.member("active"), true);
    ask(&client, REVOKE, WEB, &fields).send().is(200);
}

/// RFC 6749 §5.1; `granted` checks the headers.
#[test]
fn no_successful_response_is_cached() {
    let (_server, client) = start();
    let person = client.new_person();
    let tokens = session_of(&client, "web", "");
    let device = session_of(&client, "device", "");
    let _ = granted(refresh_call(&client, WEB, tokens.refresh(), "").send());
    let _ = granted(refresh_call(&client, WEB, tokens.refresh(), "").send());
    let _ = granted(refresh_call(&client, By::ClientId("device"), device.refresh(), "").send());
    let _ = granted(send_password(&client, APP, &person, &person.password, ""));
    let _ = granted(robot_token(&client, "feed"));
    let shop = shop_session(&client);
    for token in [shop.refresh(), "garbage"] {
        let response = ask(&client, INTROSPECT, THE_SHOP, &[("token", token)]).send().expect(200);
        assert_eq!(response.header("cache-control"), Some("no-store"));
        let response = ask(&client, REVOKE, THE_SHOP, &[("token", token)]).send().expect(200);
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
}

#[test]
fn the_query_contains_no_parameters() {
    let (_server, client) = start();
    let tokens = session_of(&client, "web", "");
    let path =
        format!("{TOKEN}?grant_type=refresh_token&refresh_token={}&scope=feed", tokens.refresh());
    is_rejected(&ask(&client, &path, WEB, &[]).send(), "invalid_request");
    let path = format!("{TOKEN}?grant_type=refresh_token&client_id=robot&client_secret={ROBOT}");
    is_rejected(&client.post(&path).form(&[("x", "y")]).send(), "invalid_request");
    assert_eq!(refreshed(&client, WEB, tokens.refresh()).generation(), 2);
}
