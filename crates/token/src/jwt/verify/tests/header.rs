//! The header: only the id of the key is used (RFC 8725 §3.1, §3.2, §3.10–12).

use super::*;

/// A token whose header has `changes` made to it, signed with the real key.
fn with_header(issuer: &TestIssuer, token_type: TokenType, changes: Value) -> String {
    let mut header = issuer.header(token_type);
    for (name, value) in changes.as_object().unwrap() {
        header.insert(name.clone(), value.clone());
    }
    forge_with(issuer, token_type, &json_bytes(&header))
}

fn without(issuer: &TestIssuer, token_type: TokenType, name: &str) -> String {
    let mut header = issuer.header(token_type);
    header.remove(name).unwrap();
    forge_with(issuer, token_type, &json_bytes(&header))
}

fn forge_with(issuer: &TestIssuer, token_type: TokenType, header: &[u8]) -> String {
    let claims = match token_type {
        TokenType::Access => serde_json::to_vec(&access_claims()),
        TokenType::Refresh => serde_json::to_vec(&refresh_claims()),
    };
    issuer.forge(token_type, header, &claims.unwrap())
}

fn access_outcome(algorithm: Algorithm, changes: Value) -> Result<AccessClaims, TokenError> {
    let issuer = TestIssuer::of(algorithm);
    issuer.check_access(&with_header(issuer, TokenType::Access, changes))
}

fn refresh_outcome(changes: Value) -> Result<RefreshClaims, TokenError> {
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    issuer.check_refresh(&with_header(issuer, TokenType::Refresh, changes))
}

#[test]
fn no_spelling_of_none_is_accepted_as_an_algorithm() {
    for &algorithm in Algorithm::ALL {
        let issuer = TestIssuer::of(algorithm);
        for none in ["none", "None", "nOnE", "NONE", "", " none", "null"] {
            let signed = with_header(issuer, TokenType::Access, json!({ "alg": none }));
            assert_eq!(issuer.check_access(&signed), Err(TokenError::WrongAlgorithm), "{none}");
            let (message, _) = signed.rsplit_once('.').unwrap();
            let unsigned = format!("{message}.");
            assert_eq!(issuer.check_access(&unsigned), Err(TokenError::WrongAlgorithm), "{none}");
        }
    }
}

#[test]
fn only_the_algorithm_of_the_key_is_accepted() {
    const WORDS: [&str; 14] = [
        "EdDSA", "Ed25519", "ES256", "RS256", "HS256", "ES384", "ES512", "ES256K", "RS384",
        "RS512", "PS256", "HS384", "HS512", "Ed448",
    ];
    for &algorithm in Algorithm::ALL {
        for word in WORDS {
            let outcome = access_outcome(algorithm, json!({ "alg": word }));
            if word.parse() == Ok(algorithm) {
                assert!(outcome.is_ok(), "{algorithm:?} as {word}");
            } else {
                assert_eq!(outcome, Err(TokenError::WrongAlgorithm), "{algorithm:?} as {word}");
            }
        }
        for odd in [json!("eddsa"), json!("hs256"), json!("es256"), json!("rs256")] {
            let outcome = access_outcome(algorithm, json!({ "alg": odd }));
            assert_eq!(outcome, Err(TokenError::WrongAlgorithm), "{odd}");
        }
        for odd in [json!(null), json!(5), json!(["EdDSA"]), json!({})] {
            let outcome = access_outcome(algorithm, json!({ "alg": odd }));
            assert_eq!(outcome, Err(TokenError::Malformed), "{odd}");
        }
        let issuer = TestIssuer::of(algorithm);
        let missing = without(issuer, TokenType::Access, "alg");
        assert_eq!(issuer.check_access(&missing), Err(TokenError::Malformed));
    }
}

/// An attack published in 2015: the public key serves as the secret of an HMAC.
#[test]
fn a_public_key_is_never_used_as_an_hmac_secret() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Ed25519, Algorithm::Es256, Algorithm::Rs256] {
        let issuer = TestIssuer::of(algorithm);
        let jwk = issuer.key(TokenType::Access).public_jwk().unwrap();
        let jwk = serde_json::to_value(&jwk).unwrap();
        let raw = |name: &str| jwk.get(name).map(|v| URL_SAFE_NO_PAD.decode(v.as_str().unwrap()));
        let mut secrets: Vec<Vec<u8>> =
            ["x", "y", "n", "e"].iter().filter_map(|name| raw(name)).map(Result::unwrap).collect();
        // Even the private key must not work: the algorithm is of another family.
        secrets.push(issuer.material.expose().to_vec());
        secrets.push(jwk.to_string().into_bytes());
        secrets.push(vec![]);
        let mut header = issuer.header(TokenType::Access);
        header.insert("alg".to_owned(), "HS256".into());
        let claims = serde_json::to_vec(&access_claims()).unwrap();
        let message = format!("{}.{}", encode(&json_bytes(&header)), encode(&claims));
        for secret in secrets {
            let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &secret);
            let signature = aws_lc_rs::hmac::sign(&key, message.as_bytes());
            let token = format!("{message}.{}", encode(signature.as_ref()));
            assert_eq!(
                issuer.check_access(&token),
                Err(TokenError::WrongAlgorithm),
                "{algorithm:?}"
            );
        }
    }
}

#[test]
fn each_type_is_explicit_and_never_accepted_as_another() {
    for typ in ["at+jwt", "application/at+jwt", "AT+JWT", "Application/At+Jwt"] {
        assert!(access_outcome(Algorithm::EdDsa, json!({ "typ": typ })).is_ok(), "{typ}");
        assert_eq!(refresh_outcome(json!({ "typ": typ })), Err(TokenError::WrongType), "{typ}");
    }
    for typ in ["rt+jwt", "application/rt+jwt", "RT+JWT"] {
        assert!(refresh_outcome(json!({ "typ": typ })).is_ok(), "{typ}");
        let access = access_outcome(Algorithm::EdDsa, json!({ "typ": typ }));
        assert_eq!(access, Err(TokenError::WrongType), "{typ}");
    }
    for typ in [
        "JWT",
        "jwt",
        "",
        "at",
        "at+jwt ",
        "at jwt",
        "text/at+jwt",
        "application/application/at+jwt",
        "statuslist+jwt",
        "dpop+jwt",
        "id+jwt",
        "logout+jwt",
    ] {
        let access = access_outcome(Algorithm::EdDsa, json!({ "typ": typ }));
        assert_eq!(access, Err(TokenError::WrongType), "{typ}");
        assert_eq!(refresh_outcome(json!({ "typ": typ })), Err(TokenError::WrongType), "{typ}");
    }
    assert_eq!(
        access_outcome(Algorithm::EdDsa, json!({ "typ": null })),
        Err(TokenError::WrongType)
    );
    for odd in [json!(1), json!(["at+jwt"]), json!({})] {
        let outcome = access_outcome(Algorithm::EdDsa, json!({ "typ": odd }));
        assert_eq!(outcome, Err(TokenError::Malformed), "{odd}");
    }
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    let untyped = without(issuer, TokenType::Access, "typ");
    assert_eq!(issuer.check_access(&untyped), Err(TokenError::WrongType));
    let untyped = without(issuer, TokenType::Refresh, "typ");
    assert_eq!(issuer.check_refresh(&untyped), Err(TokenError::WrongType));
}

#[test]
fn a_token_of_one_type_is_never_accepted_as_the_other() {
    for &algorithm in Algorithm::ALL {
        let issuer = TestIssuer::of(algorithm);
        assert_eq!(
            issuer.check_refresh(&issuer.access()),
            Err(TokenError::WrongType),
            "{algorithm:?}"
        );
        assert_eq!(
            issuer.check_access(&issuer.refresh()),
            Err(TokenError::WrongType),
            "{algorithm:?}"
        );
    }
}

/// The bearer controls the `typ`; the issuer controls the type of the key.
#[test]
fn a_key_for_one_type_never_verifies_the_other() {
    // With HS256 for both types, the algorithm does not distinguish the keys.
    let issuer = TestIssuer::of(Algorithm::Hs256);
    let refresh_key = issuer.key(TokenType::Refresh);
    let header = json!({ "typ": "at+jwt", "alg": "HS256", "kid": refresh_key.kid() });
    let claims = serde_json::to_vec(&access_claims()).unwrap();
    let token = forge(refresh_key, header.to_string().as_bytes(), &claims);
    assert_eq!(issuer.check_access(&token), Err(TokenError::UnknownKey));
    let access_key = issuer.key(TokenType::Access);
    let header = json!({ "typ": "rt+jwt", "alg": "HS256", "kid": access_key.kid() });
    let claims = serde_json::to_vec(&refresh_claims()).unwrap();
    let token = forge(access_key, header.to_string().as_bytes(), &claims);
    assert_eq!(issuer.check_refresh(&token), Err(TokenError::UnknownKey));
}

#[test]
fn critical_extensions_are_rejected() {
    for crit in [
        json!(["b64"]),
        json!(["exp"]),
        json!(["urn:example:ext"]),
        json!([]),
        json!(null),
        json!("b64"),
        json!(false),
        json!({}),
    ] {
        let changes = json!({ "crit": crit, "b64": false, "urn:example:ext": 1 });
        let access = access_outcome(Algorithm::EdDsa, changes.clone());
        assert_eq!(access, Err(TokenError::CriticalHeader), "{crit}");
        assert_eq!(refresh_outcome(changes), Err(TokenError::CriticalHeader), "{crit}");
    }
}

/// The bearer controls URLs and keys in the header (RFC 8725 §3.10).
#[test]
fn keys_and_addresses_in_the_header_are_ignored() {
    let own = TestIssuer::new(Algorithm::EdDsa);
    let foreign_key = signing_key(TokenType::Access, Algorithm::EdDsa, &SeededRandom::new(99));
    let jwk = serde_json::to_value(foreign_key.public_jwk().unwrap()).unwrap();
    let changes = json!({
        "jwk": jwk,
        "jku": "https://attacker.example/jwks.json",
        "x5u": "https://attacker.example/cert.pem",
        "x5c": ["AAAA"],
        "x5t": "AAAA",
        "b64": false,
        "zip": "DEF",
    });
    // The signature of the real key is valid, that of the embedded key is not.
    let valid = with_header(&own, TokenType::Access, changes.clone());
    assert_eq!(own.check_access(&valid), Ok(access_claims()));
    let mut header = own.header(TokenType::Access);
    header.extend(changes.as_object().unwrap().clone());
    let claims = serde_json::to_vec(&access_claims()).unwrap();
    let invalid = forge(&foreign_key, &json_bytes(&header), &claims);
    assert_eq!(own.check_access(&invalid), Err(TokenError::InvalidSignature));
}

#[test]
fn a_token_without_a_known_key_id_is_rejected() {
    let outcome = |kid: Value| access_outcome(Algorithm::EdDsa, json!({ "kid": kid }));
    assert_eq!(outcome(json!("unknown1")), Err(TokenError::UnknownKey));
    assert_eq!(outcome(json!(null)), Err(TokenError::UnknownKey));
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    let unnamed = without(issuer, TokenType::Access, "kid");
    assert_eq!(issuer.check_access(&unnamed), Err(TokenError::UnknownKey));
    let long = "a".repeat(65);
    for odd in [
        "",
        "../../../etc/passwd",
        "/dev/null",
        "keys/active.json",
        "' OR 1=1 --",
        "a\0b",
        "a b",
        "%2e%2e",
        "é",
        &long,
    ] {
        assert_eq!(outcome(json!(odd)), Err(TokenError::Malformed), "{odd}");
    }
    for odd in [json!(1), json!([issuer.kid(TokenType::Access)]), json!({}), json!(true)] {
        assert_eq!(outcome(odd.clone()), Err(TokenError::Malformed), "{odd}");
    }
}

#[test]
fn duplicate_header_members_are_rejected() {
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    let kid = issuer.kid(TokenType::Access);
    let valid = String::from_utf8(json_bytes(&issuer.header(TokenType::Access))).unwrap();
    for duplicate in [
        r#""alg":"EdDSA""#.to_owned(),
        r#""alg":"none""#.to_owned(),
        r#""\u0061lg":"none""#.to_owned(),
        r#""typ":"at+jwt""#.to_owned(),
        format!(r#""kid":"{kid}""#),
        r#""x":1,"x":1"#.to_owned(),
    ] {
        for header in [
            format!("{{{duplicate},{}", &valid[1..]),
            valid.replace('}', &format!(",{duplicate}}}")),
        ] {
            let token = forge_with(issuer, TokenType::Access, header.as_bytes());
            assert_eq!(issuer.check_access(&token), Err(TokenError::Malformed), "{header}");
        }
    }
}
