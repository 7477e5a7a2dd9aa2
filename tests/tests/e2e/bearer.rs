//! How an access token is presented (RFC 6750), and what a refusal says.

use aquaware_tests::{Answer, Setup, exchange};

const CHALLENGE: &str = r#"Bearer realm="aquaware""#;

/// The refusal of somebody who presented no token at all.
#[track_caller]
fn is_challenged(answer: &Answer) {
    answer.is_problem(401, "invalid_token");
    assert_eq!(answer.header("www-authenticate"), Some(CHALLENGE), "{}", answer.describe());
}

#[test]
fn the_scheme_is_read_in_any_case() {
    let server = Setup::new().start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let value = format!("{scheme} {}", tokens.access);
        client.get("/auth/me").header("authorization", &value).send().is(200);
    }
}

#[test]
fn no_token_is_challenged_without_an_error() {
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
fn a_token_that_is_none_is_invalid() {
    let server = Setup::new().start();
    let client = server.client();
    for token in ["x", "a.b.c", "=", "a b", "..", "\"quoted\"", ",", "x, Bearer y"] {
        let answer = client.me(token);
        assert_eq!(answer.status, 401, "{token}: {}", answer.describe());
        answer.is_invalid_token();
    }
    for token in [&b"\xc3\xa4"[..], b"\xff\xfe", b""] {
        let head = b"GET /auth/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ";
        let request = [head, token, b"\r\n\r\n"].concat();
        let answer = exchange(server.public(), &request).expect("an answer");
        answer.checked("GET", "/auth/me").is_invalid_token();
    }
}

#[test]
fn a_token_in_the_query_is_as_good_as_none() {
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
fn two_ways_of_presenting_a_token_are_a_bad_request() {
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
fn a_refresh_token_is_no_access_token_and_the_reverse() {
    let server = Setup::new().start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    client.me(tokens.refresh()).is_invalid_token();
    client.refresh(&tokens.access, None).is_problem(401, "invalid_refresh_token");
    client.me(&tokens.access).is(200);
    let _ = client.refreshed(tokens.refresh(), None);
}
