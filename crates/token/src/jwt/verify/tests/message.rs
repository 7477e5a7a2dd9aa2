//! Tokens in messages: their own type, with the keys of refresh tokens.

use super::*;
use crate::claims::{MessageBinding, MessageKind};

fn claims(kind: MessageKind) -> MessageClaims {
    MessageClaims {
        iss: fixture::issuer(),
        sub: fixture::subject(1),
        kind,
        binding: MessageBinding::from_bytes([5; 16]),
        email: (kind == MessageKind::Change).then(|| "ann@example.com".to_owned()),
        exp: NOW.plus(std::time::Duration::from_secs(3600)),
    }
}

fn check(token: &str, seconds: u64) -> Result<MessageClaims, TokenError> {
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    let now = NOW.plus(std::time::Duration::from_secs(seconds));
    let check = MessageCheck { issuer: &fixture::issuer() };
    check.check(token, &issuer.keys(TokenType::Refresh), now).map(Verified::into_inner)
}

#[test]
fn message_tokens_round_trip_until_they_expire() {
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    for kind in [MessageKind::Reset, MessageKind::Verify, MessageKind::Change] {
        let token = issuer.key(TokenType::Refresh).sign_message(&claims(kind)).unwrap();
        assert_eq!(check(token.expose(), 3599), Ok(claims(kind)));
        assert_eq!(check(token.expose(), 3600), Err(TokenError::Expired));
        let other = MessageClaims {
            iss: Issuer::new("https://other.example.com").unwrap(),
            ..claims(kind)
        };
        let foreign = issuer.key(TokenType::Refresh).sign_message(&other).unwrap();
        assert_eq!(check(foreign.expose(), 0), Err(TokenError::WrongIssuer));
    }
}

#[test]
fn message_tokens_are_never_accepted_as_others_nor_others_as_them() {
    let issuer = TestIssuer::of(Algorithm::EdDsa);
    let token = issuer.key(TokenType::Refresh).sign_message(&claims(MessageKind::Reset)).unwrap();
    assert_eq!(issuer.check_refresh(token.expose()), Err(TokenError::WrongType));
    assert_eq!(issuer.check_access(token.expose()), Err(TokenError::WrongType));
    assert_eq!(check(&issuer.refresh(), 0), Err(TokenError::WrongType));
    assert_eq!(check(&issuer.access(), 0), Err(TokenError::WrongType));
    let by_access_key = issuer.key(TokenType::Access).sign_message(&claims(MessageKind::Reset));
    assert_eq!(check(by_access_key.unwrap().expose(), 0), Err(TokenError::UnknownKey));
}
