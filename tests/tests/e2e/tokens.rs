//! The claims of the tokens, their lengths, and that the published keys verify them.

use aquaware_tests::{Client, ISSUER, Jws, Response, Setup};
use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

fn key_set(client: &Client) -> Response {
    client.get("/.well-known/jwks.json").send().expect(200)
}

fn keys(client: &Client) -> Vec<Value> {
    key_set(client).member("keys").as_array().expect("keys").clone()
}

#[test]
fn an_access_token_has_the_documented_claims() {
    let server = Setup::new().start();
    let client = server.client();
    let (person, tokens) = client.new_session();
    let id = client.me(&tokens.access).text_of("id");
    let token = Jws::read(&tokens.access);
    let mut names: Vec<_> = token.header.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["alg", "kid", "typ"]);
    assert_eq!(token.header["typ"], "at+jwt");
    assert_eq!(token.header["alg"], "EdDSA");
    assert!(keys(&client).iter().any(|key| key["kid"] == token.header["kid"]));

    let expected = ["aud", "auth_time", "client_id", "exp", "iat", "iss", "jti", "sid", "sub"];
    assert_eq!(token.claim_names(), expected);
    assert_eq!(token.claims["iss"], ISSUER);
    assert_eq!(token.claims["aud"], ISSUER);
    assert_eq!(token.claims["sub"], id);
    assert_eq!(token.claims["client_id"], "web");
    assert_eq!(token.claims["sid"], tokens.session);
    assert_eq!(token.number("exp"), token.number("iat") + 300);
    assert_eq!(token.number("auth_time"), token.number("iat"));
    let again = Jws::read(&client.log_in(&person).access);
    assert_ne!(again.claims["jti"], token.claims["jti"]);
    assert_ne!(again.claims["sid"], token.claims["sid"]);
}

#[test]
fn a_refresh_token_has_the_documented_claims() {
    let server = Setup::new().start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    let token = Jws::read(tokens.refresh());
    let mut names: Vec<_> = token.header.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["alg", "kid", "typ"]);
    assert_eq!(token.header["typ"], "rt+jwt");
    assert_eq!(token.header["alg"], "HS256");
    assert!(keys(&client).iter().all(|key| key["kid"] != token.header["kid"]));
    let expected = ["aud", "client_id", "exp", "gen", "iat", "iss", "sid", "sub"];
    assert_eq!(token.claim_names(), expected);
    assert_eq!(token.claims["iss"], ISSUER);
    assert_eq!(token.claims["aud"], ISSUER);
    assert_eq!(token.claims["sub"], Jws::read(&tokens.access).claims["sub"]);
    assert_eq!(token.claims["sid"], tokens.session);
    assert_eq!(token.claims["client_id"], "web");
    assert_eq!(token.number("gen"), 1);
    assert_eq!(token.number("exp"), token.number("iat") + 30 * 86_400);
    let next = Jws::read(client.refreshed(tokens.refresh(), None).refresh());
    assert_eq!(next.number("gen"), 2);
}

#[test]
fn tokens_are_within_the_promised_lengths() {
    let server = Setup::new().start();
    let client = server.client();
    let person = client.new_person();
    assert_eq!(ISSUER.len(), 30);
    for profile in ["web", "device"] {
        let tokens = client.log_in_as(&person, profile);
        assert_eq!(Jws::read(&tokens.access).claims["sub"].as_str().unwrap().len(), 36);
        assert!(tokens.access.len() <= 512, "{profile}: access {}", tokens.access.len());
        assert!(tokens.refresh().len() <= 420, "{profile}: refresh {}", tokens.refresh().len());
    }
}

#[test]
fn a_refresh_keeps_the_time_of_the_login() {
    let server = Setup::new().start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    let first = Jws::read(&tokens.access);
    aquaware_tests::until(first.number("iat") + 1);
    let renewed = Jws::read(&client.refreshed(tokens.refresh(), None).access);
    assert_eq!(renewed.number("auth_time"), first.number("auth_time"));
    assert!(renewed.number("iat") > first.number("iat"));
}

#[test]
fn the_key_set_is_public_cacheable_and_complete() {
    let server = Setup::new().start();
    let client = server.client();
    let response = key_set(&client);
    assert_eq!(response.header("cache-control"), Some("public, max-age=300"));
    let tag = response.header("etag").expect("an ETag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    let kind = response.header("content-type").unwrap();
    assert!(["application/jwk-set+json", "application/json"].contains(&kind), "{kind}");
    let keys = keys(&client);
    assert!(keys.len() >= 2, "the active key and the next one: {keys:?}");
    let mut kids = Vec::new();
    for key in &keys {
        let mut names: Vec<_> = key.as_object().unwrap().keys().collect();
        names.sort();
        assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x"], "{key}");
        assert_eq!((&key["kty"], &key["crv"]), (&"OKP".into(), &"Ed25519".into()));
        assert_eq!((&key["alg"], &key["use"]), (&"EdDSA".into(), &"sig".into()));
        kids.push(key["kid"].as_str().expect("a kid"));
    }
    kids.sort_unstable();
    kids.dedup();
    assert_eq!(kids.len(), keys.len());

    let path = "/.well-known/jwks.json";
    for known in [tag.clone(), format!("\"other\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
        let response = client.get(path).header("if-none-match", &known).send();
        assert_eq!(response.status, 304, "{known}: {}", response.describe());
        assert_eq!(response.header("etag"), Some(tag.as_str()));
    }
    client.get(path).header("if-none-match", "\"other\"").send().is(200);
}

#[test]
fn every_algorithm_signs_what_its_published_key_checks() {
    let algorithms: [(&str, &str, &dyn VerificationAlgorithm); 4] = [
        ("EdDSA", "OKP", &signature::ED25519),
        ("Ed25519", "OKP", &signature::ED25519),
        ("ES256", "EC", &signature::ECDSA_P256_SHA256_FIXED),
        ("RS256", "RSA", &signature::RSA_PKCS1_2048_8192_SHA256),
    ];
    for (name, kty, algorithm) in algorithms {
        let server = Setup::new().set("keys.algorithm", name).start();
        let client = server.client();
        let (_, tokens) = client.new_session();
        client.me(&tokens.access).is(200);
        let token = Jws::read(&tokens.access);
        assert_eq!(token.header["alg"], name);
        let keys = keys(&client);
        let key = keys.iter().find(|key| key["kid"] == token.header["kid"]).expect("the key");
        assert_eq!((key["kty"].as_str(), key["alg"].as_str()), (Some(kty), Some(name)));
        let private = ["d", "p", "q", "dp", "dq", "qi", "k", "oth"];
        assert!(private.iter().all(|member| key.get(member).is_none()), "{key}");
        let good = |signed: &str| is_signed(key, algorithm, signed, &token.signature);
        assert!(good(&token.signed()), "{name}");
        assert!(!good(&format!("{}x", token.signed())), "{name}");
    }
}

#[test]
fn a_shared_secret_is_never_published() {
    let server = Setup::new().set("keys.algorithm", "HS256").start();
    let client = server.client();
    let (_, tokens) = client.new_session();
    client.me(&tokens.access).is(200);
    assert_eq!(Jws::read(&tokens.access).header["alg"], "HS256");
    assert_eq!(keys(&client), [Value::Null; 0]);
    client.me(tokens.refresh()).is_invalid_token();
    client.refresh(&tokens.access, None).is_problem(401, "invalid_refresh_token");
}

#[test]
fn scope_and_audience_come_from_the_client_profile() {
    let server = Setup::new()
        .set("clients.web.scopes", "read,write,feed")
        .set("clients.web.audience", "https://tanks.example,https://feeder.example")
        .start();
    let client = server.client();
    let person = client.new_person();
    let login =
        [("email", person.email.as_str()), ("password", &person.password), ("scope", "write read")];
    let response = client.post("/auth/login").form(&login).send().expect(200);
    let mut scope: Vec<_> = response.text_of("scope").split(' ').map(str::to_owned).collect();
    scope.sort();
    assert_eq!(scope, ["read", "write"]);
    let access = response.text_of("access_token");
    let token = Jws::read(&access);
    assert_eq!(token.claims["scope"], response.member("scope"));
    let audience = serde_json::json!(["https://tanks.example", "https://feeder.example"]);
    assert_eq!(token.claims["aud"], audience);
    client.me(&access).is(200);
    let renewed = client.refreshed(&response.text_of("refresh_token"), None);
    assert_eq!(renewed.body["scope"], response.member("scope"));
    let none = Jws::read(&client.log_in(&person).access);
    assert_eq!(none.claims.get("scope"), None);
}

fn is_signed(
    key: &Value,
    algorithm: &'static dyn VerificationAlgorithm,
    signed: &str,
    signature: &[u8],
) -> bool {
    let part = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().expect(name)).expect(name);
    if key["kty"] == "RSA" {
        let (n, e) = (part("n"), part("e"));
        let public = signature::RsaPublicKeyComponents { n, e };
        let rsa = &signature::RSA_PKCS1_2048_8192_SHA256;
        return public.verify(rsa, signed.as_bytes(), signature).is_ok();
    }
    let public = match key["kty"].as_str() {
        Some("EC") => [vec![4], part("x"), part("y")].concat(),
        _ => part("x"),
    };
    UnparsedPublicKey::new(algorithm, public).verify(signed.as_bytes(), signature).is_ok()
}
