//! The signature: of this key, over these bytes, or the token is nobody's.

use super::form::parts_of;
use super::*;

#[test]
fn no_bit_of_a_signature_may_flip() {
    for &algorithm in Algorithm::ALL {
        let mint = Mint::of(algorithm);
        let token = mint.access();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        for bit in 0..signature.len() * 8 {
            let mut flipped = signature.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let token = format!("{message}.{}", encode(&flipped));
            assert_eq!(
                mint.check_access(&token),
                Err(TokenError::InvalidSignature),
                "{algorithm:?}, bit {bit}"
            );
        }
    }
}

#[test]
fn a_signature_of_another_length_is_refused() {
    for &algorithm in Algorithm::ALL {
        let mint = Mint::of(algorithm);
        let token = mint.access();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let longer = [&signature[..], &[0]].concat();
        let twice = [&signature[..], &signature[..]].concat();
        let zeros = vec![0; signature.len()];
        let first_half = &signature[..signature.len() / 2];
        for bad in [&[][..], &[0], first_half, &longer, &twice, &zeros] {
            let token = format!("{message}.{}", encode(bad));
            assert_eq!(
                mint.check_access(&token),
                Err(TokenError::InvalidSignature),
                "{algorithm:?}"
            );
        }
    }
}

#[test]
fn a_signature_of_another_key_is_refused() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Hs256] {
        let mint = Mint::of(algorithm);
        let stranger = signing_key(TokenType::Access, algorithm, &SeededRandom::new(1234));
        // Under the name of the real key.
        let header = json_bytes(&mint.header(TokenType::Access));
        let claims = serde_json::to_vec(&access_claims()).unwrap();
        let token = forge(&stranger, &header, &claims);
        assert_eq!(mint.check_access(&token), Err(TokenError::InvalidSignature), "{algorithm:?}");
    }
}

#[test]
fn the_next_keys_signature_under_the_active_keys_name_is_refused() {
    for &algorithm in Algorithm::ALL {
        let mint = Mint::of(algorithm);
        let next = &mint.access[1];
        let header = json_bytes(&mint.header(TokenType::Access));
        let claims = serde_json::to_vec(&access_claims()).unwrap();
        let token = forge(next, &header, &claims);
        assert_eq!(mint.check_access(&token), Err(TokenError::InvalidSignature), "{algorithm:?}");
        // Under its own name it is good already: verifiers learn of it before it signs.
        let own = forge(
            next,
            json!({ "typ": "at+jwt", "alg": algorithm.as_str(), "kid": next.kid() })
                .to_string()
                .as_bytes(),
            &claims,
        );
        assert!(mint.check_access(&own).is_ok(), "{algorithm:?}");
    }
}

#[test]
fn parts_of_good_tokens_make_no_good_token() {
    for &algorithm in Algorithm::ALL {
        let mint = Mint::of(algorithm);
        let one = mint.access();
        let mut claims = access_claims();
        claims.sub = fixture::subject(2);
        let two = mint.key(TokenType::Access).sign_access(&claims).unwrap();
        let [header, mine, my_signature] = parts_of(&one);
        let [_, theirs, their_signature] = parts_of(two.expose());
        for spliced in [
            format!("{header}.{theirs}.{my_signature}"),
            format!("{header}.{mine}.{their_signature}"),
        ] {
            assert_eq!(
                mint.check_access(&spliced),
                Err(TokenError::InvalidSignature),
                "{algorithm:?}"
            );
        }
    }
}

/// RFC 8725 §3.2 warns of random nonces; for refresh tokens it must also be the same token again.
#[test]
fn the_same_claims_are_the_same_refresh_token() {
    let mint = Mint::of(Algorithm::EdDsa);
    assert_eq!(mint.refresh(), mint.refresh());
    let elsewhere = std::thread::spawn(|| Mint::of(Algorithm::EdDsa).refresh()).join().unwrap();
    assert_eq!(elsewhere, mint.refresh());
    // Another replica reads the same record.
    assert_eq!(Mint::new(Algorithm::EdDsa).refresh(), mint.refresh());
}
