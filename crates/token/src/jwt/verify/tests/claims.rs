//! The claims: their types, their uniqueness and their rules (RFC 7519 §4.1, RFC 9068 §2.2).

use std::time::Duration;

use super::*;

fn access_json() -> Map<String, Value> {
    serde_json::to_value(access_claims()).unwrap().as_object().unwrap().clone()
}

fn refresh_json() -> Map<String, Value> {
    serde_json::to_value(refresh_claims()).unwrap().as_object().unwrap().clone()
}

fn access_token(claims: &[u8]) -> String {
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    issuer.forge(TokenType::Access, &json_bytes(&issuer.header(TokenType::Access)), claims)
}

fn refresh_token(claims: &[u8]) -> String {
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    issuer.forge(TokenType::Refresh, &json_bytes(&issuer.header(TokenType::Refresh)), claims)
}

/// Verifies an access token whose claim `name` is this JSON.
fn access_with(name: &str, json: &str) -> Result<AccessClaims, TokenError> {
    let mut claims = access_json();
    claims.remove(name);
    let rest = serde_json::to_string(&claims).unwrap();
    let claims = format!("{{\"{name}\":{json},{}", &rest[1..]);
    TestIssuer::of(Algorithm::EdDsa).check_access(&access_token(claims.as_bytes()))
}

fn refresh_with(name: &str, json: &str) -> Result<RefreshClaims, TokenError> {
    let mut claims = refresh_json();
    claims.remove(name);
    let rest = serde_json::to_string(&claims).unwrap();
    let claims = format!("{{\"{name}\":{json},{}", &rest[1..]);
    TestIssuer::of(Algorithm::EdDsa).check_refresh(&refresh_token(claims.as_bytes()))
}

#[test]
fn a_missing_claim_is_named() {
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    for claim in ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"] {
        let mut claims = access_json();
        claims.remove(claim).unwrap();
        let token = access_token(&json_bytes(&claims));
        assert_eq!(issuer.check_access(&token), Err(TokenError::MissingClaim { claim }));
    }
    let required = ["iss", "aud", "sub", "sid", "gen", "client_id", "iat", "exp"];
    assert_eq!(required.len(), refresh_json().len());
    for claim in required {
        let mut claims = refresh_json();
        claims.remove(claim).unwrap();
        let token = refresh_token(&json_bytes(&claims));
        assert_eq!(issuer.check_refresh(&token), Err(TokenError::MissingClaim { claim }));
    }
}

#[test]
fn optional_claims_may_be_missing() {
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    let mut claims = access_json();
    for name in ["sid", "auth_time"] {
        claims.remove(name).unwrap();
    }
    let read = issuer.check_access(&access_token(&json_bytes(&claims))).unwrap();
    assert_eq!((read.sid, read.auth_time, read.nbf), (None, None, None));
    assert!(read.scope.is_empty());
}

/// In CVE-2026-25537, a time of the wrong type was treated as absent.
#[test]
fn a_time_of_the_wrong_type_is_malformed_and_not_absent() {
    const WRONG: [&str; 13] = [
        "\"1790000300\"",
        "\"123\"",
        "\"\"",
        "null",
        "true",
        "[1790000300]",
        "{}",
        "-1",
        "-1790000300",
        "1e300",
        "18446744073709551615",
        "9223372036854775807",
        "253402300800",
    ];
    for json in WRONG {
        for name in ["exp", "iat", "nbf", "auth_time"] {
            assert_eq!(access_with(name, json), Err(malformed(name)), "{name}: {json}");
        }
        for name in ["exp", "iat", "nbf"] {
            assert_eq!(refresh_with(name, json), Err(malformed(name)), "{name}: {json}");
        }
    }
    // Outside the range of a float: the payload is not valid JSON.
    assert_eq!(access_with("exp", "1e400"), Err(TokenError::MalformedClaims));
    assert_eq!(refresh_with("exp", "1e400"), Err(TokenError::MalformedClaims));
}

#[test]
fn a_time_may_have_a_fraction_and_any_notation() {
    let half = access_with("exp", "1790000300.5").unwrap();
    assert_eq!(half.exp, Timestamp::from_millis(1_790_000_300_500));
    let scientific = access_with("exp", "1.7900003e9").unwrap();
    assert_eq!(scientific.exp, Timestamp::from_seconds(1_790_000_300));
    // Half a second is not rounded up.
    let token = access_token(
        serde_json::to_string(&access_json())
            .unwrap()
            .replace("1790000300", "1790000300.5")
            .as_bytes(),
    );
    let at = |millis| {
        TestIssuer::of(Algorithm::EdDsa)
            .check_access_at(&token, Leeway::NONE, Timestamp::from_millis(millis))
            .map(|_| ())
    };
    assert_eq!(at(1_790_000_300_499), Ok(()));
    assert_eq!(at(1_790_000_300_500), Err(TokenError::Expired));
}

#[test]
fn a_token_expires_at_its_exp_plus_the_leeway() {
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    let token = issuer.access();
    for seconds in [0, 1, 60] {
        let leeway = Leeway::new(Duration::from_secs(seconds)).unwrap();
        let end = access_claims().exp.plus(leeway.span());
        let at = |now| issuer.check_access_at(&token, leeway, now).map(|_| ());
        assert_eq!(at(end.minus(Duration::from_millis(1))), Ok(()), "{seconds}");
        assert_eq!(at(end), Err(TokenError::Expired), "{seconds}");
        assert_eq!(at(end.plus(Duration::from_secs(1_000_000))), Err(TokenError::Expired));
    }
}

#[test]
fn a_token_is_valid_from_its_nbf_minus_the_leeway() {
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    let nbf = NOW.plus(Duration::from_secs(100));
    let claims = AccessClaims { nbf: Some(nbf), ..access_claims() };
    let token = issuer.key(TokenType::Access).sign_access(&claims).unwrap();
    for seconds in [0, 60] {
        let leeway = Leeway::new(Duration::from_secs(seconds)).unwrap();
        let birth = nbf.minus(leeway.span());
        let at = |now| issuer.check_access_at(token.expose(), leeway, now).map(|_| ());
        assert_eq!(at(birth.minus(Duration::from_millis(1))), Err(TokenError::NotYetValid));
        assert_eq!(at(birth), Ok(()), "{seconds}");
    }
}

/// RFC 7519 §4.1.5. Only a holder of the secret can make such a token.
#[test]
fn a_refresh_token_is_rejected_before_its_nbf() {
    let (now, later) = (NOW.seconds().to_string(), (NOW.seconds() + 1).to_string());
    assert_eq!(refresh_with("nbf", &now), Ok(refresh_claims()));
    assert_eq!(refresh_with("nbf", &later), Err(TokenError::NotYetValid));
}

/// The clocks of two servers differ.
#[test]
fn an_iat_in_the_future_is_accepted() {
    assert!(access_with("iat", "1790000299").is_ok());
    assert!(access_with("iat", "1890000000").is_ok());
    assert!(refresh_with("iat", "1890000000").is_ok());
}

#[test]
fn the_exp_of_a_refresh_token_is_not_checked_here() {
    assert_eq!(refresh_with("exp", "1").unwrap().exp, Timestamp::from_seconds(1));
}

#[test]
fn the_issuer_is_compared_byte_by_byte() {
    for other in [
        "https://auth.example.com/prod1/",
        "https://auth.example.com/prod",
        "https://AUTH.example.com/prod1",
        "http://auth.example.com/prod1",
        "https://auth.example.com:443/prod1",
        "https://auth.example.com/prod1%20",
    ] {
        let json = format!("{other:?}");
        assert_eq!(access_with("iss", &json), Err(TokenError::WrongIssuer), "{other}");
        assert_eq!(refresh_with("iss", &json), Err(TokenError::WrongIssuer), "{other}");
    }
    let own = fixture::issuer();
    for wrong in [&format!("[\"{own}\"]"), "5", "null", "{}", "\"\"", "\"auth.example.com\""] {
        assert_eq!(access_with("iss", wrong), Err(malformed("iss")), "{wrong}");
        assert_eq!(refresh_with("iss", wrong), Err(malformed("iss")), "{wrong}");
    }
}

#[test]
fn one_of_the_audiences_must_be_accepted() {
    let own = format!("\"{}\"", fixture::issuer());
    let other = "\"https://api.example\"";
    assert!(access_with("aud", &own).is_ok());
    assert!(access_with("aud", &format!("[{own}]")).is_ok());
    assert!(access_with("aud", &format!("[{other},{own}]")).is_ok());
    for foreign in
        [other, "[\"https://api.example\"]", "[]", &format!("{own}x").replace("\"x", "x\"")]
    {
        assert_eq!(access_with("aud", foreign), Err(TokenError::WrongAudience), "{foreign}");
    }
    for wrong in ["5", "null", "true", "{}", "\"\"", &format!("[{own},5]"), &format!("[[{own}]]")] {
        assert_eq!(access_with("aud", wrong), Err(malformed("aud")), "{wrong}");
    }
    assert_eq!(refresh_with("aud", other), Err(TokenError::WrongAudience));
    assert_eq!(refresh_with("aud", &format!("[{own}]")), Err(malformed("aud")));
}

#[test]
fn ids_and_numbers_of_the_wrong_type_are_rejected() {
    for (name, wrong) in [
        ("sub", "5"),
        ("sub", "\"\""),
        ("sub", "\"a\\u0000b\""),
        ("jti", "5"),
        ("jti", "null"),
        ("client_id", "\"a b\""),
        ("client_id", "[]"),
        ("sid", "null"),
        ("sid", "\"short\""),
        ("sid", "5"),
        ("scope", "null"),
        ("scope", "[\"read\"]"),
        ("scope", "\"a\\\\b\""),
    ] {
        assert_eq!(access_with(name, wrong), Err(malformed(name)), "{name}: {wrong}");
    }
    for wrong in ["\"1\"", "0", "-1", "1.5", "null", "9007199254740992", "18446744073709551616"] {
        assert_eq!(refresh_with("gen", wrong), Err(malformed("gen")), "{wrong}");
    }
    for wrong in ["\"short\"", "null", "\"////////////////////==\""] {
        assert_eq!(refresh_with("sid", wrong), Err(malformed("sid")), "{wrong}");
    }
}

#[test]
fn duplicate_claims_are_rejected() {
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    let valid = serde_json::to_string(&access_json()).unwrap();
    for duplicate in [
        r#""exp":1790000300"#,
        r#""exp":1990000000"#,
        r#""\u0065xp":1990000000"#,
        r#""sub":"another user""#,
        r#""x":1,"x":2"#,
    ] {
        for claims in [
            format!("{{{duplicate},{}", &valid[1..]),
            valid.replace('}', &format!(",{duplicate}}}")),
        ] {
            let token = access_token(claims.as_bytes());
            assert_eq!(issuer.check_access(&token), Err(TokenError::MalformedClaims), "{claims}");
        }
    }
    let valid = serde_json::to_string(&refresh_json()).unwrap();
    let token = refresh_token(format!("{{\"gen\":99,{}", &valid[1..]).as_bytes());
    assert_eq!(issuer.check_refresh(&token), Err(TokenError::MalformedClaims));
}
