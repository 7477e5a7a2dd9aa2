//! Introspection (RFC 7662) and revocation (RFC 7009) of tokens of either kind.

use thiserror::Error;

use super::RequestContext;
use super::sessions::Sessions;
use crate::claims::{AccessClaims, RefreshClaims, Scope};
use crate::id::ClientId;
use crate::jwt::Verified;
use crate::session::EndReason;
use crate::store::StoreError;
use crate::time::{Leeway, expired};

/// A token that is active at this moment.
#[derive(Clone, Debug, PartialEq)]
pub enum Introspected {
    /// An access token of a live session, or of a client for itself.
    Access(Verified<AccessClaims>),
    /// A refresh token of the live generation of a live session, with the session's scope.
    Refresh(Verified<RefreshClaims>, Scope),
}

/// Why a token is not revoked.
#[derive(Debug, Error)]
pub enum RevokeError {
    /// The token belongs to another client.
    #[error("the token belongs to another client")]
    Foreign,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Sessions {
    /// Describes `token` if it is active: signature, expiry, session and generation are checked,
    /// with at most one store operation.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn introspect(
        &self,
        context: &RequestContext,
        token: &str,
    ) -> Result<Option<Introspected>, StoreError> {
        let now = context.now;
        if let Ok(claims) = context.check_access(token) {
            return self.introspect_claims(context, claims).await;
        }
        let Ok(claims) = context.snapshot.check_refresh(token, now) else { return Ok(None) };
        if expired(claims.exp, Leeway::NONE, now) {
            return Ok(None);
        }
        let session = context.budget.wait(self.store.find(&claims.sid)).await?;
        // A generation ahead of the record is valid too: the store lost writes.
        let current = session.filter(|it| it.is_live(now) && it.generation <= claims.generation);
        Ok(current.map(|session| Introspected::Refresh(claims, session.scope)))
    }

    /// Describes `token` if it is an active access token; nothing about a refresh token, since whether
    /// it has been superseded reveals when the session was refreshed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn introspect_access(
        &self,
        context: &RequestContext,
        token: &str,
    ) -> Result<Option<Introspected>, StoreError> {
        match context.check_access(token) {
            Ok(claims) => self.introspect_claims(context, claims).await,
            Err(_) => Ok(None),
        }
    }

    async fn introspect_claims(
        &self,
        context: &RequestContext,
        claims: Verified<AccessClaims>,
    ) -> Result<Option<Introspected>, StoreError> {
        let Some(id) = claims.sid else { return Ok(Some(Introspected::Access(claims))) };
        let session = context.budget.wait(self.store.find(&id)).await?;
        let live = session.is_some_and(|it| it.is_live(context.now) && it.subject == claims.sub);
        Ok(live.then_some(Introspected::Access(claims)))
    }

    /// Ends the session of a token of either kind. `client` is the requesting client, if it named
    /// itself; a confidential one must have authenticated. Tokens of confidential clients can only
    /// be revoked by those. An invalid token counts as revoked.
    ///
    /// # Errors
    /// [`RevokeError`].
    pub async fn revoke(
        &self,
        context: &RequestContext,
        token: &str,
        client: Option<&ClientId>,
    ) -> Result<(), RevokeError> {
        let now = context.now;
        let (owner, session) = if let Ok(claims) = context.snapshot.check_refresh(token, now) {
            let is_expired = expired(claims.exp, Leeway::NONE, now);
            (claims.client_id.clone(), (!is_expired).then_some(claims.sid))
        } else if let Ok(claims) = context.check_access(token) {
            (claims.client_id.clone(), claims.sid)
        } else {
            return Ok(());
        };
        let is_public = context.client(&owner).is_none_or(|it| !it.is_confidential());
        match client {
            Some(client) if *client != owner => return Err(RevokeError::Foreign),
            None if !is_public => return Err(RevokeError::Foreign),
            _ => {}
        }
        if let Some(id) = session {
            self.end(context, &id, EndReason::Revoked).await?;
        }
        Ok(())
    }
}
