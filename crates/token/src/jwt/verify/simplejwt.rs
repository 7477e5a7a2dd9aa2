//! Tokens of djangorestframework-simplejwt, signed with HS256: what its users hold when they move here.
//!
//! They have no issuer, no audience and no key id. Their key signs nothing here, except the
//! [form](super::super::DjangoForm) of refresh tokens that Django accepts too.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use thiserror::Error;

use super::{Parts, Verified, parts};
use crate::json::ClaimReader;
use crate::jwt::MAX_TOKEN_BYTES;
use crate::time::{Leeway, Timestamp, expired};

/// What the `jti` of a token of this system in the form of Django begins with. Django never makes one.
pub(in crate::jwt) const OWN_JTI: &str = "aquaware.";

/// How far the clock of Django may be ahead.
const MAX_CLOCK_LEAD: std::time::Duration = std::time::Duration::from_secs(5);

/// Checks tokens of djangorestframework-simplejwt.
pub struct SimpleJwtCheck {
    key: hmac::Key,
    user_id_claim: String,
}

/// The claims of such a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimpleJwtClaims {
    /// `token_type`: `refresh`, `access` or `sliding`.
    pub token_type: Option<String>,
    /// `jti`, unique among tokens.
    pub jti: String,
    /// The id of the user, from a text or a number.
    pub user_id: Option<String>,
    /// `iat`; the epoch if it is missing.
    pub issued_at: Timestamp,
    /// `exp`.
    pub expires_at: Timestamp,
}

/// Why such a token is rejected, in the words of that library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SimpleJwtError {
    /// The token is malformed, or signed with another key or algorithm.
    #[error("Token is invalid")]
    Invalid,
    /// The token has expired.
    #[error("Token is expired")]
    Expired,
    /// The token never expires.
    #[error("Token has no 'exp' claim")]
    NoExpiry,
    /// The token has no `jti`.
    #[error("Token has no id")]
    NoId,
    /// The token has no `token_type`.
    #[error("Token has no type")]
    NoType,
    /// The token has another `token_type`.
    #[error("Token has wrong type")]
    WrongType,
}

impl SimpleJwtCheck {
    /// Checks signatures with `key` and reads the user from the claim `user_id_claim`.
    #[must_use]
    pub fn new(key: &[u8], user_id_claim: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        Self { key, user_id_claim: user_id_claim.to_owned() }
    }

    /// Checks signature and times of a token of any type, in the order of that library.
    ///
    /// # Errors
    /// The first rule that the token breaks.
    pub fn check(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Verified<SimpleJwtClaims>, SimpleJwtError> {
        const INVALID: SimpleJwtError = SimpleJwtError::Invalid;
        let Parts { header, payload, signature, message } =
            parts(token, MAX_TOKEN_BYTES).map_err(|_| INVALID)?;
        let is_jwt = header.typ.is_none_or(|typ| typ.eq_ignore_ascii_case("JWT"));
        if header.alg != "HS256" || header.crit || !is_jwt {
            return Err(INVALID);
        }
        hmac::verify(&self.key, message, &signature).map_err(|_| INVALID)?;
        let mut claims = ClaimReader::new(&payload).map_err(|_| INVALID)?;
        let mut instant = |claim| claims.optional::<Timestamp>(claim).map_err(|_| INVALID);
        let (issued_at, not_before) = (instant("iat")?, instant("nbf")?);
        let expires_at = instant("exp")?;
        let latest = issued_at.into_iter().chain(not_before).max();
        if latest.is_some_and(|latest| latest > now.plus(MAX_CLOCK_LEAD)) {
            return Err(INVALID);
        }
        let expires_at = expires_at.ok_or(SimpleJwtError::NoExpiry)?;
        if expired(expires_at, Leeway::NONE, now) {
            return Err(SimpleJwtError::Expired);
        }
        let jti: Option<String> = claims.optional("jti").map_err(|_| INVALID)?;
        // A token of this system in the form of Django is checked as one of this system.
        if jti.as_deref().is_some_and(|jti| jti.starts_with(OWN_JTI)) {
            return Err(INVALID);
        }
        let token_type = claims.optional("token_type").map_err(|_| INVALID)?;
        Ok(Verified(SimpleJwtClaims {
            token_type,
            jti: jti.filter(|jti| !jti.is_empty()).ok_or(SimpleJwtError::NoId)?,
            user_id: user_id(claims.rest().remove(&self.user_id_claim)),
            issued_at: issued_at.unwrap_or(Timestamp::from_millis(0)),
            expires_at,
        }))
    }

    /// Whether `token` is signed with this key, whatever its claims.
    #[must_use]
    pub fn is_signed(&self, token: &str) -> bool {
        parts(token, MAX_TOKEN_BYTES).is_ok_and(|Parts { header, signature, message, .. }| {
            header.alg == "HS256" && hmac::verify(&self.key, message, &signature).is_ok()
        })
    }

    /// Signs `claims` as Django does.
    pub(in crate::jwt) fn sign(&self, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(&json!({ "alg": "HS256", "typ": "JWT" }));
        let message = format!("{header}.{}", part(claims));
        let tag = hmac::sign(&self.key, message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// Like [`SimpleJwtCheck::check`], for refresh tokens only.
    ///
    /// # Errors
    /// The first rule that the token breaks.
    pub fn check_refresh(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Verified<SimpleJwtClaims>, SimpleJwtError> {
        let claims = self.check(token, now)?;
        match claims.token_type.as_deref() {
            Some("refresh") => Ok(claims),
            Some(_) => Err(SimpleJwtError::WrongType),
            None => Err(SimpleJwtError::NoType),
        }
    }
}

pub(in crate::jwt) fn user_id(claim: Option<Value>) -> Option<String> {
    match claim? {
        Value::String(text) => Some(text),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

impl fmt::Debug for SimpleJwtCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimpleJwtCheck")
            .field("user_id_claim", &self.user_id_claim)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    const KEY: &[u8] = b"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";
    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn signed(header: &Value, claims: &Value, key: &[u8]) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    fn token(changes: &[(&str, Value)]) -> String {
        let mut claims = json!({
            "token_type": "refresh", "exp": 1_790_000_100, "iat": 1_790_000_000, "jti": "3fca",
            "user_id": "1",
        });
        for (name, value) in changes {
            claims[*name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        signed(&json!({ "alg": "HS256", "typ": "JWT" }), &claims, KEY)
    }

    fn check(token: &str) -> Result<SimpleJwtClaims, SimpleJwtError> {
        let check = SimpleJwtCheck::new(KEY, "user_id");
        check.check_refresh(token, NOW).map(Verified::into_inner)
    }

    #[test]
    fn a_token_of_simplejwt_5_5_is_read() {
        // Made by Django; expires 2026-12-01.
        let made = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2tlbl90eXBlIjoicmVmcmVzaCIsImV4cCI6MTc5NjE0NDgyNCwiaWF0IjoxNzk2MDU4NDI0LCJqdGkiOiIzZmNhNjIyNjE4ZTA0NWI0YmM4YmJkYzYxMjY5ZGU0OCIsInVzZXJfaWQiOiIxIn0.UpP5XLy4gyJ8XbUH_Hv03dDVNWIcJDyXR-sv7a_zlDg";
        let check = SimpleJwtCheck::new(KEY, "user_id");
        let at = |seconds| check.check_refresh(made, Timestamp::from_seconds(seconds));
        let claims = at(1_796_058_424).unwrap();
        assert_eq!(claims.user_id.as_deref(), Some("1"));
        assert_eq!(claims.jti, "3fca622618e045b4bc8bbdc61269de48");
        assert_eq!(claims.expires_at.seconds(), 1_796_144_824);
        assert_eq!(at(1_796_144_824).unwrap_err(), SimpleJwtError::Expired);
    }

    #[test]
    fn every_broken_rule_has_the_words_of_that_library() {
        use SimpleJwtError::{Expired, Invalid, NoExpiry, NoId, NoType, WrongType};
        for (changes, error) in [
            (("exp", json!(1_790_000_000)), Expired),
            (("exp", json!(null)), NoExpiry),
            (("exp", json!("1790000100")), Invalid),
            (("iat", json!(1_790_000_006)), Invalid),
            (("nbf", json!(1_790_000_006)), Invalid),
            (("jti", json!(null)), NoId),
            (("jti", json!("")), NoId),
            (("jti", json!(5)), Invalid),
            (("token_type", json!(null)), NoType),
            (("token_type", json!("access")), WrongType),
            (("token_type", json!(5)), Invalid),
        ] {
            assert_eq!(check(&token(std::slice::from_ref(&changes))), Err(error), "{changes:?}");
        }
        assert_eq!(check(&token(&[("user_id", json!(7))])).unwrap().user_id.unwrap(), "7");
        assert_eq!(check(&token(&[("user_id", json!([7]))])).unwrap().user_id, None);
    }

    #[test]
    fn only_hs256_with_this_key_is_accepted() {
        let claims = json!({ "token_type": "refresh", "exp": 1_790_000_100, "jti": "a" });
        let with = |header: Value, key: &[u8]| check(&signed(&header, &claims, key));
        assert!(with(json!({ "alg": "HS256" }), KEY).is_ok());
        assert!(with(json!({ "alg": "HS256" }), b"another key").is_err());
        for header in [
            json!({ "alg": "none" }),
            json!({ "alg": "HS512" }),
            json!({ "alg": "hs256" }),
            json!({ "alg": "HS256", "crit": ["b64"] }),
            json!({ "alg": "HS256", "typ": "at+jwt" }),
        ] {
            assert_eq!(with(header.clone(), KEY), Err(SimpleJwtError::Invalid), "{header}");
        }
        for text in ["", "x", "x.y.z", "e30.e30.", &format!("{}x", token(&[]))] {
            assert_eq!(check(text), Err(SimpleJwtError::Invalid), "{text}");
        }
    }

    #[test]
    fn formatting_hides_the_key() {
        let text = format!("{:?}", SimpleJwtCheck::new(KEY, "user_id"));
        assert_eq!(text, "SimpleJwtCheck { user_id_claim: \"user_id\", .. }");
    }
}
