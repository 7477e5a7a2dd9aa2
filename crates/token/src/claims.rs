//! What tokens say: claims of access and refresh tokens, scopes, and extra claims.
//!
//! The field order below is the order on the wire, so the same claims are the same bytes.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::id::{Audience, ClientId, Generation, Issuer, SessionId, Subject};
use crate::jwt::TokenError;
use crate::status::StatusClaim;
use crate::time::Timestamp;

/// Claims beyond those that this crate knows, such as roles or a tenant.
pub type ExtraClaims = Map<String, Value>;

/// A set of scope tokens (RFC 6749 §3.3), in order, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope(BTreeSet<String>);

/// A text that is no list of scope tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a list of scope tokens")]
pub struct InvalidScope;

impl Scope {
    /// Reads a space-delimited list; an empty one is no scope at all.
    ///
    /// # Errors
    /// [`InvalidScope`] for characters outside RFC 6749 §3.3 or more than 1024 bytes.
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        Self::from_tokens(text.split(' ').filter(|token| !token.is_empty()))
    }

    /// The set of these tokens.
    ///
    /// # Errors
    /// As [`Scope::parse`].
    pub fn from_tokens<'a>(tokens: impl Iterator<Item = &'a str>) -> Result<Self, InvalidScope> {
        let allowed = |b: u8| matches!(b, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        let mut set = BTreeSet::new();
        let mut length = 0;
        for token in tokens {
            length += token.len() + 1;
            if token.is_empty() || length > 1024 || !token.bytes().all(allowed) {
                return Err(InvalidScope);
            }
            set.insert(token.to_owned());
        }
        Ok(Self(set))
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `token` is in it.
    #[must_use]
    pub fn contains(&self, token: &str) -> bool {
        self.0.contains(token)
    }

    /// Whether all of this is in `other` too.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// Asks for all of `needed`.
    ///
    /// # Errors
    /// [`MissingScope`] when any of it isn't in this.
    pub fn require(&self, needed: &Self) -> Result<(), MissingScope> {
        if needed.is_within(self) { Ok(()) } else { Err(MissingScope { needed: needed.clone() }) }
    }
}

/// A token that is good, but not for this.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the token lacks the scope \"{needed}\"")]
pub struct MissingScope {
    /// All that was asked for.
    pub needed: Scope,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, token) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(" ")?;
            }
            f.write_str(token)?;
        }
        Ok(())
    }
}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Whom a token is for: `aud` (RFC 7519 §4.1.3), one name or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audiences {
    /// One name, written as a string.
    One(Audience),
    /// Several, written as an array.
    Many(Vec<Audience>),
}

impl Audiences {
    /// Whether `name` is among them.
    #[must_use]
    pub fn contains(&self, name: &Audience) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Many(many) => many.contains(name),
        }
    }
}

/// The claims of an access token (RFC 9068 §2.2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Who issued it.
    pub iss: Issuer,
    /// Whom it is about.
    pub sub: Subject,
    /// Whom it is for.
    pub aud: Audiences,
    /// From this second on it is worth nothing.
    pub exp: Timestamp,
    /// When it was issued. Never a reason to refuse: two servers' clocks differ.
    pub iat: Timestamp,
    /// Not valid before, where an issuer says so; this one never does.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub nbf: Option<Timestamp>,
    /// Its own name.
    pub jti: String,
    /// Which client asked for it.
    pub client_id: ClientId,
    /// Which session it belongs to; none for client credentials.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub sid: Option<SessionId>,
    /// When the login happened; a refresh doesn't change it (RFC 9068 §2.2.1).
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub auth_time: Option<Timestamp>,
    /// What it is good for.
    #[serde(default, skip_serializing_if = "Scope::is_empty")]
    pub scope: Scope,
    /// Where its status stands, for clients that ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub status: Option<StatusClaim>,
    /// Everything else: the account's extra claims.
    #[serde(flatten)]
    pub extra: ExtraClaims,
}

/// The claims of an access token as a resource server reads them, whoever issued it.
///
/// Names that this system gives a form of its own (clients, sessions) are plain text here: RFC 9068
/// leaves them to the issuer. `E` is what else the service wants to know, a map of all other claims
/// or a type of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BearerClaims<E = ExtraClaims> {
    /// Who issued it.
    pub iss: Issuer,
    /// Whom it is about.
    pub sub: Subject,
    /// Whom it is for.
    pub aud: Audiences,
    /// From this second on it is worth nothing.
    pub exp: Timestamp,
    /// When it was issued. Never a reason to refuse: two servers' clocks differ.
    pub iat: Timestamp,
    /// Not valid before, where the issuer says so.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub nbf: Option<Timestamp>,
    /// Its own name.
    pub jti: String,
    /// Which client asked for it.
    pub client_id: String,
    /// Which session it belongs to, where the issuer says so.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub sid: Option<String>,
    /// When the login happened, where the issuer says so (RFC 9068 §2.2.1).
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub auth_time: Option<Timestamp>,
    /// What it is good for.
    #[serde(default, skip_serializing_if = "Scope::is_empty")]
    pub scope: Scope,
    /// The key it is bound to (RFC 7800 §3.1). Whoever sees one and doesn't check possession of
    /// the key takes a stolen token for a good one.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub cnf: Option<Value>,
    /// Its status, whatever the issuer means by that: [`status_claim`](Self::status_claim) reads it
    /// as a Token Status List does. Who doesn't ask for it needn't care what it is.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub status: Option<Value>,
    /// Everything else, read as `E`.
    #[serde(flatten)]
    pub extra: E,
}

impl<E> BearerClaims<E> {
    /// Asks for the scope tokens in `needed`, space-delimited.
    ///
    /// # Errors
    /// [`MissingScope`] when one of them isn't granted, and when `needed` is no scope, which
    /// nobody can have.
    pub fn require_scope(&self, needed: &str) -> Result<(), MissingScope> {
        match Scope::parse(needed) {
            Ok(needed) => self.scope.require(&needed),
            Err(InvalidScope) => Err(MissingScope { needed: Scope::default() }),
        }
    }

    /// Where its status stands, where the issuer says so (draft-ietf-oauth-status-list-20 §6.1).
    ///
    /// # Errors
    /// [`TokenError::Claims`] for a `status` that is no object, `null` among them, or whose
    /// `status_list` is broken: what isn't understood is never "no status".
    pub fn status_claim(&self) -> Result<Option<StatusClaim>, TokenError> {
        let read = self.status.as_ref().map(StatusClaim::deserialize).transpose();
        read.map_err(|_| TokenError::Claims)
    }
}

impl BearerClaims {
    /// All other claims, read as a `T`.
    ///
    /// # Errors
    /// When they are no `T`: the issuer says something else than this service expects.
    pub fn extra_as<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_value(Value::Object(self.extra.clone()))
    }
}

/// The claims of a refresh token: session `sid` was given generation `gen`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshClaims {
    /// Who issued it.
    pub iss: Issuer,
    /// Whom it is for: the issuer, nobody else.
    pub aud: Audience,
    /// Whose session.
    pub sub: Subject,
    /// Which session.
    pub sid: SessionId,
    /// Its place in the succession.
    #[serde(rename = "gen")]
    pub generation: Generation,
    /// Which client holds it.
    pub client_id: ClientId,
    /// When this generation came to be.
    pub iat: Timestamp,
    /// From this second on it is worth nothing.
    pub exp: Timestamp,
}

/// A claim that may be missing but, when there, has its type: `null` is a wrong type.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

impl Serialize for SessionId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Names that extra claims may not take: this system's own, the registered ones with a meaning for
/// security, and those of RFC 9068 that an authorisation server fills in.
const RESERVED: [&str; 20] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "client_id",
    "sid",
    "auth_time",
    "scope",
    "status",
    "gen",
    "cnf",
    "act",
    "may_act",
    "acr",
    "amr",
    "azp",
    "nonce",
];

/// Extra claims that can't go into a token.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidClaims {
    /// A claim the issuer itself speaks for.
    #[error("the claim {0:?} is reserved")]
    Reserved(String),
    /// A NUL, which not every store can keep.
    #[error("the extra claims hold a NUL character")]
    Nul,
    /// More than a request header can carry in good company.
    #[error("the extra claims are longer than {} bytes of JSON", MAX_EXTRA_BYTES)]
    TooLong,
}

/// The most extra claims may take as JSON.
pub const MAX_EXTRA_BYTES: usize = 2048;

/// Checks that `claims` may go into access tokens.
///
/// # Errors
/// [`InvalidClaims`] for a reserved name, a NUL anywhere, or more than [`MAX_EXTRA_BYTES`].
pub fn check_extra(claims: Map<String, Value>) -> Result<ExtraClaims, InvalidClaims> {
    if let Some(name) = claims.keys().find(|name| RESERVED.contains(&name.as_str())) {
        return Err(InvalidClaims::Reserved(name.clone()));
    }
    if claims.iter().any(|(name, value)| name.contains('\0') || has_nul(value)) {
        return Err(InvalidClaims::Nul);
    }
    let length = serde_json::to_string(&claims).map_or(usize::MAX, |json| json.len());
    if length > MAX_EXTRA_BYTES { Err(InvalidClaims::TooLong) } else { Ok(claims) }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(map) => map.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_scope_is_a_set_of_tokens() {
        let scope = Scope::parse("write  read write").unwrap();
        assert_eq!(scope.to_string(), "read write");
        assert!(Scope::parse("read").unwrap().is_within(&scope));
        assert!(!scope.is_within(&Scope::parse("read").unwrap()));
        for bad in ["a\"b", "a\\b", "é", "a\tb"] {
            assert_eq!(Scope::parse(bad), Err(InvalidScope), "{bad:?}");
        }
    }

    #[test]
    fn a_scope_that_is_missing_is_named() {
        let scope = Scope::parse("read write").unwrap();
        assert_eq!(scope.require(&Scope::parse("write read").unwrap()), Ok(()));
        let missing = scope.require(&Scope::parse("read admin").unwrap()).unwrap_err();
        assert_eq!(missing.to_string(), "the token lacks the scope \"admin read\"");
    }

    #[test]
    fn extra_claims_never_speak_for_the_issuer() {
        for name in RESERVED {
            let mut claims = Map::new();
            claims.insert(name.to_owned(), Value::Null);
            assert_eq!(check_extra(claims), Err(InvalidClaims::Reserved(name.to_owned())));
        }
        for nul in [json!({ "a\0": 1 }), json!({ "a": [{ "b": "\0" }] })] {
            assert_eq!(check_extra(nul.as_object().unwrap().clone()), Err(InvalidClaims::Nul));
        }
        let mut long = Map::new();
        long.insert("roles".to_owned(), Value::String("x".repeat(MAX_EXTRA_BYTES)));
        assert_eq!(check_extra(long), Err(InvalidClaims::TooLong));
    }
}
