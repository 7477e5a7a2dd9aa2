//! Sessions from their opening to their end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use thiserror::Error;

use super::snapshot::{About, Snapshot};
use super::{Granted, ServiceError};
use crate::claims::{AccessClaims, Scope};
use crate::id::{Generation, SessionId, Subject};
use crate::jwt::{TokenError, Verified};
use crate::policy::{ClientProfile, Grant};
use crate::random::Random;
use crate::session::{Device, EndReason, Ended, ExtraClaims, Session};
use crate::status::{Space, Spans};
use crate::store::{SessionStore, StoreError};
use crate::time::{Leeway, Timestamp, expired};

/// The use cases of sessions. Cheap to share; replicas need nothing in common but store and keys.
#[derive(Debug)]
pub struct Sessions {
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) random: Arc<dyn Random>,
    pub(super) space: Space,
    /// How long access tokens with a status live at most, in seconds, by any policy since this has
    /// been here: tokens of an earlier one may be out.
    longest_status: AtomicU64,
    snapshot: RwLock<Arc<Snapshot>>,
}

/// What a login opens.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Whose it will be.
    pub subject: Subject,
    /// What is granted.
    pub scope: Scope,
    /// The account's extra claims.
    pub claims: ExtraClaims,
    /// Where the login comes from.
    pub device: Device,
}

/// Somebody with a good access token of a live session.
#[derive(Debug)]
pub struct Caller {
    /// What the token says.
    pub claims: Verified<AccessClaims>,
    /// The session it belongs to.
    pub session: Session,
}

/// Why a bearer is turned away.
#[derive(Debug, Error)]
pub enum AuthError {
    /// The token isn't good.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token is good, but its session is over, or it never had one.
    #[error("the token's session is over")]
    SessionOver,
    /// The store has no outcome to tell.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Sessions {
    /// The use cases over this store.
    #[must_use]
    pub fn new(
        store: Arc<dyn SessionStore>,
        random: Arc<dyn Random>,
        snapshot: Arc<Snapshot>,
    ) -> Self {
        let longest_status = AtomicU64::new(snapshot.policy().longest_status().as_secs());
        let (space, snapshot) = (Space::default(), RwLock::new(snapshot));
        Self { store, random, space, longest_status, snapshot }
    }

    /// The policy and keys in force.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a new policy and new keys in force for whatever starts after.
    pub fn replace_snapshot(&self, snapshot: Arc<Snapshot>) {
        let longest = snapshot.policy().longest_status().as_secs();
        let _ = self.longest_status.fetch_max(longest, Ordering::AcqRel);
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }

    /// The spans of status lists.
    pub(super) fn spans(&self) -> Spans {
        Spans::of(Duration::from_secs(self.longest_status.load(Ordering::Acquire)))
    }

    /// Opens a session for somebody who proved who they are. One store operation, and another for
    /// each status index that turns out to be taken.
    ///
    /// # Errors
    /// [`ServiceError`]; no token is made before the store has acknowledged the session.
    pub async fn open(
        &self,
        snapshot: &Snapshot,
        profile: &ClientProfile,
        new: NewSession,
        now: Timestamp,
    ) -> Result<Granted, ServiceError> {
        let NewSession { subject, scope, claims, device } = new;
        let session = Session {
            id: SessionId::generate(&*self.random),
            subject,
            client: profile.id().clone(),
            scope,
            claims,
            device: device.tidied(),
            created_at: now,
            ends_at: profile.session_lifetime.from(now),
            generation: Generation::FIRST,
            issued_at: now,
            expires_at: profile.refresh_lifetime.from(now),
            last_used_at: now,
            mark: None,
            ended: None,
            status: None,
        };
        let session = self.keep(session, profile).await?;
        let may_refresh = profile.allows(Grant::RefreshToken);
        self.grant(snapshot, profile, session, None, may_refresh, now)
    }

    /// Keeps a new session under a name and with a status index that no other has.
    async fn keep(&self, new: Session, profile: &ClientProfile) -> Result<Session, ServiceError> {
        /// Room for a replica that begins with full lists and remembers nothing.
        const MOST_DRAWS: usize = 1024;
        if !profile.status {
            let kept = self.store.insert(&new).await?;
            return if kept { Ok(new) } else { Err(ServiceError::IdTaken(new.id)) };
        }
        for _ in 0..MOST_DRAWS {
            let index = self.space.draw(&*self.random);
            let id = SessionId::generate(&*self.random);
            let session = Session { id, status: Some(index), ..new.clone() };
            let kept = self.store.insert(&session).await?;
            self.space.note(index, !kept);
            if kept {
                return Ok(session);
            }
        }
        Err(ServiceError::IdTaken(new.id))
    }

    /// Signs what `session` is to be given: an access token, of a narrower scope if one is named.
    pub(super) fn grant(
        &self,
        snapshot: &Snapshot,
        profile: &ClientProfile,
        session: Session,
        narrowed: Option<&Scope>,
        with_refresh: bool,
        now: Timestamp,
    ) -> Result<Granted, ServiceError> {
        if let Some(index) = session.status {
            self.space.saw(index);
        }
        let scope = narrowed.unwrap_or(&session.scope).clone();
        let about = About {
            subject: session.subject.clone(),
            session: Some(&session),
            scope: scope.clone(),
        };
        let (access, access_expires_at) =
            snapshot.access_token(about, profile, &*self.random, now)?;
        let refresh =
            if with_refresh { Some(snapshot.refresh_token(&session, now)?) } else { None };
        Ok(Granted { access, access_expires_at, refresh, scope, session })
    }

    /// Checks an access token and looks its session up: for this issuer's own endpoints, where an
    /// ended session counts at once. Others check offline and ask nobody.
    ///
    /// # Errors
    /// [`AuthError`].
    pub async fn authenticate(&self, token: &str, now: Timestamp) -> Result<Caller, AuthError> {
        let claims = self.snapshot().check_access(token, now)?;
        let id = claims.sid.ok_or(AuthError::SessionOver)?;
        match self.store.find(&id).await? {
            Some(session) if session.is_live(now) && session.subject == claims.sub => {
                Ok(Caller { claims, session })
            }
            _ => Err(AuthError::SessionOver),
        }
    }

    /// Ends the session of a refresh token, superseded or not. A token that isn't one of this
    /// issuer's, or is past its `exp`, does nothing.
    ///
    /// # Errors
    /// [`StoreError`]: it may not have ended.
    pub async fn log_out(&self, refresh_token: &str, now: Timestamp) -> Result<(), StoreError> {
        match self.snapshot().check_refresh(refresh_token, now) {
            Ok(claims) if !expired(claims.exp, Leeway::NONE, now) => {
                self.end(&claims.sid, EndReason::Logout, now).await
            }
            _ => Ok(()),
        }
    }

    /// Ends the session of a good access token. It may be over already.
    ///
    /// # Errors
    /// [`AuthError`].
    pub async fn log_out_bearer(&self, access: &str, now: Timestamp) -> Result<(), AuthError> {
        let claims = self.snapshot().check_access(access, now)?;
        let id = claims.sid.ok_or(AuthError::SessionOver)?;
        Ok(self.end(&id, EndReason::Logout, now).await?)
    }

    /// Ends a session. Once ended it stays so, with its first reason.
    ///
    /// # Errors
    /// [`StoreError`]: it may not have ended.
    pub async fn end(
        &self,
        id: &SessionId,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let _ = self.store.end(id, Ended { at: now, reason }).await?;
        Ok(())
    }

    /// Ends one of the live sessions of `owner`. `false` if `id` isn't one.
    ///
    /// # Errors
    /// [`StoreError`]: it may not have ended.
    pub async fn end_of(
        &self,
        owner: &Subject,
        id: &SessionId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let found = self.store.find(id).await?;
        let theirs = found.is_some_and(|session| session.subject == *owner && session.is_live(now));
        if theirs {
            self.end(id, EndReason::Revoked, now).await?;
        }
        Ok(theirs)
    }

    /// Ends every session of `subject` but `except`, and says how many were live.
    ///
    /// # Errors
    /// [`StoreError`]: some may not have ended.
    pub async fn end_all(
        &self,
        subject: &Subject,
        except: Option<&SessionId>,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let ended = self.store.end_all(subject, except, Ended { at: now, reason }).await?;
        let live = |session: &Session| !expired(session.refresh_expiry(), Leeway::NONE, now);
        Ok(ended.iter().filter(|session| live(session)).count())
    }

    /// The live sessions of `subject`, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(
        &self,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Vec<Session>, StoreError> {
        let mut sessions = self.store.list(subject).await?;
        sessions.retain(|session| session.is_live(now));
        sessions.sort_by_key(|session| (std::cmp::Reverse(session.created_at), session.id));
        Ok(sessions)
    }

    /// Gives the live sessions of `subject` other extra claims, from their next access token on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_claims(
        &self,
        subject: &Subject,
        claims: &ExtraClaims,
    ) -> Result<(), StoreError> {
        self.store.set_claims(subject, claims).await
    }

    /// Drops up to `at_most` records that no token can need any more, and says how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn purge(&self, at_most: u32, now: Timestamp) -> Result<u64, StoreError> {
        self.store.purge(now.minus(crate::session::RETENTION), at_most).await
    }

    /// Takes the status index away from up to `at_most` sessions whose end no verifier needs to be
    /// told of any more, and says from how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn release_indices(&self, at_most: u32, now: Timestamp) -> Result<u64, StoreError> {
        self.store.release(self.spans().free_before(now), at_most).await
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.store.ping().await
    }
}
