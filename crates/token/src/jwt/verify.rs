//! Checking: a compact token to claims, or the reason why not.
//!
//! The order is that of RFC 8725: what it claims to be, whose key, the signature, and only then
//! what it says. Nothing in the header is believed but the name of the key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::json;
use super::key::VerifyingKey;
use super::{
    Algorithm, MAX_STATUS_LIST_BYTES, MAX_TOKEN_BYTES, STATUS_LIST, TokenError, TokenType,
    Verified, is_named,
};
use crate::claims::{AccessClaims, Audiences, BearerClaims, RefreshClaims};
use crate::id::{Audience, Issuer, KeyId};
use crate::status::StatusListClaims;
use crate::time::{Leeway, Timestamp, expired};

/// Where the checking finds keys: in memory, by name.
pub trait Keys {
    /// The key of that name, if it is good for the tokens in question.
    fn verifying(&self, kid: &KeyId) -> Option<&VerifyingKey>;
}

/// What makes an access token good.
#[derive(Clone, Debug)]
pub struct AccessCheck {
    /// Who must have issued it.
    pub issuer: Issuer,
    /// One of these must be in its `aud`.
    pub audiences: Vec<Audience>,
    /// How far the checker's clock may be behind.
    pub leeway: Leeway,
}

impl AccessCheck {
    /// Checks `token` at `now`: form, type, key, signature, issuer, audience, `nbf`, `exp`.
    /// `iat` is never a reason to refuse.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(
        &self,
        token: &str,
        keys: &(impl Keys + ?Sized),
        now: Timestamp,
    ) -> Result<Verified<AccessClaims>, TokenError> {
        let claims: AccessClaims = verified_claims(token, ACCESS, own(keys))?;
        self.judge(&claims.iss, &claims.aud)?;
        self.judge_time(claims.nbf, claims.exp, now)?;
        Ok(Verified(claims))
    }

    /// Checks `token` by the same rules, whoever issued it: only the names that RFC 9068 leaves to
    /// the issuer, of keys, clients and sessions, may have any form.
    ///
    /// `find` gives the key of a name, which it may compare and nothing else, or says why it
    /// doesn't. The `status` is for the caller to read and judge: [`BearerClaims::status_claim`].
    ///
    /// # Errors
    /// The first rule that it breaks; what isn't an `E` is [`TokenError::Claims`].
    pub fn check_bearer<'k, E: DeserializeOwned>(
        &self,
        token: &str,
        find: impl FnOnce(&str) -> Result<&'k VerifyingKey, TokenError>,
        now: Timestamp,
    ) -> Result<Verified<BearerClaims<E>>, TokenError> {
        let claims: BearerClaims<E> = verified_claims(token, ACCESS, find)?;
        self.judge(&claims.iss, &claims.aud)?;
        self.judge_time(claims.nbf, claims.exp, now)?;
        Ok(Verified(claims))
    }

    fn judge(&self, iss: &Issuer, aud: &Audiences) -> Result<(), TokenError> {
        if *iss != self.issuer {
            return Err(TokenError::Issuer);
        }
        if !self.audiences.iter().any(|name| aud.contains(name)) {
            return Err(TokenError::Audience);
        }
        Ok(())
    }

    fn judge_time(
        &self,
        nbf: Option<Timestamp>,
        exp: Timestamp,
        now: Timestamp,
    ) -> Result<(), TokenError> {
        if nbf.is_some_and(|nbf| now.plus(self.leeway.span()) < nbf) {
            return Err(TokenError::NotYet);
        }
        if expired(exp, self.leeway, now) {
            return Err(TokenError::Expired);
        }
        Ok(())
    }
}

/// What makes a status list good (draft-ietf-oauth-status-list-20 §8.3).
#[derive(Clone, Copy, Debug)]
pub struct StatusListCheck<'a> {
    /// Where the list was found: its `sub`.
    pub uri: &'a str,
    /// How far the checker's clock may be behind.
    pub leeway: Leeway,
}

impl StatusListCheck<'_> {
    /// Checks form, type, key, signature, `sub` and `exp` of `token`, and unpacks the list. `find`
    /// as in [`AccessCheck::check_bearer`].
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check<'k>(
        &self,
        token: &str,
        find: impl FnOnce(&str) -> Result<&'k VerifyingKey, TokenError>,
        now: Timestamp,
    ) -> Result<Verified<StatusListClaims>, TokenError> {
        let claims: StatusListClaims = verified_claims(token, STATUS, find)?;
        if claims.sub != self.uri {
            return Err(TokenError::Subject);
        }
        if claims.exp.is_some_and(|exp| expired(exp, self.leeway, now)) {
            return Err(TokenError::Expired);
        }
        Ok(Verified(claims))
    }
}

/// Looks among keys whose names have this system's form; a name of another form is malformed.
fn own<'k>(
    keys: &'k (impl Keys + ?Sized),
) -> impl FnOnce(&str) -> Result<&'k VerifyingKey, TokenError> {
    |kid| {
        let kid = KeyId::new(kid).map_err(|_| TokenError::Malformed)?;
        keys.verifying(&kid).ok_or(TokenError::UnknownKey)
    }
}

/// What makes a refresh token one of this issuer's. Whether it may still be used, its `exp`
/// included, is for the caller to decide by the record of the session.
#[derive(Clone, Copy, Debug)]
pub struct RefreshCheck<'a> {
    /// Who must have issued it, for itself.
    pub issuer: &'a Issuer,
}

impl RefreshCheck<'_> {
    /// Checks form, type, key, signature, issuer and audience of `token`.
    ///
    /// # Errors
    /// The first rule that it breaks; never [`TokenError::Expired`].
    pub fn check(
        &self,
        token: &str,
        keys: &(impl Keys + ?Sized),
    ) -> Result<Verified<RefreshClaims>, TokenError> {
        let claims: RefreshClaims = verified_claims(token, REFRESH, own(keys))?;
        if claims.iss != *self.issuer {
            return Err(TokenError::Issuer);
        }
        if claims.aud != Audience::from(self.issuer) {
            return Err(TokenError::Audience);
        }
        Ok(Verified(claims))
    }
}

/// The header members that mean something here. `jku`, `jwk`, `x5u` and their like are ignored
/// (RFC 8725 §3.10).
#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    /// Whether there is one, `null` included.
    #[serde(default, deserialize_with = "is_there")]
    crit: bool,
}

fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

struct Parts<'a> {
    header: Header,
    claims: Vec<u8>,
    signature: Vec<u8>,
    message: &'a [u8],
}

/// What a token must be before anything in it is read: its `typ`, and how long it may be.
#[derive(Clone, Copy)]
struct Kind(&'static str, usize);

const ACCESS: Kind = Kind(TokenType::Access.word(), MAX_TOKEN_BYTES);
const REFRESH: Kind = Kind(TokenType::Refresh.word(), MAX_TOKEN_BYTES);
const STATUS: Kind = Kind(STATUS_LIST, MAX_STATUS_LIST_BYTES);

fn parts(token: &str, most: usize) -> Result<Parts<'_>, TokenError> {
    if token.len() > most {
        return Err(TokenError::TooLong);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, claims) = message.split_once('.').ok_or(TokenError::Malformed)?;
    // The engine refuses padding, foreign characters (a third dot too) and stray trailing bits.
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed);
    Ok(Parts {
        header: json::object(&decode(header)?).ok_or(TokenError::Malformed)?,
        claims: decode(claims)?,
        signature: decode(signature)?,
        message: message.as_bytes(),
    })
}

fn verified_claims<'k, T: DeserializeOwned>(
    token: &str,
    Kind(word, most): Kind,
    find: impl FnOnce(&str) -> Result<&'k VerifyingKey, TokenError>,
) -> Result<T, TokenError> {
    let Parts { header, claims, signature, message } = parts(token, most)?;
    if header.crit {
        return Err(TokenError::Critical);
    }
    if !header.typ.is_some_and(|typ| is_named(&typ, word)) {
        return Err(TokenError::Type);
    }
    let kid = header.kid.ok_or(TokenError::UnknownKey)?;
    let key = find(&kid)?;
    if Algorithm::from_word(&header.alg) != Some(key.algorithm) {
        return Err(TokenError::Algorithm);
    }
    (DEFAULT_PROVIDER.verifier_factory)(&key.algorithm.into(), &key.decoding)
        .map_err(|_| TokenError::Signature)?
        .verify(message, &signature)
        .map_err(|_| TokenError::Signature)?;
    json::object(&claims).ok_or(TokenError::Claims)
}

/// A token taken apart for a person to look at. Nothing in it is proven.
#[derive(Clone, Debug)]
pub struct Unverified {
    /// The header as it stands.
    pub header: Map<String, Value>,
    /// The claims as they stand.
    pub claims: Map<String, Value>,
}

/// Takes `token` apart without checking anything about it.
///
/// # Errors
/// [`TokenError::TooLong`] and [`TokenError::Malformed`].
pub fn inspect(token: &str) -> Result<Unverified, TokenError> {
    let Parts { claims, message, .. } = parts(token, MAX_TOKEN_BYTES)?;
    let header = message.split(|byte| *byte == b'.').next().unwrap_or_default();
    let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| TokenError::Malformed)?;
    let read = |part: &[u8]| json::object(part).ok_or(TokenError::Malformed);
    Ok(Unverified { header: read(&header)?, claims: read(&claims)? })
}

#[cfg(test)]
mod tests;
