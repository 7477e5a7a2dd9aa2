//! The claims of access and refresh tokens.
//!
//! The order of the fields below is the order on the wire, so equal claims serialize to equal bytes.

mod exact;
mod extra;
mod message;
mod scope;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::exact::{ExactJsonError, parse_exact};
pub use self::extra::{ExtraClaims, ExtraClaimsError, MAX_EXTRA_BYTES, check_extra};
pub use self::message::{MessageBinding, MessageClaims, MessageKind};
pub use self::scope::{InsufficientScopeError, MAX_SCOPE_BYTES, Scope, ScopeError};
use crate::error::TokenError;
use crate::id::{Audience, ClientId, Generation, Issuer, SessionId, Subject};
use crate::json::ClaimReader;
use crate::status::StatusClaim;
use crate::time::Timestamp;

/// The audiences of a token: `aud` (RFC 7519 §4.1.3), one value or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audiences {
    /// One value, written as a string.
    One(Audience),
    /// Several values, written as an array.
    Many(Vec<Audience>),
}

impl Audiences {
    /// Whether `audience` is among them.
    #[must_use]
    pub fn contains(&self, audience: &Audience) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.contains(audience),
        }
    }
}

/// The claims of an access token of this system (RFC 9068 §2.2).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AccessClaims {
    /// The issuer.
    pub iss: Issuer,
    /// The subject: the user, or the client itself for client credentials.
    pub sub: Subject,
    /// The services that may accept the token.
    pub aud: Audiences,
    /// The expiry. The token is invalid from this second on.
    pub exp: Timestamp,
    /// The time of issue. Never a reason for rejection, because the clocks of two servers differ.
    pub iat: Timestamp,
    /// The time before which the token is invalid. This system never sets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<Timestamp>,
    /// The token's unique id.
    pub jti: String,
    /// The client that requested the token.
    pub client_id: ClientId,
    /// The session of the token; none for client credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
    /// The time of the login; a refresh does not change it (RFC 9068 §2.2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<Timestamp>,
    /// The granted scope.
    #[serde(skip_serializing_if = "Scope::is_empty")]
    pub scope: Scope,
    /// The token's entry in a status list, for clients configured with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusClaim>,
    /// All other claims: the extra claims of the account.
    #[serde(flatten)]
    pub extra: ExtraClaims,
}

impl AccessClaims {
    pub(crate) fn read(mut claims: ClaimReader) -> Result<Self, TokenError> {
        Ok(Self {
            iss: claims.required("iss")?,
            sub: claims.required("sub")?,
            aud: claims.required("aud")?,
            exp: claims.required("exp")?,
            iat: claims.required("iat")?,
            nbf: claims.optional("nbf")?,
            jti: claims.required("jti")?,
            client_id: claims.required("client_id")?,
            sid: claims.optional("sid")?,
            auth_time: claims.optional("auth_time")?,
            scope: claims.optional("scope")?.unwrap_or_default(),
            status: claims.optional("status")?,
            extra: claims.rest(),
        })
    }
}

/// The claims of an access token as a resource server reads them, from any issuer.
///
/// The ids of clients and sessions are plain strings here, because RFC 9068 leaves their form to the
/// issuer. Which claims they are read from is up to the [`Profile`](crate::jwt::Profile) of the
/// issuer. `E` is the type of all other claims: a map by default, or a type of the service's own.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BearerClaims<E = ExtraClaims> {
    /// The issuer.
    pub iss: Issuer,
    /// The subject: the user, or the client itself.
    pub sub: Subject,
    /// The services that may accept the token.
    pub aud: Audiences,
    /// The expiry. The token is invalid from this second on.
    pub exp: Timestamp,
    /// The time of issue. Never a reason for rejection, because the clocks of two servers differ.
    pub iat: Timestamp,
    /// The time before which the token is invalid, if the issuer sets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<Timestamp>,
    /// The token's unique id; empty if the profile does not require one and the token has none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub jti: String,
    /// The client that requested the token; empty if the profile does not require one and the
    /// token names none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client_id: String,
    /// The session of the token, if the issuer sets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The time of the login, if the issuer sets it (RFC 9068 §2.2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<Timestamp>,
    /// The granted scope.
    #[serde(skip_serializing_if = "Scope::is_empty")]
    pub scope: Scope,
    /// The key to which the token is bound (RFC 7800 §3.1). A service that accepts a bound token
    /// without checking possession of the key also accepts a stolen one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Value>,
    /// The unparsed `status`; see [`status_claim`](Self::status_claim). Services that ignore status
    /// accept any value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Value>,
    /// All other claims, read as `E`.
    #[serde(flatten)]
    pub extra: E,
}

/// Reads the remaining claims as serde's `flatten` does, which also accepts `()` and `Option`.
pub(crate) fn read_extra<E: DeserializeOwned>(claims: ExtraClaims) -> Result<E, TokenError> {
    #[derive(Deserialize)]
    struct Flat<E> {
        #[serde(flatten)]
        extra: E,
    }
    let flat: Result<Flat<E>, _> = serde_json::from_value(Value::Object(claims));
    flat.map(|flat| flat.extra).map_err(|_| TokenError::UnexpectedClaims)
}

impl<E> BearerClaims<E> {
    /// Checks that the token grants every scope token in `needed`, which is space-delimited.
    ///
    /// # Errors
    /// [`InsufficientScopeError`] when a scope token is missing, and when `needed` is not a valid
    /// scope, which no token can grant.
    pub fn require_scope(&self, needed: &str) -> Result<(), InsufficientScopeError> {
        match Scope::parse(needed) {
            Ok(needed) => self.scope.require(&needed),
            Err(ScopeError) => Err(InsufficientScopeError { needed: Scope::default() }),
        }
    }

    /// The token's status list entry, if the issuer sets one
    /// (draft-ietf-oauth-status-list-20 §6.1).
    ///
    /// # Errors
    /// [`TokenError::MalformedClaim`] for a `status` that is not an object (`null` included) or has
    /// an invalid `status_list`: a status that cannot be read must not count as "no status".
    pub fn status_claim(&self) -> Result<Option<StatusClaim>, TokenError> {
        let status = self.status.as_ref().map(StatusClaim::deserialize).transpose();
        status.map_err(|_| TokenError::MalformedClaim { claim: "status" })
    }
}

impl BearerClaims {
    /// The same claims with the others read as an `E`.
    ///
    /// # Errors
    /// [`TokenError::UnexpectedClaims`] when they cannot be read as an `E`.
    pub(crate) fn with_extra<E: DeserializeOwned>(self) -> Result<BearerClaims<E>, TokenError> {
        let Self { iss, sub, aud, exp, iat, nbf, jti, client_id, sid, .. } = self;
        let Self { auth_time, scope, cnf, status, extra, .. } = self;
        let extra = read_extra(extra)?;
        Ok(BearerClaims {
            iss,
            sub,
            aud,
            exp,
            iat,
            nbf,
            jti,
            client_id,
            sid,
            auth_time,
            scope,
            cnf,
            status,
            extra,
        })
    }

    /// All other claims, read as a `T`.
    ///
    /// # Errors
    /// When the claims do not have the form that `T` requires.
    pub fn extra_as<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_value(Value::Object(self.extra.clone()))
    }
}

/// The claims of a refresh token: a statement that session `sid` was given generation `gen`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefreshClaims {
    /// The issuer.
    pub iss: Issuer,
    /// The audience: always the issuer itself.
    pub aud: Audience,
    /// The user of the session.
    pub sub: Subject,
    /// The session.
    pub sid: SessionId,
    /// The generation of the session.
    #[serde(rename = "gen")]
    pub generation: Generation,
    /// The client to which the token was issued.
    pub client_id: ClientId,
    /// The time at which this generation was issued.
    pub iat: Timestamp,
    /// The expiry. The token is invalid from this second on.
    pub exp: Timestamp,
}

impl RefreshClaims {
    pub(crate) fn read(claims: &mut ClaimReader) -> Result<Self, TokenError> {
        Ok(Self {
            iss: claims.required("iss")?,
            aud: claims.required("aud")?,
            sub: claims.required("sub")?,
            sid: claims.required("sid")?,
            generation: claims.required("gen")?,
            client_id: claims.required("client_id")?,
            iat: claims.required("iat")?,
            exp: claims.required("exp")?,
        })
    }
}
