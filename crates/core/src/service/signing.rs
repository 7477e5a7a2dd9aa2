//! Signing the tokens of a request.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{GrantedRefresh, RequestContext, ServiceError};
#[cfg(feature = "accounts")]
use crate::claims::MessageClaims;
use crate::claims::{AccessClaims, RefreshClaims, Scope};
use crate::id::{Audience, Subject};
use crate::jwt::{SigningKey, TokenType};
use crate::policy::{ClientProfile, Target};
use crate::random::Random;
use crate::secret::AccessToken;
#[cfg(feature = "accounts")]
use crate::secret::MessageToken;
use crate::session::Session;
use crate::status::StatusIndex;
use crate::time::Timestamp;

/// The part of an access token's claims that depends on the grant.
pub(super) struct AccessGrant<'a> {
    pub(super) subject: Subject,
    /// `None` for a token that a client obtains for itself.
    pub(super) session: Option<&'a Session>,
    pub(super) scope: Scope,
    /// The requested audiences; `None` for all audiences of the client.
    pub(super) target: Option<&'a Target>,
}

impl RequestContext {
    /// Checks that tokens can be signed. To be called before the store is changed.
    pub(super) fn check_clock(&self) -> Result<(), ServiceError> {
        self.signing_key(TokenType::Access).and(self.signing_key(TokenType::Refresh)).map(drop)
    }

    fn signing_key(&self, token_type: TokenType) -> Result<&SigningKey, ServiceError> {
        self.snapshot.ring().signing(token_type, self.now).ok_or(ServiceError::ClockUnreliable)
    }

    /// Signs an access token and returns it with its expiry.
    pub(super) fn access_token(
        &self,
        grant: AccessGrant<'_>,
        profile: &ClientProfile,
        random: &dyn Random,
    ) -> Result<(AccessToken, Timestamp), ServiceError> {
        let AccessGrant { subject, session, scope, target } = grant;
        let (now, issuer) = (self.now, self.issuer());
        let exp = profile.access_lifetime().from(now);
        let key = self.signing_key(TokenType::Access)?;
        let mut extra = session.map(|session| session.claims.clone()).unwrap_or_default();
        if let Some(claim) = profile.user_id_claim() {
            extra.insert(claim.to_owned(), subject.as_str().into());
            extra.insert("token_type".to_owned(), "access".into());
        }
        let claims = AccessClaims {
            iss: issuer.clone(),
            sub: subject,
            aud: target
                .map_or_else(|| profile.audiences(issuer), |target| target.audiences().clone()),
            exp,
            iat: now.floor(),
            nbf: None,
            jti: token_id(random),
            client_id: profile.id().clone(),
            sid: session.map(|session| session.id),
            auth_time: session.map(|session| session.created_at.floor()),
            scope,
            // With a shared secret, only the issuer itself could verify the token or its list.
            status: status_of(session, profile)
                .filter(|_| !key.algorithm().is_symmetric())
                .map(|index| index.claim(issuer)),
            extra,
        };
        Ok((key.sign_access(&claims)?, exp))
    }

    /// Signs the refresh token of the session's live generation. Every claim comes from the record,
    /// so every replica returns the same token at any later time.
    pub(super) fn refresh_token(&self, session: &Session) -> Result<GrantedRefresh, ServiceError> {
        let expires_at = session.refresh_expiry();
        let claims = RefreshClaims {
            iss: self.issuer().clone(),
            aud: Audience::from(self.issuer()),
            sub: session.subject.clone(),
            sid: session.id,
            generation: session.generation,
            client_id: session.client.clone(),
            iat: session.issued_at.floor(),
            exp: expires_at,
        };
        let key = self.signing_key(TokenType::Refresh)?;
        Ok(GrantedRefresh { token: key.sign_refresh(&claims)?, expires_at })
    }
}

#[cfg(feature = "accounts")]
impl RequestContext {
    /// Signs the token of a message.
    pub(super) fn message_token(
        &self,
        claims: &MessageClaims,
    ) -> Result<MessageToken, ServiceError> {
        Ok(self.signing_key(TokenType::Refresh)?.sign_message(claims)?)
    }
}

/// The status index to show. A session keeps its index when `status` is switched off for its client,
/// but its new tokens no longer carry it.
fn status_of(session: Option<&Session>, profile: &ClientProfile) -> Option<StatusIndex> {
    session.filter(|_| profile.has_status())?.status
}

/// A `jti` of 96 random bits in 16 characters, enough for it never to repeat.
fn token_id(random: &dyn Random) -> String {
    let mut bytes = [0; 12];
    random.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}
