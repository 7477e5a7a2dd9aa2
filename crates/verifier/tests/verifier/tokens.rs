//! Valid and invalid tokens. The rules are implemented and tested in `aquaware-token`; these tests
//! show that the verifier applies them.

use std::time::Duration;

use aquaware_verifier::testing::{AUDIENCE, ISSUER, START, TestIssuer};
use aquaware_verifier::{Algorithm, Scope, TokenError, Verifier, VerifyError};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

/// A token with any header, claims and signature.
pub(crate) fn forge(header: &Value, claims: &Value, signature: &[u8]) -> String {
    format!("{}.{}", message(header, claims), URL_SAFE_NO_PAD.encode(signature))
}

fn message(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "ann", "aud": AUDIENCE, "client_id": "c", "jti": "j",
        "iat": START.seconds(), "exp": START.seconds() + 300,
    })
}

fn token_error(verifier: &Verifier, token: &str) -> TokenError {
    match verifier.verify(token) {
        Err(VerifyError::Token(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn asymmetric_algorithms_are_accepted_and_never_confused() {
    let ed25519 = [Algorithm::EdDsa, Algorithm::Ed25519];
    for algorithm in [Algorithm::EdDsa, Algorithm::Ed25519, Algorithm::Es256, Algorithm::Rs256] {
        // Both names of Ed25519 mean the same to a verifier.
        let same = |other: &Algorithm| {
            *other == algorithm || ed25519.contains(other) && ed25519.contains(&algorithm)
        };
        let issuer = TestIssuer::signing_with(algorithm);
        let verifier = issuer.verifier();
        let token = issuer.token().sign();
        assert!(verifier.verify(&token).is_ok(), "{algorithm:?}");
        let allowed = |only| issuer.builder().algorithms(only).key_set(&mixed(&issuer)).unwrap();
        let others = Algorithm::ALL.iter().copied().filter(|it| !same(it) && !it.is_symmetric());
        let others = allowed(others.collect::<Vec<_>>());
        assert_eq!(token_error(&others, &token), TokenError::WrongAlgorithm, "{algorithm:?}");
        assert!(allowed(vec![algorithm]).verify(&token).is_ok(), "{algorithm:?}");
    }
}

/// The issuer's key, and two others that are quick to generate.
fn mixed(issuer: &TestIssuer) -> Vec<u8> {
    let of = |algorithm| TestIssuer::signing_with(algorithm).public_key();
    let keys = [issuer.public_key(), of(Algorithm::EdDsa), of(Algorithm::Es256)];
    json!({ "keys": keys }).to_string().into_bytes()
}

#[test]
fn unsigned_tokens_are_rejected() {
    let issuer = TestIssuer::new();
    for none in ["none", "None", "NONE", ""] {
        let header = json!({ "typ": "at+jwt", "alg": none, "kid": issuer.kid() });
        for signature in [&[][..], &[0; 64]] {
            let token = forge(&header, &claims(), signature);
            assert_eq!(token_error(&issuer.verifier(), &token), TokenError::WrongAlgorithm);
        }
    }
}

#[test]
fn a_public_key_is_never_used_as_a_shared_secret() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256] {
        let issuer = TestIssuer::signing_with(algorithm);
        let key = issuer.public_key();
        let parts = ["x", "y", "n"].iter().filter_map(|name| key.get(name)?.as_str());
        let mut secrets: Vec<Vec<u8>> = parts.map(|p| URL_SAFE_NO_PAD.decode(p).unwrap()).collect();
        secrets.push(key.to_string().into_bytes());
        for secret in secrets {
            let header = json!({ "typ": "at+jwt", "alg": "HS256", "kid": issuer.kid() });
            let secret = hmac::Key::new(hmac::HMAC_SHA256, &secret);
            let signature = hmac::sign(&secret, message(&header, &claims()).as_bytes());
            let token = forge(&header, &claims(), signature.as_ref());
            assert_eq!(token_error(&issuer.verifier(), &token), TokenError::WrongAlgorithm);
        }
    }
}

#[test]
fn shared_secrets_in_a_key_set_are_ignored() {
    let issuer = TestIssuer::new();
    let secret = json!({
        "kty": "oct", "kid": "s", "alg": "HS256", "use": "sig",
        "k": URL_SAFE_NO_PAD.encode([7; 32]),
    });
    let set = json!({ "keys": [issuer.public_key(), secret] }).to_string();
    let verifier = issuer.builder().key_set(set.as_bytes()).unwrap();
    let header = json!({ "typ": "at+jwt", "alg": "HS256", "kid": "s" });
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    let signature = hmac::sign(&key, message(&header, &claims()).as_bytes());
    let token = forge(&header, &claims(), signature.as_ref());
    assert_eq!(verifier.verify(&token).unwrap_err(), VerifyError::UnknownKey);
}

#[test]
fn every_rule_for_tokens_is_applied() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier();
    let token = || issuer.token();
    let later = START.seconds() + 60;
    for (token, error) in [
        (token().as_refresh_token(), TokenError::WrongType),
        (token().issuer("https://issuer.test/"), TokenError::WrongIssuer),
        (token().issuer("https://other.test"), TokenError::WrongIssuer),
        (token().audience("another"), TokenError::WrongAudience),
        (token().claim("aud", json!([])), TokenError::WrongAudience),
        (token().expired(), TokenError::Expired),
        (token().claim("nbf", later), TokenError::NotYetValid),
        (token().without("exp"), TokenError::MissingClaim { claim: "exp" }),
        (token().without("aud"), TokenError::MissingClaim { claim: "aud" }),
        (token().without("client_id"), TokenError::MissingClaim { claim: "client_id" }),
        (token().without("jti"), TokenError::MissingClaim { claim: "jti" }),
        (token().claim("exp", "never"), TokenError::MalformedClaim { claim: "exp" }),
        (token().claim("exp", Value::Null), TokenError::MalformedClaim { claim: "exp" }),
    ] {
        assert_eq!(token_error(&verifier, &token.sign()), error);
    }
    let valid = issuer.token().sign();
    assert!(verifier.verify(&valid).is_ok());
    let (message, _) = valid.rsplit_once('.').unwrap();
    assert_eq!(token_error(&verifier, &format!("{message}.AAAA")), TokenError::InvalidSignature);
    assert_eq!(token_error(&verifier, "a.b"), TokenError::Malformed);
    assert_eq!(token_error(&verifier, &"a".repeat(9000)), TokenError::TooLong);
    // Another key with the same id.
    let mut key = issuer.successor().public_key();
    key["kid"] = issuer.kid().into();
    let set = json!({ "keys": [key] }).to_string();
    let other = issuer.builder().key_set(set.as_bytes()).unwrap();
    assert_eq!(token_error(&other, &valid), TokenError::InvalidSignature);
}

#[test]
fn a_token_with_several_audiences_is_accepted_for_each() {
    let issuer = TestIssuer::new();
    let token = issuer.token().claim("aud", json!(["other", AUDIENCE])).sign();
    assert!(issuer.verifier().verify(&token).is_ok());
    let two = issuer.builder().audience("second").key_set(&issuer.key_set()).unwrap();
    assert!(two.verify(&issuer.token().audience("second").sign()).is_ok());
}

#[test]
fn a_token_expires_at_its_exp_plus_the_leeway() {
    for leeway in [0, 5, 60] {
        let issuer = TestIssuer::new();
        let builder = issuer.builder().leeway(Duration::from_secs(leeway));
        let verifier = builder.key_set(&issuer.key_set()).unwrap();
        let token = issuer.token().expires_in(Duration::from_secs(100)).sign();
        issuer.clock().advance(Duration::from_millis((100 + leeway) * 1000 - 1));
        assert!(verifier.verify(&token).is_ok(), "{leeway}");
        issuer.clock().advance(Duration::from_millis(1));
        assert_eq!(token_error(&verifier, &token), TokenError::Expired, "{leeway}");
    }
}

#[test]
fn the_default_leeway_is_five_seconds() {
    let issuer = TestIssuer::new();
    let token = issuer.token().expires_in(Duration::from_secs(100)).sign();
    issuer.clock().advance(Duration::from_secs(104));
    assert!(issuer.verifier().verify(&token).is_ok());
    issuer.clock().advance(Duration::from_secs(1));
    assert_eq!(token_error(&issuer.verifier(), &token), TokenError::Expired);
}

#[test]
fn bound_tokens_are_rejected_unless_the_service_accepts_them() {
    let issuer = TestIssuer::new();
    let token = issuer.token().claim("cnf", json!({ "jkt": "abc" })).sign();
    assert_eq!(issuer.verifier().verify(&token).unwrap_err(), VerifyError::BoundToken);
    let accepting = issuer.builder().accept_bound_tokens().key_set(&issuer.key_set()).unwrap();
    assert_eq!(accepting.verify(&token).unwrap().cnf, Some(json!({ "jkt": "abc" })));
}

#[test]
fn extra_claims_are_a_map_or_a_custom_type() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Tenant {
        tenant: u32,
    }
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier();
    let token = issuer.token().claim("tenant", 7).claim("roles", json!(["a"])).sign();
    let claims = verifier.verify(&token).unwrap();
    assert_eq!(claims.extra.get("roles"), Some(&json!(["a"])));
    assert_eq!(claims.extra_as::<Tenant>().unwrap(), Tenant { tenant: 7 });
    assert_eq!(verifier.verify_as::<Tenant>(&token).unwrap().extra, Tenant { tenant: 7 });
    let without = verifier.verify_as::<Tenant>(&issuer.token().sign());
    assert_eq!(without.unwrap_err(), VerifyError::Token(TokenError::UnexpectedClaims));
}

#[test]
fn scope_tokens_are_compared_as_a_whole() {
    let issuer = TestIssuer::new();
    let token = issuer.token().scope("read write").sign();
    let claims = issuer.verifier().verify(&token).unwrap();
    assert!(claims.require_scope("write").is_ok());
    assert!(claims.require_scope("write read").is_ok());
    assert!(claims.require_scope("").is_ok());
    let missing = claims.require_scope("read admin").unwrap_err();
    assert_eq!(missing.needed, Scope::parse("admin read").unwrap());
    assert!(claims.require_scope("writ").is_err());
    assert!(claims.require_scope("\"").is_err(), "an invalid scope is never granted");
}

#[test]
fn ids_of_other_issuers_may_have_any_form() {
    let issuer = TestIssuer::new();
    let mut key = issuer.public_key();
    key["kid"] = "public:2026/01+a=".into();
    let set = json!({ "keys": [key] }).to_string();
    let verifier = issuer.builder().key_set(set.as_bytes()).unwrap();
    // The same key signs under its usual id.
    let token = issuer.token().sign();
    assert_eq!(verifier.verify(&token).unwrap_err(), VerifyError::UnknownKey);
    let header = json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": "public:2026/01+a=" });
    assert_eq!(
        token_error(&verifier, &forge(&header, &claims(), &[0; 64])),
        TokenError::InvalidSignature
    );
    let client = "https://client.example/a-name-much-longer-than-sixty-four-characters-in-all";
    let token = issuer.token().claim("client_id", client).claim("sid", "08a5019c-17e1").sign();
    assert_eq!(issuer.verifier().verify(&token).unwrap().client_id, client);
}

#[test]
fn debug_output_contains_neither_tokens_nor_private_keys() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier();
    let token = issuer.token().audience("another").sign();
    let signature = token.rsplit('.').next().unwrap();
    let rejection = verifier.verify(&token).unwrap_err();
    for text in [format!("{rejection:?} {rejection}"), format!("{verifier:?} {issuer:?}")] {
        assert!(!text.contains(signature) && !text.contains("PRIVATE"), "{text}");
    }
}
