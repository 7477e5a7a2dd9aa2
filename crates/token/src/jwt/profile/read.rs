//! Reading the claims of an access token as its profile says.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Claim, Profile, ScopeClaim};
use crate::claims::{Audiences, BearerClaims, Scope, read_extra};
use crate::error::TokenError;
use crate::id::Audience;
use crate::json::ClaimReader;

impl Profile {
    /// Reads the claims, and rejects those of a token that is not an access token.
    ///
    /// The names of RFC 9068 are always taken, so that nothing else can pass for them. Values that
    /// the profile reads from other claims also remain in the extra claims.
    pub(crate) fn read<E: DeserializeOwned>(
        &self,
        mut claims: ClaimReader,
    ) -> Result<BearerClaims<E>, TokenError> {
        self.check_kind(&claims)?;
        let scope = self.scope(&claims)?;
        claims.discard("scope");
        let client_id = text(&mut claims, self.client, "client_id")?;
        let aud = match claims.optional("aud")? {
            Some(aud) => aud,
            None => self.client_as_audience(client_id.as_deref())?,
        };
        if self.client_is_no_audience && client_id.as_deref().is_some_and(|id| names(&aud, id)) {
            return Err(TokenError::WrongType);
        }
        Ok(BearerClaims {
            iss: claims.required("iss")?,
            sub: claims.required("sub")?,
            aud,
            exp: claims.required("exp")?,
            iat: claims.required("iat")?,
            nbf: claims.optional("nbf")?,
            jti: text(&mut claims, self.token_id, "jti")?.unwrap_or_default(),
            client_id: client_id.unwrap_or_default(),
            sid: text(&mut claims, self.session, "sid")?,
            auth_time: claims.optional("auth_time")?,
            scope,
            cnf: claims.optional("cnf")?,
            status: claims.optional("status")?,
            extra: read_extra(claims.rest())?,
        })
    }

    fn check_kind(&self, claims: &ClaimReader) -> Result<(), TokenError> {
        for (claim, value) in &self.values {
            let found = claims.get(claim).ok_or(TokenError::MissingClaim { claim })?;
            if found != *value {
                return Err(TokenError::WrongType);
            }
        }
        if let Some(claim) = self.present.iter().find(|claim| claims.get(claim).is_none()) {
            return Err(TokenError::MissingClaim { claim });
        }
        let known = |claim: &str| self.values.iter().any(|(required, _)| *required == claim);
        let foreign = |claim: &str| claims.get(claim).is_some() && !known(claim);
        let foreign = self.absent.iter().any(|claim| foreign(claim));
        if foreign { Err(TokenError::WrongType) } else { Ok(()) }
    }

    fn client_as_audience(&self, client: Option<&str>) -> Result<Audiences, TokenError> {
        let client = client.filter(|_| self.client_as_audience);
        let client = client.ok_or(TokenError::MissingClaim { claim: "aud" })?;
        let malformed = TokenError::MalformedClaim { claim: self.client.name };
        Audience::new(client).map(Audiences::One).map_err(|_| malformed)
    }

    fn scope(&self, claims: &ClaimReader) -> Result<Scope, TokenError> {
        let mut scope = Scope::default();
        for source in &self.scopes {
            if let Some(found) = source.read(claims)? {
                scope = found;
                break;
            }
        }
        match self.scopes.first() {
            Some(first) if self.scope_required && scope.is_empty() => {
                Err(TokenError::MissingClaim { claim: first.claim })
            }
            _ => Ok(scope),
        }
    }
}

impl ScopeClaim {
    fn read(&self, claims: &ClaimReader) -> Result<Option<Scope>, TokenError> {
        let malformed = TokenError::MalformedClaim { claim: self.claim };
        let Some(mut value) = claims.get(self.claim) else { return Ok(None) };
        if let Some(member) = self.member {
            let Some(inner) = value.as_object().ok_or(malformed)?.get(member) else {
                return Ok(None);
            };
            value = inner;
        }
        let scope = match value {
            Value::String(text) if self.claim == "scope" && self.member.is_none() => {
                Scope::parse(text).ok()
            }
            Value::String(text) => Some(Scope::of_valid(text.split(' '))),
            Value::Array(_) if self.claim == "scope" && self.member.is_none() => None,
            Value::Array(tokens) => {
                let tokens: Option<Vec<&str>> = tokens.iter().map(Value::as_str).collect();
                tokens.map(|tokens| Scope::of_valid(tokens.into_iter()))
            }
            _ => None,
        };
        scope.map(Some).ok_or(malformed)
    }
}

/// Reads a string, and takes the claim `standard`, which stands for it in RFC 9068. If both are
/// present, they must be equal, or a reader of one would disagree with a reader of the other.
fn text(
    claims: &mut ClaimReader,
    source: Claim,
    standard: &'static str,
) -> Result<Option<String>, TokenError> {
    let Claim { name, required } = source;
    let taken = claims.optional::<String>(standard)?;
    let value = if name == standard {
        taken
    } else {
        let read = |value: &Value| value.as_str().map(str::to_owned);
        let malformed = TokenError::MalformedClaim { claim: name };
        let value = claims.get(name).map(|value| read(value).ok_or(malformed)).transpose()?;
        if value.is_some() && taken.is_some() && value != taken {
            return Err(TokenError::MalformedClaim { claim: standard });
        }
        value
    };
    if value.is_none() && required {
        Err(TokenError::MissingClaim { claim: name })
    } else {
        Ok(value)
    }
}

fn names(aud: &Audiences, client: &str) -> bool {
    match aud {
        Audiences::One(one) => one.as_str() == client,
        Audiences::Many(many) => many.iter().any(|one| one.as_str() == client),
    }
}
