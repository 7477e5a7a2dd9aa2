//! Forged, tampered, spliced and oversized tokens: rejected, and without effect on the victim.

use aquaware_tests::{Client, Jws, Setup, Tokens, base64url, exchange, unsigned};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A token with this header and these claims, signed with HS256 and `secret`.
fn hs256(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let signed = unsigned(header, claims);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", base64url(tag.as_ref()))
}

fn with(json: &Value, member: &str, value: impl Into<Value>) -> Value {
    let mut changed = json.clone();
    changed[member] = value.into();
    changed
}

/// The same signature in an encoding that a strict decoder rejects: unused trailing bits are
/// set.
fn respelled(token: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = token.split_at(token.len() - 1);
    let place = ALPHABET.find(last).expect("base64url");
    format!("{rest}{}", &ALPHABET[place + 1..place + 2])
}

/// All forgeries that can be made from a valid token and its public key; `other` is a token of the
/// same kind of another session.
fn forgeries(good: &str, other: &str, public_key: &[u8]) -> Vec<String> {
    let (token, foreign) = (Jws::read(good), Jws::read(other));
    let [header, claims, signature] = token.parts.clone();
    let resigned =
        |header: &Value, claims: &Value| format!("{}.{signature}", unsigned(header, claims));
    let none = |alg: &str| unsigned(&with(&token.header, "alg", alg), &token.claims);
    let hs256_header = with(&token.header, "alg", "HS256");
    let far = token.number("exp") + 1_000_000;
    vec![
        format!("{header}.{claims}."),
        format!("{header}.{claims}"),
        format!("{header}..{signature}"),
        format!(".{claims}.{signature}"),
        format!("{good}."),
        format!("{good}.{signature}"),
        format!("{good}=="),
        format!(" {good}"),
        format!("{good}\n"),
        good[..good.len() - 1].to_owned(),
        respelled(good),
        format!("{header}.{}.{signature}", foreign.parts[1]),
        format!("{header}.{claims}.{}", foreign.parts[2]),
        format!("{}.{claims}.{signature}", base64url(b"{}")),
        format!("{}.{claims}.{signature}", base64url(b"not json")),
        format!("{}.", none("none")),
        format!("{}.{signature}", none("none")),
        format!("{}.", none("None")),
        format!("{}.", none("NONE")),
        resigned(&token.header, &with(&token.claims, "exp", far)),
        resigned(&token.header, &with(&token.claims, "sub", "somebody-else")),
        resigned(&token.header, &with(&token.claims, "gen", 2)),
        resigned(&token.header, &with(&token.claims, "gen", 9_000_000)),
        resigned(&with(&token.header, "kid", "../../../../dev/null"), &token.claims),
        resigned(&with(&token.header, "kid", "' OR 1=1 --"), &token.claims),
        resigned(&with(&token.header, "crit", json!(["exp"])), &token.claims),
        hs256(&hs256_header, &token.claims, b""),
        hs256(&hs256_header, &token.claims, public_key),
        hs256(&hs256_header, &token.claims, base64url(public_key).as_bytes()),
        hs256(&with(&hs256_header, "kid", ""), &token.claims, b""),
        hs256(&with(&hs256_header, "typ", "rt+jwt"), &token.claims, public_key),
        hs256(&hs256_header, &with(&token.claims, "gen", "1"), b"secret"),
    ]
}

const GARBAGE: [&str; 10] =
    [".", "..", "...", "a.b.c", "null", "{}", "[]", "🐟.🐟.🐟", "Bearer x", "eyJ.eyJ.eyJ"];

fn public_key(client: &Client, token: &str) -> Vec<u8> {
    let kid = &Jws::read(token).header["kid"];
    let keys = client.get("/.well-known/jwks.json").send().member("keys");
    let key = keys.as_array().unwrap().iter().find(|key| key["kid"] == *kid).unwrap();
    URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap()
}

/// Asserts that the victim's session still works.
#[track_caller]
fn still_works(client: &Client, victim: &Tokens) {
    client.me(&victim.access).is(200);
    let next = client.refreshed(victim.refresh(), None);
    assert_eq!(next.generation(), 2);
    client.me(&next.access).is(200);
}

#[test]
fn forged_refresh_tokens_are_rejected_without_side_effects() {
    let server = Setup::new().set("clients.web.retry_window", "0s").start();
    let client = server.client();
    let (person, victim) = client.new_session();
    let other = client.log_in(&person);
    let key = public_key(&client, &victim.access);
    let mut forged = forgeries(victim.refresh(), other.refresh(), &key);
    forged.extend(GARBAGE.map(str::to_owned));
    forged.push(victim.access.clone());
    forged.push("A".repeat(15_000));
    forged.push(format!("{}.{}", victim.refresh(), "A".repeat(15_000)));
    forged.push(format!("{}\0", victim.refresh()));
    for token in forged {
        let response = client.refresh(&token, None);
        assert_eq!(response.status, 401, "{token}: {}", response.describe());
        response.is_problem(401, "invalid_refresh_token");
        client.log_out(&token).is(204);
    }
    still_works(&client, &victim);
}

#[test]
fn forged_access_tokens_are_rejected_without_side_effects() {
    let server = Setup::new().start();
    let client = server.client();
    let (person, victim) = client.new_session();
    let other = client.log_in(&person);
    let key = public_key(&client, &victim.access);
    let mut forged = forgeries(&victim.access, &other.access, &key);
    forged.extend(GARBAGE.map(str::to_owned));
    // White space around a header's value is ignored; other characters need a raw connection.
    forged.retain(|token| token.is_ascii() && !token.starts_with(' ') && !token.ends_with('\n'));
    forged.push(victim.refresh().to_owned());
    forged.push("A".repeat(15_000));
    for token in forged {
        let response = client.me(&token);
        assert_eq!(response.status, 401, "{token}: {}", response.describe());
        response.is_invalid_token();
    }
    still_works(&client, &victim);
}

#[test]
fn tokens_of_another_installation_are_rejected() {
    let (here, there) = (Setup::new().start(), Setup::new().start());
    let (_, foreign) = there.client().new_session();
    here.client().me(&foreign.access).is_invalid_token();
    let response = here.client().refresh(foreign.refresh(), None);
    response.is_problem(401, "invalid_refresh_token");
    here.client().log_out(foreign.refresh()).is(204);
    there.client().me(&foreign.access).is(200);
}

#[test]
fn a_token_of_a_megabyte_is_rejected_before_it_is_parsed() {
    let server = Setup::new().start();
    let client = server.client();
    let (_, victim) = client.new_session();
    let long = format!("{}.{}", victim.refresh(), "A".repeat(1 << 20));
    let body = json!({ "refresh_token": long }).to_string();
    for path in ["/auth/refresh", "/auth/logout"] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let response = exchange(server.public(), request.as_bytes()).expect("an response");
        response.is_problem(413, "payload_too_large");
    }
    let request =
        format!("GET /auth/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {long}\r\n\r\n");
    // Larger than any limit on headers; the server may also close the connection.
    if let Some(response) = exchange(server.public(), request.as_bytes()) {
        assert!((400..500).contains(&response.status), "{}", response.describe());
    }
    still_works(&client, &victim);
}
