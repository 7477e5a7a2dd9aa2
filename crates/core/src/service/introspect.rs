//! What is behind a token of either kind: introspection (RFC 7662) and revocation (RFC 7009).

use thiserror::Error;

use super::sessions::Sessions;
use crate::claims::{AccessClaims, RefreshClaims, Scope};
use crate::id::ClientId;
use crate::jwt::Verified;
use crate::session::EndReason;
use crate::store::StoreError;
use crate::time::{Leeway, Timestamp, expired};

/// A token that is good at this moment.
#[derive(Clone, Debug, PartialEq)]
pub enum Introspected {
    /// An access token, of a live session or of a client by itself.
    Access(Verified<AccessClaims>),
    /// A refresh token: the live generation of a live session, with the session's scope.
    Refresh(Verified<RefreshClaims>, Scope),
}

/// Why a token is not revoked.
#[derive(Debug, Error)]
pub enum RevokeError {
    /// It belongs to another client.
    #[error("the token is another client's")]
    Foreign,
    /// The store has no outcome to tell.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Sessions {
    /// What `token` is, if it is good: signature, expiry, session and generation. One store
    /// operation at most.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn introspect(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<Introspected>, StoreError> {
        let snapshot = self.snapshot();
        if let Ok(claims) = snapshot.check_access(token, now) {
            let Some(id) = claims.sid else { return Ok(Some(Introspected::Access(claims))) };
            let session = self.store.find(&id).await?;
            let live = session.is_some_and(|it| it.is_live(now) && it.subject == claims.sub);
            return Ok(live.then_some(Introspected::Access(claims)));
        }
        let Ok(claims) = snapshot.check_refresh(token, now) else { return Ok(None) };
        if expired(claims.exp, Leeway::NONE, now) {
            return Ok(None);
        }
        let session = self.store.find(&claims.sid).await?;
        // A generation ahead of the store is good: the store lost writes.
        let current = session.filter(|it| it.is_live(now) && it.generation <= claims.generation);
        Ok(current.map(|session| Introspected::Refresh(claims, session.scope)))
    }

    /// Ends the session that a token of either kind belongs to. `client` is who asks, proved by
    /// `authenticated` or only said; a token of a client that has to prove itself needs the proof.
    /// A token that is no good is as good as revoked.
    ///
    /// # Errors
    /// [`RevokeError`].
    pub async fn revoke(
        &self,
        token: &str,
        client: Option<&ClientId>,
        now: Timestamp,
    ) -> Result<(), RevokeError> {
        let snapshot = self.snapshot();
        let (owner, session) = if let Ok(claims) = snapshot.check_refresh(token, now) {
            let dead = expired(claims.exp, Leeway::NONE, now);
            (claims.client_id.clone(), (!dead).then_some(claims.sid))
        } else if let Ok(claims) = snapshot.check_access(token, now) {
            (claims.client_id.clone(), claims.sid)
        } else {
            return Ok(());
        };
        let public = snapshot.policy().client(&owner).is_none_or(|it| !it.is_confidential());
        match client {
            Some(client) if *client != owner => return Err(RevokeError::Foreign),
            None if !public => return Err(RevokeError::Foreign),
            _ => {}
        }
        if let Some(id) = session {
            self.end(&id, EndReason::Revoked, now).await?;
        }
        Ok(())
    }
}
