//! Generated claims round-trip, and damaged tokens are rejected.

use proptest::prelude::*;

use super::*;
use crate::testing::strategy;

/// A position, the kind of change, and a byte for it.
fn damage() -> impl Strategy<Value = (usize, u8, u8)> {
    (any::<usize>(), 0..4_u8, any::<u8>())
}

/// `token` with one byte replaced, removed, inserted or repeated.
fn damaged(token: &str, (position, how, byte): (usize, u8, u8)) -> String {
    let mut bytes = token.as_bytes().to_vec();
    let position = position % bytes.len();
    match how {
        0 => bytes[position] = byte % 128,
        1 => drop(bytes.remove(position)),
        2 => bytes.insert(position, byte % 128),
        _ => bytes.insert(position, bytes[position]),
    }
    String::from_utf8(bytes).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn access_claims_round_trip(claims in strategy::access_claims()) {
        let issuer = TestIssuer::of(Algorithm::EdDsa);
        let token = issuer.key(TokenType::Access).sign_access(&claims).unwrap();
        prop_assume!(token.expose().len() <= MAX_TOKEN_BYTES);
        let audiences = match &claims.aud {
            crate::claims::Audiences::One(one) => vec![one.clone()],
            crate::claims::Audiences::Many(many) => vec![many.last().unwrap().clone()],
        };
        let check = AccessCheck { issuer: claims.iss.clone(), audiences, leeway: Leeway::NONE };
        let keys = issuer.keys(TokenType::Access);
        let alive = claims.nbf.unwrap_or(Timestamp::from_seconds(0));
        let outcome = check.check(token.expose(), &keys, alive).map(Verified::into_inner);
        if claims.exp <= alive {
            prop_assert_eq!(outcome, Err(TokenError::Expired));
        } else {
            prop_assert_eq!(outcome, Ok(claims));
        }
    }

    #[test]
    fn refresh_claims_round_trip(claims in strategy::refresh_claims()) {
        let issuer = TestIssuer::of(Algorithm::EdDsa);
        let token = issuer.key(TokenType::Refresh).sign_refresh(&claims).unwrap();
        let keys = issuer.keys(TokenType::Refresh);
        let outcome = RefreshCheck { issuer: &claims.iss }.check(token.expose(), &keys, NOW);
        prop_assert_eq!(outcome.map(Verified::into_inner), Ok(claims));
    }

    #[test]
    fn a_damaged_token_is_rejected(what in damage(), which in 0..4_usize) {
        let issuer = TestIssuer::of(Algorithm::ALL[which]);
        let (access, refresh) = (issuer.access(), issuer.refresh());
        let changed = damaged(&access, what);
        prop_assert!(changed == access || issuer.check_access(&changed).is_err(), "{}", changed);
        let changed = damaged(&refresh, what);
        prop_assert!(changed == refresh || issuer.check_refresh(&changed).is_err(), "{}", changed);
    }

    #[test]
    fn arbitrary_text_is_rejected(text in "\\PC*", parts in "[A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,40}){2}") {
        let issuer = TestIssuer::of(Algorithm::EdDsa);
        for text in [text, parts] {
            prop_assert!(issuer.check_access(&text).is_err());
            prop_assert!(issuer.check_refresh(&text).is_err());
            let _ = inspect(&text);
        }
    }

    #[test]
    fn arbitrary_signed_claims_are_rejected_without_a_panic(extra in strategy::extra_claims()) {
        let issuer = TestIssuer::of(Algorithm::EdDsa);
        let header = json_bytes(&issuer.header(TokenType::Access));
        let token = issuer.forge(TokenType::Access, &header, &json_bytes(&extra));
        prop_assert_eq!(issuer.check_access(&token), Err(TokenError::MissingClaim { claim: "iss" }));
    }
}
