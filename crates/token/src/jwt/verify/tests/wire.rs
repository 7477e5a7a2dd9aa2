//! Any claims, there and back; any damage, refused.

use proptest::prelude::*;

use super::*;
use crate::testing::strategy;

/// What a stranger's bytes may be: anything, or nearly a token.
fn damage() -> impl Strategy<Value = (usize, u8, u8)> {
    (any::<usize>(), 0..4_u8, any::<u8>())
}

/// One byte of `token` replaced, taken away, put in or doubled.
fn damaged(token: &str, (place, how, byte): (usize, u8, u8)) -> String {
    let mut bytes = token.as_bytes().to_vec();
    let place = place % bytes.len();
    match how {
        0 => bytes[place] = byte % 128,
        1 => drop(bytes.remove(place)),
        2 => bytes.insert(place, byte % 128),
        _ => bytes.insert(place, bytes[place]),
    }
    String::from_utf8(bytes).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn access_claims_survive_the_wire(claims in strategy::access_claims()) {
        let mint = Mint::of(Algorithm::EdDsa);
        let token = mint.key(TokenType::Access).sign_access(&claims).unwrap();
        prop_assume!(token.expose().len() <= MAX_TOKEN_BYTES);
        let audiences = match &claims.aud {
            crate::claims::Audiences::One(one) => vec![one.clone()],
            crate::claims::Audiences::Many(many) => vec![many.last().unwrap().clone()],
        };
        let check = AccessCheck { issuer: claims.iss.clone(), audiences, leeway: Leeway::NONE };
        let keys = mint.keys(TokenType::Access);
        let alive = claims.nbf.unwrap_or(Timestamp::from_seconds(0));
        let outcome = check.check(token.expose(), &keys, alive).map(Verified::into_inner);
        if claims.exp <= alive {
            prop_assert_eq!(outcome, Err(TokenError::Expired));
        } else {
            prop_assert_eq!(outcome, Ok(claims));
        }
    }

    #[test]
    fn refresh_claims_survive_the_wire(claims in strategy::refresh_claims()) {
        let mint = Mint::of(Algorithm::EdDsa);
        let token = mint.key(TokenType::Refresh).sign_refresh(&claims).unwrap();
        let keys = mint.keys(TokenType::Refresh);
        let outcome = RefreshCheck { issuer: &claims.iss }.check(token.expose(), &keys, NOW);
        prop_assert_eq!(outcome.map(Verified::into_inner), Ok(claims));
    }

    #[test]
    fn a_damaged_token_is_refused(what in damage(), which in 0..4_usize) {
        let mint = Mint::of(Algorithm::ALL[which]);
        let (access, refresh) = (mint.access(), mint.refresh());
        let spoilt = damaged(&access, what);
        prop_assert!(spoilt == access || mint.check_access(&spoilt).is_err(), "{}", spoilt);
        let spoilt = damaged(&refresh, what);
        prop_assert!(spoilt == refresh || mint.check_refresh(&spoilt).is_err(), "{}", spoilt);
    }

    #[test]
    fn no_text_is_a_token(text in "\\PC*", parts in "[A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,40}){2}") {
        let mint = Mint::of(Algorithm::EdDsa);
        for text in [text, parts] {
            prop_assert!(mint.check_access(&text).is_err());
            prop_assert!(mint.check_refresh(&text).is_err());
            let _ = inspect(&text);
        }
    }

    #[test]
    fn no_json_under_a_good_signature_breaks_the_check(extra in strategy::extra_claims()) {
        let mint = Mint::of(Algorithm::EdDsa);
        let header = json_bytes(&mint.header(TokenType::Access));
        let token = mint.forge(TokenType::Access, &header, &json_bytes(&extra));
        prop_assert_eq!(mint.check_access(&token), Err(TokenError::MissingClaim { claim: "iss" }));
    }
}
