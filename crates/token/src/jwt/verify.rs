//! Verification: from a compact token to its claims, or the reason for rejection.
//!
//! The order follows RFC 8725: type, key, signature, and only then the claims. The header is
//! trusted for nothing but the id of the key.

mod simplejwt;

use std::ops::Deref;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

pub(super) use self::simplejwt::{OWN_JTI, user_id};
pub use self::simplejwt::{SimpleJwtCheck, SimpleJwtClaims, SimpleJwtError};
use super::key::{VerifyingKey, engine_algorithm};
use super::profile::Profile;
use super::token_type::{
    MAX_STATUS_LIST_BYTES, MAX_TOKEN_BYTES, MESSAGE_TYP, STATUS_LIST_TYP, TokenType, typ_matches,
};
use crate::claims::{AccessClaims, Audiences, BearerClaims, MessageClaims, RefreshClaims};
use crate::error::TokenError;
use crate::id::{Audience, Issuer, KeyId};
use crate::json::{self, ClaimReader};
use crate::status::StatusListClaims;
use crate::time::{Leeway, Timestamp, expired};

/// Claims of a verified token. Only verification creates this type.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// Unwraps the claims.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl Verified<BearerClaims> {
    /// The same claims with those beyond RFC 9068 read as an `E`.
    ///
    /// # Errors
    /// [`TokenError::UnexpectedClaims`] when they cannot be read as an `E`.
    pub fn with_extra<E: DeserializeOwned>(self) -> Result<Verified<BearerClaims<E>>, TokenError> {
        self.0.with_extra().map(Verified)
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A source of keys for verification, in memory.
pub trait Keys {
    /// Returns the key with id `kid`, if tokens of the expected type may be signed with it.
    fn verifying_key(&self, kid: &KeyId) -> Option<&VerifyingKey>;
}

/// The rules for access tokens.
#[derive(Clone, Debug)]
pub struct AccessCheck {
    /// The expected issuer.
    pub issuer: Issuer,
    /// The accepted audiences: one of them must be in `aud`.
    pub audiences: Vec<Audience>,
    /// The tolerated clock difference.
    pub leeway: Leeway,
}

impl AccessCheck {
    /// Verifies an access token of this system at `now`: form, type, key, signature, claims,
    /// issuer, audience, `nbf` and `exp`. `iat` is never a reason for rejection.
    ///
    /// # Errors
    /// The first rule that the token breaks.
    pub fn check(
        &self,
        token: &str,
        keys: &(impl Keys + ?Sized),
        now: Timestamp,
    ) -> Result<Verified<AccessClaims>, TokenError> {
        let claims = AccessClaims::read(verified_claims(token, &ACCESS, by_key_id(keys))?)?;
        self.check_parties(&claims.iss, &claims.aud)?;
        check_times(claims.nbf, claims.exp, self.leeway, now)?;
        Ok(Verified(claims))
    }

    /// Verifies an access token of any issuer by the same rules, with claims as in `profile`. The
    /// ids of keys, clients and sessions may have any form, since RFC 9068 leaves it to the issuer.
    ///
    /// `find_key` returns the key for a `kid`, which it must only compare, or the reason for
    /// rejection. The caller is responsible for the `status`: see [`BearerClaims::status_claim`].
    ///
    /// # Errors
    /// The first rule that the token breaks; [`TokenError::UnexpectedClaims`] if the additional
    /// claims cannot be read as an `E`.
    pub fn check_bearer<'k, E: DeserializeOwned>(
        &self,
        profile: &Profile,
        token: &str,
        find_key: impl FnOnce(&str) -> Result<&'k VerifyingKey, TokenError>,
        now: Timestamp,
    ) -> Result<Verified<BearerClaims<E>>, TokenError> {
        let claims = profile.read(verified_claims(token, profile, find_key)?)?;
        self.check_parties(&claims.iss, &claims.aud)?;
        check_times(claims.nbf, claims.exp, self.leeway, now)?;
        Ok(Verified(claims))
    }

    /// Checks `nbf` and `exp` of claims that were verified earlier, at `now`.
    ///
    /// # Errors
    /// [`TokenError::Expired`] and [`TokenError::NotYetValid`].
    pub fn check_times<E>(
        &self,
        claims: &BearerClaims<E>,
        now: Timestamp,
    ) -> Result<(), TokenError> {
        check_times(claims.nbf, claims.exp, self.leeway, now)
    }

    fn check_parties(&self, iss: &Issuer, aud: &Audiences) -> Result<(), TokenError> {
        if *iss != self.issuer {
            return Err(TokenError::WrongIssuer);
        }
        if !self.audiences.iter().any(|audience| aud.contains(audience)) {
            return Err(TokenError::WrongAudience);
        }
        Ok(())
    }
}

/// The rules for status lists (draft-ietf-oauth-status-list-20 §8.3).
#[derive(Clone, Copy, Debug)]
pub struct StatusListCheck<'a> {
    /// The URL from which the list was fetched, which must be its `sub`.
    pub uri: &'a str,
    /// The tolerated clock difference.
    pub leeway: Leeway,
}

impl StatusListCheck<'_> {
    /// Verifies a status list at `now`: form, type, key, signature, claims, `sub` and `exp`; and
    /// unpacks it. `find_key` as in [`AccessCheck::check_bearer`].
    ///
    /// # Errors
    /// The first rule that the list breaks.
    pub fn check<'k>(
        &self,
        token: &str,
        find_key: impl FnOnce(&str) -> Result<&'k VerifyingKey, TokenError>,
        now: Timestamp,
    ) -> Result<Verified<StatusListClaims>, TokenError> {
        let claims = StatusListClaims::read(verified_claims(token, &STATUS_LIST, find_key)?)?;
        if claims.sub != self.uri {
            return Err(TokenError::WrongSubject);
        }
        if claims.exp.is_some_and(|exp| expired(exp, self.leeway, now)) {
            return Err(TokenError::Expired);
        }
        Ok(Verified(claims))
    }
}

/// The rules for refresh tokens. The record of the session decides whether the token may still be
/// used, including its `exp`.
#[derive(Clone, Copy, Debug)]
pub struct RefreshCheck<'a> {
    /// The issuer, which is also the audience.
    pub issuer: &'a Issuer,
}

impl RefreshCheck<'_> {
    /// Verifies a refresh token at `now`: form, type, key, signature, claims, issuer, audience and
    /// `nbf`.
    ///
    /// # Errors
    /// The first rule that the token breaks; never [`TokenError::Expired`].
    pub fn check(
        &self,
        token: &str,
        keys: &(impl Keys + ?Sized),
        now: Timestamp,
    ) -> Result<Verified<RefreshClaims>, TokenError> {
        let mut reader = verified_claims(token, &REFRESH, by_key_id(keys))?;
        let claims = RefreshClaims::read(&mut reader)?;
        if claims.iss != *self.issuer {
            return Err(TokenError::WrongIssuer);
        }
        if claims.aud != Audience::from(self.issuer) {
            return Err(TokenError::WrongAudience);
        }
        // This system never sets `nbf`, but the rule holds for any token (RFC 7519 §4.1.5).
        check_not_before(reader.optional("nbf")?, Leeway::NONE, now)?;
        Ok(Verified(claims))
    }
}

/// The rules for tokens in messages to users. Whether the token was used is decided by what it is bound
/// to.
#[derive(Clone, Copy, Debug)]
pub struct MessageCheck<'a> {
    /// The issuer.
    pub issuer: &'a Issuer,
}

impl MessageCheck<'_> {
    /// Verifies a token of a message at `now`: form, type, key, signature, claims, issuer and `exp`.
    ///
    /// # Errors
    /// The first rule that the token breaks.
    pub fn check(
        &self,
        token: &str,
        keys: &(impl Keys + ?Sized),
        now: Timestamp,
    ) -> Result<Verified<MessageClaims>, TokenError> {
        let claims = MessageClaims::read(verified_claims(token, &MESSAGE, by_key_id(keys))?)?;
        if claims.iss != *self.issuer {
            return Err(TokenError::WrongIssuer);
        }
        if expired(claims.exp, Leeway::NONE, now) {
            return Err(TokenError::Expired);
        }
        Ok(Verified(claims))
    }
}

fn check_times(
    nbf: Option<Timestamp>,
    exp: Timestamp,
    leeway: Leeway,
    now: Timestamp,
) -> Result<(), TokenError> {
    check_not_before(nbf, leeway, now)?;
    if expired(exp, leeway, now) { Err(TokenError::Expired) } else { Ok(()) }
}

fn check_not_before(
    nbf: Option<Timestamp>,
    leeway: Leeway,
    now: Timestamp,
) -> Result<(), TokenError> {
    let early = nbf.is_some_and(|nbf| now.plus(leeway.span()) < nbf);
    if early { Err(TokenError::NotYetValid) } else { Ok(()) }
}

/// Finds keys with ids in the form of this system; any other `kid` is malformed.
fn by_key_id<'k>(
    keys: &'k (impl Keys + ?Sized),
) -> impl FnOnce(&str) -> Result<&'k VerifyingKey, TokenError> {
    |kid| {
        let kid = KeyId::new(kid).map_err(|_| TokenError::Malformed)?;
        keys.verifying_key(&kid).ok_or(TokenError::UnknownKey)
    }
}

/// The header members that are used. Others, such as `jku`, `jwk` and `x5u`, are ignored
/// (RFC 8725 §3.10).
#[derive(Debug, Deserialize)]
pub(super) struct Header {
    pub(super) alg: String,
    typ: Option<String>,
    pub(super) kid: Option<String>,
    /// Whether the member is present, even as `null`.
    #[serde(default, deserialize_with = "is_present")]
    crit: bool,
}

fn is_present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

pub(super) struct Parts<'a> {
    pub(super) header: Header,
    pub(super) payload: Vec<u8>,
    signature: Vec<u8>,
    message: &'a [u8],
}

/// What is required of a token before its claims are read.
#[derive(Clone, Copy)]
struct Envelope {
    typ: &'static str,
    max_bytes: usize,
}

/// The outer form of a token: its size and its `typ`.
trait Form {
    fn max_bytes(&self) -> usize;
    fn accepts(&self, typ: Option<&str>) -> bool;
}

impl Form for Envelope {
    fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    fn accepts(&self, typ: Option<&str>) -> bool {
        typ.is_some_and(|typ| typ_matches(typ, self.typ))
    }
}

impl Form for Profile {
    fn max_bytes(&self) -> usize {
        MAX_TOKEN_BYTES
    }

    fn accepts(&self, typ: Option<&str>) -> bool {
        match typ {
            Some(typ) => self.types.iter().any(|expected| typ_matches(typ, expected)),
            None => self.missing_type,
        }
    }
}

const ACCESS: Envelope = Envelope { typ: TokenType::Access.typ(), max_bytes: MAX_TOKEN_BYTES };
const REFRESH: Envelope = Envelope { typ: TokenType::Refresh.typ(), max_bytes: MAX_TOKEN_BYTES };
const MESSAGE: Envelope = Envelope { typ: MESSAGE_TYP, max_bytes: MAX_TOKEN_BYTES };
const STATUS_LIST: Envelope = Envelope { typ: STATUS_LIST_TYP, max_bytes: MAX_STATUS_LIST_BYTES };

pub(super) fn parts(token: &str, max_bytes: usize) -> Result<Parts<'_>, TokenError> {
    if token.len() > max_bytes {
        return Err(TokenError::TooLong);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
    let header = json::object(&decode(header)?).ok_or(TokenError::Malformed)?;
    Ok(Parts {
        header: serde_json::from_value(Value::Object(header)).map_err(|_| TokenError::Malformed)?,
        payload: decode(payload)?,
        signature: decode(signature)?,
        message: message.as_bytes(),
    })
}

/// Rejects padding, other alphabets (and so a third dot) and stray trailing bits.
fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
}

fn verified_claims<'k>(
    token: &str,
    form: &impl Form,
    find_key: impl FnOnce(&str) -> Result<&'k VerifyingKey, TokenError>,
) -> Result<ClaimReader, TokenError> {
    let parts = parts(token, form.max_bytes())?;
    if parts.header.crit {
        return Err(TokenError::CriticalHeader);
    }
    if !form.accepts(parts.header.typ.as_deref()) {
        return Err(TokenError::WrongType);
    }
    ClaimReader::new(&verified_payload(parts, find_key)?)
}

/// Verifies the signature, whatever the type of the token.
fn verified_payload<'k>(
    parts: Parts<'_>,
    find_key: impl FnOnce(&str) -> Result<&'k VerifyingKey, TokenError>,
) -> Result<Vec<u8>, TokenError> {
    let Parts { header, payload, signature, message } = parts;
    let kid = header.kid.ok_or(TokenError::UnknownKey)?;
    let key = find_key(&kid)?;
    if !key.accepts(&header.alg) {
        return Err(TokenError::WrongAlgorithm);
    }
    (DEFAULT_PROVIDER.verifier_factory)(&engine_algorithm(key.algorithm), &key.decoding)
        .map_err(|_| TokenError::InvalidSignature)?
        .verify(message, &signature)
        .map_err(|_| TokenError::InvalidSignature)?;
    Ok(payload)
}

/// The `iss` of a token that has not been verified: for the choice between verifiers, each of
/// which then checks the whole token.
///
/// # Errors
/// [`TokenError`] when there is no `iss` to be read.
pub fn unverified_issuer(token: &str) -> Result<Issuer, TokenError> {
    ClaimReader::new(&parts(token, MAX_TOKEN_BYTES)?.payload)?.required("iss")
}

/// The content of a token, decoded but not verified.
#[derive(Clone, Debug)]
pub struct Unverified {
    /// The members of the header.
    pub header: Map<String, Value>,
    /// The claims.
    pub claims: Map<String, Value>,
}

/// Decodes `token` without verifying it, for display and diagnosis only.
///
/// # Errors
/// [`TokenError::TooLong`] and [`TokenError::Malformed`].
pub fn inspect(token: &str) -> Result<Unverified, TokenError> {
    let Parts { payload, .. } = parts(token, MAX_TOKEN_BYTES)?;
    let (header, _) = token.split_once('.').ok_or(TokenError::Malformed)?;
    let read = |part: &[u8]| json::object(part).ok_or(TokenError::Malformed);
    Ok(Unverified { header: read(&decode(header)?)?, claims: read(&payload)? })
}

#[cfg(test)]
mod tests;
