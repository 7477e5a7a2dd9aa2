//! Tokens of any issuer: ids may have any form, and every other rule is enforced.

use std::cell::Cell;

use super::*;

const FOREIGN_KID: &str = "public:https://keys.example/2026.1+a=";

#[derive(Debug, PartialEq, Deserialize)]
struct Tenant {
    tenant: u32,
}

fn foreign_claims() -> Value {
    let mut claims = serde_json::to_value(access_claims()).unwrap();
    claims["client_id"] =
        json!("https://client.example/app?v=1 of many, and longer than ours may be");
    claims["sid"] = json!("08a5019c-17e1-4977-8f42-65a12843ea02");
    claims["tenant"] = json!(7);
    claims
}

/// Verifies a token with this header and these claims, signed with the key that is looked up.
fn outcome<E: DeserializeOwned>(
    header: &Value,
    claims: &Value,
    now: Timestamp,
) -> Result<BearerClaims<E>, TokenError> {
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    let token = issuer.forge(
        TokenType::Access,
        header.to_string().as_bytes(),
        claims.to_string().as_bytes(),
    );
    let check =
        AccessCheck { issuer: fixture::issuer(), audiences: audiences(), leeway: Leeway::NONE };
    let find = |kid: &str| match kid {
        FOREIGN_KID => Ok(issuer.key(TokenType::Access).verifying_key()),
        _ => Err(TokenError::UnknownKey),
    };
    check.check_bearer(&Profile::rfc9068(), &token, find, now).map(Verified::into_inner)
}

fn header() -> Value {
    json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": FOREIGN_KID })
}

#[test]
fn ids_of_another_issuer_may_have_any_form() {
    let claims = outcome::<Map<String, Value>>(&header(), &foreign_claims(), NOW).unwrap();
    assert!(claims.client_id.starts_with("https://client.example"));
    assert_eq!(claims.sid.as_deref(), Some("08a5019c-17e1-4977-8f42-65a12843ea02"));
    assert_eq!(claims.extra.get("tenant"), Some(&json!(7)));
    assert!(!claims.extra.contains_key("sid"));
}

#[test]
fn additional_claims_are_read_as_the_requested_type() {
    let claims = outcome::<Tenant>(&header(), &foreign_claims(), NOW).unwrap();
    assert_eq!(claims.extra, Tenant { tenant: 7 });
    let mut invalid = foreign_claims();
    invalid["tenant"] = json!("seven");
    assert_eq!(outcome::<Tenant>(&header(), &invalid, NOW), Err(TokenError::UnexpectedClaims));
}

#[test]
fn a_status_is_parsed_only_on_request() {
    let read = |status: Value| {
        let mut claims = foreign_claims();
        claims["status"] = status.clone();
        let claims = outcome::<Map<String, Value>>(&header(), &claims, NOW).unwrap();
        assert_eq!(claims.status, Some(status));
        assert!(!claims.extra.contains_key("status"));
        claims.status_claim().map(|status| status.unwrap().status_list)
    };
    let at = json!({ "idx": 7, "uri": "https://a.example/1" });
    assert_eq!(read(json!({ "status_list": at })).unwrap().unwrap().idx, 7);
    assert_eq!(read(json!({ "other": 1 })), Ok(None));
    for broken in [json!(null), json!("active"), json!(1), json!([at]), json!({ "status_list": 1 })]
    {
        assert_eq!(read(broken.clone()), Err(malformed("status")), "{broken}");
    }
    let claims = outcome::<Map<String, Value>>(&header(), &foreign_claims(), NOW).unwrap();
    assert_eq!(claims.status_claim(), Ok(None));
}

#[test]
fn every_other_rule_is_enforced() {
    let rejection = |header: &Value, claims: &Value, now| {
        outcome::<Map<String, Value>>(header, claims, now).unwrap_err()
    };
    let changed = |of: &Value, name: &str, value: Value| {
        let mut changed = of.clone();
        changed[name] = value;
        changed
    };
    let (header, claims) = (header(), foreign_claims());
    for (name, value, error) in [
        ("typ", json!("rt+jwt"), TokenError::WrongType),
        ("typ", json!("JWT"), TokenError::WrongType),
        ("alg", json!("none"), TokenError::WrongAlgorithm),
        ("alg", json!("HS256"), TokenError::WrongAlgorithm),
        ("kid", json!("other"), TokenError::UnknownKey),
        ("kid", json!(null), TokenError::UnknownKey),
        ("kid", json!(7), TokenError::Malformed),
        ("crit", json!(["exp"]), TokenError::CriticalHeader),
    ] {
        assert_eq!(rejection(&changed(&header, name, value), &claims, NOW), error, "{name}");
    }
    for (name, value, error) in [
        ("iss", json!("https://auth.example.com/prod1/"), TokenError::WrongIssuer),
        ("aud", json!("another service"), TokenError::WrongAudience),
        ("nbf", json!(NOW.seconds() + 1), TokenError::NotYetValid),
        ("exp", json!(NOW.seconds()), TokenError::Expired),
        ("exp", json!(NOW.seconds().to_string()), malformed("exp")),
        ("exp", json!(null), malformed("exp")),
        ("client_id", json!(null), malformed("client_id")),
        ("sid", json!(null), malformed("sid")),
        ("scope", json!(["read"]), malformed("scope")),
    ] {
        assert_eq!(rejection(&header, &changed(&claims, name, value), NOW), error, "{name}");
    }
    for claim in ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"] {
        let mut short = claims.clone();
        short.as_object_mut().unwrap().remove(claim);
        assert_eq!(rejection(&header, &short, NOW), TokenError::MissingClaim { claim });
    }
}

#[test]
fn the_error_of_the_key_lookup_is_returned() {
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    let check =
        AccessCheck { issuer: fixture::issuer(), audiences: audiences(), leeway: Leeway::NONE };
    let asked = Cell::new(0);
    let find = |_: &str| {
        asked.set(asked.get() + 1);
        Err(TokenError::WrongAlgorithm)
    };
    let token = issuer.access();
    let verify = |token: &str| {
        check.check_bearer::<Map<String, Value>>(&Profile::rfc9068(), token, find, NOW).unwrap_err()
    };
    let rejection = verify(&token);
    assert_eq!((rejection, asked.get()), (TokenError::WrongAlgorithm, 1));
    let nameless = issuer.forge(TokenType::Access, br#"{"typ":"at+jwt","alg":"EdDSA"}"#, b"{}");
    let rejection = verify(&nameless);
    assert_eq!((rejection, asked.get()), (TokenError::UnknownKey, 1), "there is no id to look up");
}
