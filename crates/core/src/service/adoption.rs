//! Refresh tokens of djangorestframework-simplejwt become sessions at their first use.
//!
//! The id of the session follows from the token's `jti`, and the token counts as its first generation. So
//! each token is used once, a retry of it is like any other, and all rules are those of
//! [`succession`](crate::succession). The way back to Django is the [form](crate::jwt::DjangoForm) of new
//! tokens, which Django accepts too.

use aws_lc_rs::digest;

use super::refresh::{RefreshError, RefreshOutcome};
use super::sessions::{NewSession, Sessions};
use super::{Granted, RequestContext, ServiceError};
use crate::claims::RefreshClaims;
use crate::id::{Audience, ClientId, Generation, SessionId, Subject};
use crate::jwt::{DjangoForm, SimpleJwtCheck, SimpleJwtClaims, SimpleJwtError, Verified};
use crate::origin::Origin;
use crate::policy::{ClientProfile, Grant, Rotation};
use crate::retry::{Mark, RetryKey};
use crate::secret::RefreshToken;
use crate::session::Session;
use crate::store::StoreError;
use crate::succession::{Attempt, Presented, Proof};
use crate::time::{Leeway, Timestamp, expired};

/// Which tokens of djangorestframework-simplejwt are taken, and for which client.
#[derive(Debug)]
pub struct SimpleJwt {
    client: ClientId,
    user_id_claim: String,
    check: Option<SimpleJwtCheck>,
    until: Timestamp,
    is_reversible: bool,
}

/// A refresh token of djangorestframework-simplejwt with a valid signature, as the first generation of a
/// session. Only [`SimpleJwt::read`] creates one.
#[derive(Clone, Debug)]
pub struct OldRefresh(RefreshClaims);

impl OldRefresh {
    /// The claims that this issuer would have signed.
    #[must_use]
    pub const fn claims(&self) -> &RefreshClaims {
        &self.0
    }
}

impl SimpleJwt {
    /// Sessions of `client`, with new tokens only. Django looks for the id of a user in the claim
    /// `user_id_claim`.
    #[must_use]
    pub fn new(client: ClientId, user_id_claim: &str) -> Self {
        let (check, until) = (None, Timestamp::from_millis(0));
        let user_id_claim = user_id_claim.to_owned();
        Self { client, user_id_claim, check, until, is_reversible: false }
    }

    /// Takes tokens that are signed with `key`, until `until`. If `is_reversible`, new refresh tokens
    /// have until then a form that Django accepts too.
    #[must_use]
    pub fn with_old_tokens(self, key: &[u8], until: Timestamp, is_reversible: bool) -> Self {
        let check = Some(SimpleJwtCheck::new(key, &self.user_id_claim));
        Self { check, until, is_reversible, ..self }
    }

    /// The client of the sessions.
    #[must_use]
    pub const fn client(&self) -> &ClientId {
        &self.client
    }

    fn form<'a>(&'a self, context: &'a RequestContext) -> DjangoForm<'a> {
        let (issuer, client) = (context.issuer(), &self.client);
        DjangoForm { issuer, client, user_id_claim: &self.user_id_claim }
    }

    /// A new refresh token as clients of Django get it: in a form that Django accepts too, while the
    /// way back is open.
    #[must_use]
    pub fn to_client(&self, context: &RequestContext, token: &RefreshToken) -> RefreshToken {
        let is_open = self.is_reversible && context.now < self.until;
        let key = self.check.as_ref().filter(|_| is_open);
        let wrapped = key.and_then(|key| self.form(context).wrap(token, key));
        wrapped.unwrap_or_else(|| token.clone())
    }

    /// The refresh token of this system that a client of Django presents in the form of
    /// [`to_client`](Self::to_client); `None` for any other token. It is still to be checked. The
    /// signature of Django is checked as long as its key is known.
    #[must_use]
    pub fn from_client(&self, context: &RequestContext, token: &str) -> Option<RefreshToken> {
        let is_signed = |key: &SimpleJwtCheck| key.is_signed(token);
        self.form(context).unwrap(token).filter(|_| self.check.as_ref().is_none_or(is_signed))
    }

    /// Checks an old token of any type.
    ///
    /// # Errors
    /// [`SimpleJwtError`].
    pub fn check(
        &self,
        context: &RequestContext,
        token: &str,
    ) -> Result<Verified<SimpleJwtClaims>, SimpleJwtError> {
        let check = self.check.as_ref().ok_or(SimpleJwtError::Invalid)?;
        let claims = check.check(token, context.now)?;
        let over = expired(self.until, Leeway::NONE, context.now);
        if over { Err(SimpleJwtError::Expired) } else { Ok(claims) }
    }

    /// Checks an old refresh token, without the store.
    ///
    /// # Errors
    /// [`SimpleJwtError`].
    pub fn read(
        &self,
        context: &RequestContext,
        token: &str,
    ) -> Result<OldRefresh, SimpleJwtError> {
        let claims = self.check(context, token)?;
        match claims.token_type.as_deref() {
            Some("refresh") => {}
            Some(_) => return Err(SimpleJwtError::WrongType),
            None => return Err(SimpleJwtError::NoType),
        }
        let user_id = claims.user_id.clone().ok_or(SimpleJwtError::Invalid)?;
        Ok(OldRefresh(RefreshClaims {
            iss: context.issuer().clone(),
            aud: Audience::from(context.issuer()),
            sub: Subject::new(user_id).map_err(|_| SimpleJwtError::Invalid)?,
            sid: session_of(&claims),
            generation: Generation::FIRST,
            client_id: self.client.clone(),
            iat: claims.issued_at,
            exp: claims.expires_at,
        }))
    }
}

/// The id of the session that a token becomes.
#[must_use]
pub fn session_of(claims: &Verified<SimpleJwtClaims>) -> SessionId {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"aquaware session of simplejwt\0");
    context.update(claims.jti.as_bytes());
    let mut id = [0; 16];
    id.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    SessionId::from_bytes(id)
}

impl Sessions {
    /// Renews the session of an old token, which begins if this is the first use. Returns whether it
    /// did.
    pub(super) async fn renew_adopted(
        &self,
        context: &RequestContext,
        profile: &ClientProfile,
        token: &OldRefresh,
        new: NewSession,
        retry_key: Option<&RetryKey>,
    ) -> Result<(Granted, RefreshOutcome, bool), RefreshError> {
        context.check_clock()?;
        if !profile.allows(Grant::RefreshToken) || profile.is_confidential() {
            return Err(RefreshError::NotAllowed);
        }
        let claims = token.claims();
        let attempt = Attempt {
            presented: Presented {
                generation: claims.generation,
                issued_at: claims.iat,
                expiry: claims.exp,
            },
            mark: Mark::of(retry_key, &claims.sid, &*self.random),
            proof: Proof::None,
            origin: Origin::new(self.settings.record, &new.device),
            profile,
            now: context.now,
        };
        let mut begun = false;
        let settled = match self.settle(context, &claims.sid, &attempt, None).await {
            Err(RefreshError::Unknown) => {
                begun = self.adopt(context, profile, token, new).await?;
                self.settle(context, &claims.sid, &attempt, None).await
            }
            settled => settled,
        };
        if matches!(settled, Err(RefreshError::Reused | RefreshError::Ended(_))) {
            self.refused.add(claims.sid);
        }
        let (session, outcome) = settled?;
        let keeps =
            profile.rotation() == Rotation::Never && session.generation == claims.generation;
        let granted = self.grant(context, profile, session, None, !keeps)?;
        Ok((granted, outcome, begun))
    }

    /// Stores the session of an old token, unless it exists. Returns whether it was stored.
    pub(super) async fn adopt(
        &self,
        context: &RequestContext,
        profile: &ClientProfile,
        token: &OldRefresh,
        new: NewSession,
    ) -> Result<bool, ServiceError> {
        /// As for a login: only a space that is nearly full needs more than one.
        const MAX_DRAWS: usize = 1024;
        let claims = token.claims();
        let session = self.first_generation(context, profile, new);
        // The record outlives the token, which could begin the session again otherwise.
        let session = Session {
            id: claims.sid,
            created_at: claims.iat.min(context.now),
            issued_at: claims.iat.min(context.now),
            expires_at: session.expires_at.max(claims.exp),
            ends_at: session.ends_at.max(claims.exp),
            ..session
        };
        for _ in 0..MAX_DRAWS {
            let status = profile.has_status().then(|| self.space.draw(&*self.random));
            let session = Session { status, ..session.clone() };
            if context.budget.wait(self.store.insert(&session)).await? {
                let _ = self.enforce_limit(context, &session).await?;
                return Ok(true);
            }
            if status.is_none()
                || context.budget.wait(self.store.find(&session.id)).await?.is_some()
            {
                return Ok(false);
            }
            status.into_iter().for_each(|index| self.space.note(index, true));
        }
        Err(ServiceError::IdTaken(claims.sid))
    }

    /// Whether the refresh token of this generation may still be used; `None` if there is no such
    /// session.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_current(
        &self,
        context: &RequestContext,
        id: &SessionId,
        generation: Generation,
    ) -> Result<Option<bool>, StoreError> {
        let found = context.budget.wait(self.store.find(id)).await?;
        Ok(found.map(|session| session.is_live(context.now) && session.generation <= generation))
    }
}
