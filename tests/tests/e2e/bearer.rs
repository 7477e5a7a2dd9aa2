//! Presenting an access token (RFC 6750), and the errors for invalid ones.

use aquaware_tests::{Response, Setup, exchange};

const CHALLENGE: &str = r#"Bearer realm="aquaware""#;

/// Asserts the response to a request without a token.
#[track_caller]
fn is_challenged(response: &Response) {
    response.is_problem(401, "invalid_token");
    assert_eq!(response.header("www-authenticate"), Some(CHALLENGE), "{}", response.describe());
}

#[test]
fn the_scheme_is_case_insensitive() {
    let server = Setup::new().start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let value = format!("{scheme} {}", tokens.access);
        client.get("/auth/me").header("authorization", &value).send().is(200);
    }
}

#[test]
fn a_missing_token_is_challenged_without_an_error() {
    let server = Setup::new().start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    let own = format!("/auth/sessions/{}", tokens.session);
    let calls = [
        client.get("/auth/me"),
        client.get("/auth/sessions"),
        client.call("DELETE", &own),
        client.post("/auth/logout-all"),
        client.post("/auth/password").json(&serde_json::json!({
            "current_password": "x", "new_password": "y",
        })),
        client.get("/auth/me").header("authorization", "Basic dXNlcjpwYXNz"),
        client.get("/auth/me").header("authorization", &tokens.access),
    ];
    for call in calls {
        is_challenged(&call.send());
    }
    client.me(&tokens.access).is(200);
}

#[test]
fn malformed_tokens_are_invalid() {
    let server = Setup::new().start();
    let client = server.client();
    for token in ["x", "a.b.c", "=", "a b", "..", "\"quoted\"", ",", "x, Bearer y"] {
        let response = client.me(token);
        assert_eq!(response.status, 401, "{token}: {}", response.describe());
        response.is_invalid_token();
    }
    for token in [&b"\xc3\xa4"[..], b"\xff\xfe", b""] {
        let head = b"GET /auth/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ";
        let request = [head, token, b"\r\n\r\n"].concat();
        let response = exchange(server.public(), &request).expect("an response");
        response.checked("GET", "/auth/me").is_invalid_token();
    }
}

#[test]
fn tokens_in_the_query_are_ignored() {
    let server = Setup::new().start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    let path = format!("/auth/me?access_token={}", tokens.access);
    is_challenged(&client.get(&path).send());
    let path = format!("/auth/logout-all?access_token={}", tokens.access);
    is_challenged(&client.post(&path).send());
    client.me(&tokens.access).is(200);
}

#[test]
fn presenting_a_token_in_two_ways_is_a_bad_request() {
    let server = Setup::new().start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    let access = tokens.access.as_str();
    let query = format!("/auth/me?access_token={access}");
    let form = [("access_token", access)];
    let bearer = format!("Bearer {access}");
    let calls = [
        client.get(&query).bearer(access),
        client.get("/auth/me").bearer(access).header("authorization", &bearer),
        client.post("/auth/logout-all").bearer(access).form(&form),
    ];
    for call in calls {
        call.send().is_problem(400, "invalid_request");
    }
    client.me(access).is(200);
}

#[test]
fn refresh_and_access_tokens_are_not_interchangeable() {
    let server = Setup::new().start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    client.me(tokens.refresh()).is_invalid_token();
    client.refresh(&tokens.access, None).is_problem(401, "invalid_refresh_token");
    client.me(&tokens.access).is(200);
    let _ = client.refreshed(tokens.refresh(), None);
}
