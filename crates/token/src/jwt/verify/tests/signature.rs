//! The signature: it must be made with this key over these bytes.

use super::form::parts_of;
use super::*;

#[test]
fn a_flipped_bit_invalidates_the_signature() {
    for &algorithm in Algorithm::ALL {
        let issuer = TestIssuer::of(algorithm);
        let token = issuer.access();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        for bit in 0..signature.len() * 8 {
            let mut flipped = signature.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let token = format!("{message}.{}", encode(&flipped));
            assert_eq!(
                issuer.check_access(&token),
                Err(TokenError::InvalidSignature),
                "{algorithm:?}, bit {bit}"
            );
        }
    }
}

#[test]
fn a_signature_of_another_length_is_rejected() {
    for &algorithm in Algorithm::ALL {
        let issuer = TestIssuer::of(algorithm);
        let token = issuer.access();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let longer = [&signature[..], &[0]].concat();
        let duplicate = [&signature[..], &signature[..]].concat();
        let zeros = vec![0; signature.len()];
        let first_half = &signature[..signature.len() / 2];
        for invalid in [&[][..], &[0], first_half, &longer, &duplicate, &zeros] {
            let token = format!("{message}.{}", encode(invalid));
            assert_eq!(
                issuer.check_access(&token),
                Err(TokenError::InvalidSignature),
                "{algorithm:?}"
            );
        }
    }
}

#[test]
fn a_signature_of_another_key_is_rejected() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Hs256] {
        let issuer = TestIssuer::of(algorithm);
        let foreign_key = signing_key(TokenType::Access, algorithm, &SeededRandom::new(1234));
        // Under the id of the real key.
        let header = json_bytes(&issuer.header(TokenType::Access));
        let claims = serde_json::to_vec(&access_claims()).unwrap();
        let token = forge(&foreign_key, &header, &claims);
        assert_eq!(issuer.check_access(&token), Err(TokenError::InvalidSignature), "{algorithm:?}");
    }
}

#[test]
fn a_signature_of_the_next_key_under_the_id_of_the_active_key_is_rejected() {
    for &algorithm in Algorithm::ALL {
        let issuer = TestIssuer::of(algorithm);
        let next = &issuer.access[1];
        let header = json_bytes(&issuer.header(TokenType::Access));
        let claims = serde_json::to_vec(&access_claims()).unwrap();
        let token = forge(next, &header, &claims);
        assert_eq!(issuer.check_access(&token), Err(TokenError::InvalidSignature), "{algorithm:?}");
        // Under its own id it is valid: keys are published before they sign.
        let own = forge(
            next,
            json!({ "typ": "at+jwt", "alg": algorithm.as_str(), "kid": next.kid() })
                .to_string()
                .as_bytes(),
            &claims,
        );
        assert!(issuer.check_access(&own).is_ok(), "{algorithm:?}");
    }
}

#[test]
fn parts_of_valid_tokens_cannot_be_recombined() {
    for &algorithm in Algorithm::ALL {
        let issuer = TestIssuer::of(algorithm);
        let one = issuer.access();
        let mut claims = access_claims();
        claims.sub = fixture::subject(2);
        let two = issuer.key(TokenType::Access).sign_access(&claims).unwrap();
        let [header, mine, my_signature] = parts_of(&one);
        let [_, theirs, their_signature] = parts_of(two.expose());
        for spliced in [
            format!("{header}.{theirs}.{my_signature}"),
            format!("{header}.{mine}.{their_signature}"),
        ] {
            assert_eq!(
                issuer.check_access(&spliced),
                Err(TokenError::InvalidSignature),
                "{algorithm:?}"
            );
        }
    }
}

/// Refresh tokens must be reproducible; RFC 8725 §3.2 also warns against random nonces.
#[test]
fn equal_claims_give_equal_refresh_tokens() {
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    assert_eq!(issuer.refresh(), issuer.refresh());
    let elsewhere =
        std::thread::spawn(|| TestIssuer::of(Algorithm::EdDsa).refresh()).join().unwrap();
    assert_eq!(elsewhere, issuer.refresh());
    // Another replica has the same keys.
    assert_eq!(TestIssuer::new(Algorithm::EdDsa).refresh(), issuer.refresh());
}
