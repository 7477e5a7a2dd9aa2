//! The header: nothing in it is believed but the name of the key (RFC 8725 §3.1, §3.2, §3.10–12).

use super::*;

/// A token whose header has `changes` made to it, signed with the real key.
fn with_header(mint: &Mint, token_type: TokenType, changes: Value) -> String {
    let mut header = mint.header(token_type);
    for (name, value) in changes.as_object().unwrap() {
        header.insert(name.clone(), value.clone());
    }
    forge_with(mint, token_type, &json_bytes(&header))
}

fn without(mint: &Mint, token_type: TokenType, name: &str) -> String {
    let mut header = mint.header(token_type);
    header.remove(name).unwrap();
    forge_with(mint, token_type, &json_bytes(&header))
}

fn forge_with(mint: &Mint, token_type: TokenType, header: &[u8]) -> String {
    let claims = match token_type {
        TokenType::Access => serde_json::to_vec(&access_claims()),
        TokenType::Refresh => serde_json::to_vec(&refresh_claims()),
    };
    mint.forge(token_type, header, &claims.unwrap())
}

fn access_outcome(algorithm: Algorithm, changes: Value) -> Result<AccessClaims, TokenError> {
    let mint = Mint::of(algorithm);
    mint.check_access(&with_header(mint, TokenType::Access, changes))
}

fn refresh_outcome(changes: Value) -> Result<RefreshClaims, TokenError> {
    let mint = Mint::of(Algorithm::EdDsa);
    mint.check_refresh(&with_header(mint, TokenType::Refresh, changes))
}

#[test]
fn no_spelling_of_none_is_an_algorithm() {
    for &algorithm in Algorithm::ALL {
        let mint = Mint::of(algorithm);
        for none in ["none", "None", "nOnE", "NONE", "", " none", "null"] {
            let signed = with_header(mint, TokenType::Access, json!({ "alg": none }));
            assert_eq!(mint.check_access(&signed), Err(TokenError::WrongAlgorithm), "{none}");
            let (message, _) = signed.rsplit_once('.').unwrap();
            let unsigned = format!("{message}.");
            assert_eq!(mint.check_access(&unsigned), Err(TokenError::WrongAlgorithm), "{none}");
        }
    }
}

#[test]
fn an_algorithm_is_its_keys_or_none() {
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
        let mint = Mint::of(algorithm);
        let missing = without(mint, TokenType::Access, "alg");
        assert_eq!(mint.check_access(&missing), Err(TokenError::Malformed));
    }
}

/// The attack of 2015: the public key, which everybody has, as the secret of an HMAC.
#[test]
fn a_public_key_is_no_secret() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256] {
        let mint = Mint::of(algorithm);
        let jwk = mint.key(TokenType::Access).public_jwk().unwrap();
        let jwk = serde_json::to_value(&jwk).unwrap();
        let raw = |name: &str| jwk.get(name).map(|v| URL_SAFE_NO_PAD.decode(v.as_str().unwrap()));
        let mut secrets: Vec<Vec<u8>> =
            ["x", "y", "n", "e"].iter().filter_map(|name| raw(name)).map(Result::unwrap).collect();
        // The private PEM too, which nobody has: even then it is another family.
        secrets.push(mint.material.expose().to_vec());
        secrets.push(jwk.to_string().into_bytes());
        secrets.push(vec![]);
        let mut header = mint.header(TokenType::Access);
        header.insert("alg".to_owned(), "HS256".into());
        let claims = serde_json::to_vec(&access_claims()).unwrap();
        let message = format!("{}.{}", encode(&json_bytes(&header)), encode(&claims));
        for secret in secrets {
            let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &secret);
            let signature = aws_lc_rs::hmac::sign(&key, message.as_bytes());
            let token = format!("{message}.{}", encode(signature.as_ref()));
            assert_eq!(mint.check_access(&token), Err(TokenError::WrongAlgorithm), "{algorithm:?}");
        }
    }
}

#[test]
fn each_type_is_named_and_none_passes_for_another() {
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
    let mint = Mint::of(Algorithm::EdDsa);
    let untyped = without(mint, TokenType::Access, "typ");
    assert_eq!(mint.check_access(&untyped), Err(TokenError::WrongType));
    let untyped = without(mint, TokenType::Refresh, "typ");
    assert_eq!(mint.check_refresh(&untyped), Err(TokenError::WrongType));
}

#[test]
fn a_whole_token_of_one_type_is_never_one_of_the_other() {
    for &algorithm in Algorithm::ALL {
        let mint = Mint::of(algorithm);
        assert_eq!(mint.check_refresh(&mint.access()), Err(TokenError::WrongType), "{algorithm:?}");
        assert_eq!(mint.check_access(&mint.refresh()), Err(TokenError::WrongType), "{algorithm:?}");
    }
}

/// The `typ` is the bearer's word; the key's type is the issuer's.
#[test]
fn a_key_of_one_type_never_vouches_for_the_other() {
    // With HS256 for both, the algorithm doesn't tell the keys apart.
    let mint = Mint::of(Algorithm::Hs256);
    let refresh_key = mint.key(TokenType::Refresh);
    let header = json!({ "typ": "at+jwt", "alg": "HS256", "kid": refresh_key.kid() });
    let claims = serde_json::to_vec(&access_claims()).unwrap();
    let token = forge(refresh_key, header.to_string().as_bytes(), &claims);
    assert_eq!(mint.check_access(&token), Err(TokenError::UnknownKey));
    let access_key = mint.key(TokenType::Access);
    let header = json!({ "typ": "rt+jwt", "alg": "HS256", "kid": access_key.kid() });
    let claims = serde_json::to_vec(&refresh_claims()).unwrap();
    let token = forge(access_key, header.to_string().as_bytes(), &claims);
    assert_eq!(mint.check_refresh(&token), Err(TokenError::UnknownKey));
}

#[test]
fn nothing_critical_is_understood() {
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

/// RFC 8725 §3.10: addresses and keys in a header are the bearer's, whatever they say.
#[test]
fn keys_and_addresses_in_the_header_are_ignored() {
    let own = Mint::new(Algorithm::EdDsa);
    let stranger = signing_key(TokenType::Access, Algorithm::EdDsa, &SeededRandom::new(99));
    let jwk = serde_json::to_value(stranger.public_jwk().unwrap()).unwrap();
    let changes = json!({
        "jwk": jwk,
        "jku": "https://attacker.example/jwks.json",
        "x5u": "https://attacker.example/cert.pem",
        "x5c": ["AAAA"],
        "x5t": "AAAA",
        "b64": false,
        "zip": "DEF",
    });
    // The real key's signature stays good, the embedded key's is worth nothing.
    let good = with_header(&own, TokenType::Access, changes.clone());
    assert_eq!(own.check_access(&good), Ok(access_claims()));
    let mut header = own.header(TokenType::Access);
    header.extend(changes.as_object().unwrap().clone());
    let claims = serde_json::to_vec(&access_claims()).unwrap();
    let bad = forge(&stranger, &json_bytes(&header), &claims);
    assert_eq!(own.check_access(&bad), Err(TokenError::InvalidSignature));
}

#[test]
fn a_key_is_named_or_nothing_is_checked() {
    let outcome = |kid: Value| access_outcome(Algorithm::EdDsa, json!({ "kid": kid }));
    assert_eq!(outcome(json!("unknown1")), Err(TokenError::UnknownKey));
    assert_eq!(outcome(json!(null)), Err(TokenError::UnknownKey));
    let mint = Mint::of(Algorithm::EdDsa);
    let unnamed = without(mint, TokenType::Access, "kid");
    assert_eq!(mint.check_access(&unnamed), Err(TokenError::UnknownKey));
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
    for odd in [json!(1), json!([mint.kid(TokenType::Access)]), json!({}), json!(true)] {
        assert_eq!(outcome(odd.clone()), Err(TokenError::Malformed), "{odd}");
    }
}

#[test]
fn no_header_name_may_stand_twice() {
    let mint = Mint::of(Algorithm::EdDsa);
    let kid = mint.kid(TokenType::Access);
    let good = String::from_utf8(json_bytes(&mint.header(TokenType::Access))).unwrap();
    for twice in [
        r#""alg":"EdDSA""#.to_owned(),
        r#""alg":"none""#.to_owned(),
        r#""\u0061lg":"none""#.to_owned(),
        r#""typ":"at+jwt""#.to_owned(),
        format!(r#""kid":"{kid}""#),
        r#""x":1,"x":1"#.to_owned(),
    ] {
        for header in
            [format!("{{{twice},{}", &good[1..]), good.replace('}', &format!(",{twice}}}"))]
        {
            let token = forge_with(mint, TokenType::Access, header.as_bytes());
            assert_eq!(mint.check_access(&token), Err(TokenError::Malformed), "{header}");
        }
    }
}
