//! Sessions from their opening to their end. Renewal is in [`refresh`](super::refresh).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use thiserror::Error;

use super::budget::Budget;
use super::refused::RefusedSessions;
use super::settings::SessionSettings;
use super::signing::AccessGrant;
use super::{Granted, RequestContext, ServiceError, Snapshot};
use crate::claims::{AccessClaims, Scope};
use crate::id::{SessionId, Subject};
use crate::jwt::{TokenError, Verified};
use crate::keys::{KeyRecord, KeyRing, RingError};
use crate::policy::{ClientProfile, Grant, Target};
use crate::random::Random;
use crate::session::{Device, EndReason, Ended, ExtraClaims, RETENTION, Session};
use crate::status::{Space, Spans};
use crate::store::{SessionStore, StoreError};
use crate::succession::MAX_CLOCK_LAG;
use crate::time::{Leeway, Timestamp, expired};

/// The use cases of sessions. Share one in an [`Arc`]; replicas share only the store and the keys.
#[derive(Debug)]
pub struct Sessions {
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) random: Arc<dyn Random>,
    pub(super) space: Space,
    pub(super) settings: SessionSettings,
    pub(super) refused: RefusedSessions,
    /// The longest lifetime, in seconds, of access tokens with a status under any policy since this
    /// was created: tokens issued under an earlier policy may still be valid.
    max_status_lifetime: AtomicU64,
    snapshot: RwLock<Arc<Snapshot>>,
}

/// A session to open.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewSession {
    /// The user who logged in.
    pub subject: Subject,
    /// The scope granted to the session.
    pub scope: Scope,
    /// The account's extra claims.
    pub claims: ExtraClaims,
    /// The origin of the login.
    pub device: Device,
}

impl NewSession {
    /// A session of `subject` without scope, extra claims or origin.
    #[must_use]
    pub fn new(subject: Subject) -> Self {
        let (scope, claims, device) = Default::default();
        Self { subject, scope, claims, device }
    }
}

/// The holder of a valid access token of a live session.
#[derive(Debug)]
#[non_exhaustive]
pub struct Caller {
    /// The claims of the token.
    pub claims: Verified<AccessClaims>,
    /// The session that the token belongs to.
    pub session: Session,
}

/// Why a bearer is not authenticated.
#[derive(Debug, Error)]
pub enum AuthError {
    /// The token is invalid.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token is valid, but its session has ended or expired, or the token has no session.
    #[error("the token has no live session")]
    SessionOver,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The result of ending the sessions of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct EndedSessions {
    /// The number of live sessions that were ended.
    pub revoked: usize,
    /// Whether others are left: the time of the request was over, or the store failed in between.
    pub remaining: bool,
}

/// The number of sessions that one store operation ends or lists.
pub(super) const END_BATCH: u32 = 500;
/// The number that the first operation of a request ends; each of the next ends twice as many. Even a
/// slow store ends a batch of this size in time, so that every request makes progress.
pub(super) const FIRST_BATCH: u32 = 64;

fn is_full(batch: &[Session], at_most: u32) -> bool {
    u32::try_from(batch.len()).is_ok_and(|count| count >= at_most)
}

impl Sessions {
    /// The use cases over this store.
    #[must_use]
    pub fn new(
        store: Arc<dyn SessionStore>,
        random: Arc<dyn Random>,
        snapshot: Arc<Snapshot>,
    ) -> Self {
        let max_status_lifetime = AtomicU64::new(snapshot.policy().max_status_lifetime().as_secs());
        Self {
            store,
            random,
            space: Space::default(),
            settings: SessionSettings::default(),
            refused: RefusedSessions::default(),
            max_status_lifetime,
            snapshot: RwLock::new(snapshot),
        }
    }

    /// The same with these settings instead of the default ones.
    #[must_use]
    pub fn with_settings(self, settings: SessionSettings) -> Self {
        Self { settings, ..self }
    }

    /// The policy and keys in force, with the time of one request. Call this once per request and
    /// pass the result on: two calls can return different policies.
    #[must_use]
    pub fn context(&self, now: Timestamp) -> RequestContext {
        let snapshot = self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone();
        let budget = Budget::new(self.settings.store_timeout.clone());
        RequestContext { snapshot, now, budget }
    }

    /// Puts a new policy and new keys in force. Requests that already have a context are not
    /// affected.
    pub fn replace_snapshot(&self, snapshot: Arc<Snapshot>) {
        let longest = snapshot.policy().max_status_lifetime().as_secs();
        let _ = self.max_status_lifetime.fetch_max(longest, Ordering::AcqRel);
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }

    /// Puts new keys in force, under the same policy.
    ///
    /// # Errors
    /// [`RingError`]; the current keys stay in force.
    pub fn replace_keys(&self, keys: &[KeyRecord], now: Timestamp) -> Result<(), RingError> {
        let policy = self.context(now).snapshot.policy().clone();
        let ring = KeyRing::new(keys, &policy, now)?;
        self.replace_snapshot(Arc::new(Snapshot::new(policy, ring)));
        Ok(())
    }

    /// The time spans of the status lists.
    pub(super) fn spans(&self) -> Spans {
        Spans::of(Duration::from_secs(self.max_status_lifetime.load(Ordering::Acquire)))
    }

    /// Opens a session for a user who has been authenticated. Takes one store operation, and another
    /// for each status index that turns out to be taken.
    ///
    /// # Errors
    /// [`ServiceError`]; no token is signed before the store has acknowledged the session.
    pub async fn open(
        &self,
        context: &RequestContext,
        profile: &ClientProfile,
        new: NewSession,
    ) -> Result<Granted, ServiceError> {
        context.check_clock()?;
        let session = self.first_generation(context, profile, new);
        let session = self.insert(context, session, profile).await?;
        let displaced = self.enforce_limit(context, &session).await?;
        let may_refresh = profile.allows(Grant::RefreshToken);
        let granted = self.grant(context, profile, session, None, may_refresh)?;
        Ok(Granted { displaced, ..granted })
    }

    /// Ends the least recently used sessions of the account and client of `new` if there are more than
    /// allowed. Returns their ids.
    pub(super) async fn enforce_limit(
        &self,
        context: &RequestContext,
        new: &Session,
    ) -> Result<Vec<SessionId>, StoreError> {
        let Some(keep) = self.settings.sessions_per_account else { return Ok(Vec::new()) };
        let ended = Ended { at: context.now, reason: EndReason::Limit };
        let (mut displaced, mut rows) = (Vec::new(), FIRST_BATCH);
        loop {
            let owner = (&new.subject, &new.client);
            let end = self.store.end_least_used(owner, &new.id, keep.get(), ended, rows);
            let batch = match context.budget.wait(end).await {
                Ok(batch) => batch,
                // After a limit was lowered, later logins end the rest.
                Err(_) if !displaced.is_empty() => return Ok(displaced),
                Err(error) => return Err(error),
            };
            displaced.extend(batch.iter().map(|session| session.id));
            if !is_full(&batch, rows) || context.budget.is_spent() {
                return Ok(displaced);
            }
            rows = rows.saturating_mul(2).min(END_BATCH);
        }
    }

    /// Inserts a new session under an id and with a status index that no other session has.
    async fn insert(
        &self,
        context: &RequestContext,
        new: Session,
        profile: &ClientProfile,
    ) -> Result<Session, ServiceError> {
        /// Enough for a replica that has just started while the lists in use are nearly full.
        const MAX_DRAWS: usize = 1024;
        if !profile.has_status() {
            let inserted = context.budget.wait(self.store.insert(&new)).await?;
            return if inserted { Ok(new) } else { Err(ServiceError::IdTaken(new.id)) };
        }
        for _ in 0..MAX_DRAWS {
            let index = self.space.draw(&*self.random);
            // The store does not report which of the two was taken, so both are drawn again.
            let id = SessionId::generate(&*self.random);
            let session = Session { id, status: Some(index), ..new.clone() };
            let inserted = context.budget.wait(self.store.insert(&session)).await?;
            self.space.note(index, !inserted);
            if inserted {
                return Ok(session);
            }
        }
        Err(ServiceError::IdTaken(new.id))
    }

    /// Signs the tokens of `session`. A `narrowed` scope applies to the access token alone.
    pub(super) fn grant(
        &self,
        context: &RequestContext,
        profile: &ClientProfile,
        session: Session,
        narrowed: Option<&Scope>,
        with_refresh: bool,
    ) -> Result<Granted, ServiceError> {
        if let Some(index) = session.status {
            self.space.saw(index);
        }
        let scope = narrowed.unwrap_or(&session.scope).clone();
        let grant = AccessGrant {
            subject: session.subject.clone(),
            session: Some(&session),
            scope: scope.clone(),
            target: None,
        };
        let (access, access_expires_at) = context.access_token(grant, profile, &*self.random)?;
        let refresh = with_refresh.then(|| context.refresh_token(&session)).transpose()?;
        Ok(Granted { access, access_expires_at, refresh, scope, session, displaced: Vec::new() })
    }

    /// Replaces the access token that was granted to a client with this profile by one for `target`
    /// alone (RFC 8707). The session is not narrowed.
    ///
    /// # Errors
    /// [`ServiceError::Sign`].
    pub fn narrow(
        &self,
        context: &RequestContext,
        profile: &ClientProfile,
        granted: Granted,
        target: &Target,
    ) -> Result<Granted, ServiceError> {
        let grant = AccessGrant {
            subject: granted.session.subject.clone(),
            session: Some(&granted.session),
            scope: granted.scope.clone(),
            target: Some(target),
        };
        let (access, access_expires_at) = context.access_token(grant, profile, &*self.random)?;
        Ok(Granted { access, access_expires_at, ..granted })
    }

    /// Checks an access token and looks up its session. Use this for the issuer's own endpoints,
    /// where the end of a session must count at once; resource servers check tokens offline.
    ///
    /// # Errors
    /// [`AuthError`].
    pub async fn authenticate(
        &self,
        context: &RequestContext,
        token: &str,
    ) -> Result<Caller, AuthError> {
        let claims = context.check_access(token)?;
        let id = claims.sid.ok_or(AuthError::SessionOver)?;
        match context.budget.wait(self.store.find(&id)).await? {
            Some(session) if session.is_live(context.now) && session.subject == claims.sub => {
                Ok(Caller { claims, session })
            }
            _ => Err(AuthError::SessionOver),
        }
    }

    /// Ends the session of a refresh token, superseded or not. Does nothing if the token is invalid
    /// or has expired.
    ///
    /// # Errors
    /// [`StoreError`]; the session may not have ended.
    pub async fn log_out(
        &self,
        context: &RequestContext,
        refresh_token: &str,
    ) -> Result<(), StoreError> {
        match context.snapshot.check_refresh(refresh_token, context.now) {
            Ok(claims) if !expired(claims.exp, Leeway::NONE, context.now) => {
                self.end(context, &claims.sid, EndReason::Logout).await
            }
            _ => Ok(()),
        }
    }

    /// Ends the session of a valid access token. The session may have ended already.
    ///
    /// # Errors
    /// [`AuthError`].
    pub async fn log_out_bearer(
        &self,
        context: &RequestContext,
        access_token: &str,
    ) -> Result<(), AuthError> {
        let claims = context.check_access(access_token)?;
        let id = claims.sid.ok_or(AuthError::SessionOver)?;
        Ok(self.end(context, &id, EndReason::Logout).await?)
    }

    /// Ends a session. An ended session stays ended, with its first reason.
    ///
    /// # Errors
    /// [`StoreError`]; the session may not have ended.
    pub async fn end(
        &self,
        context: &RequestContext,
        id: &SessionId,
        reason: EndReason,
    ) -> Result<(), StoreError> {
        let ended = Ended { at: context.now, reason };
        let _ = context.budget.wait(self.store.end(id, ended)).await?;
        Ok(())
    }

    /// Ends a live session of `owner`. Returns `false` if `owner` has no such session.
    ///
    /// # Errors
    /// [`StoreError`]; the session may not have ended.
    pub async fn end_of(
        &self,
        context: &RequestContext,
        owner: &Subject,
        id: &SessionId,
    ) -> Result<bool, StoreError> {
        let found = context.budget.wait(self.store.find(id)).await?;
        let is_theirs = found.is_some_and(|it| it.subject == *owner && it.is_live(context.now));
        if is_theirs {
            self.end(context, id, EndReason::Revoked).await?;
        }
        Ok(is_theirs)
    }

    /// Ends every session of `subject` except `except`, in batches, until none is left or the time of
    /// the request is over. Each call ends some, so repeating it ends all of them. Without a
    /// [`StoreTimeout`](super::StoreTimeout), one call ends all.
    ///
    /// # Errors
    /// [`StoreError`], unless the time is bounded and some sessions have ended before.
    pub async fn end_all(
        &self,
        context: &RequestContext,
        subject: &Subject,
        except: Option<&SessionId>,
        reason: EndReason,
    ) -> Result<EndedSessions, StoreError> {
        let now = context.now;
        let live = |session: &Session| !expired(session.refresh_expiry(), Leeway::NONE, now);
        let (mut result, mut rows) = (EndedSessions { revoked: 0, remaining: false }, FIRST_BATCH);
        let mut has_ended_some = false;
        loop {
            let end = self.store.end_all(subject, except, Ended { at: now, reason }, rows);
            match context.budget.wait(end).await {
                Ok(batch) => {
                    let revoked = batch.iter().filter(|session| live(session)).count();
                    result.revoked = result.revoked.saturating_add(revoked);
                    has_ended_some |= !batch.is_empty();
                    if !is_full(&batch, rows) {
                        return Ok(result);
                    }
                }
                Err(error) if !has_ended_some || !context.budget.is_bounded() => {
                    return Err(error);
                }
                Err(_) => return Ok(EndedSessions { remaining: true, ..result }),
            }
            if context.budget.is_spent() {
                return Ok(EndedSessions { remaining: true, ..result });
            }
            rows = rows.saturating_mul(2).min(END_BATCH);
        }
    }

    /// Ends what [`end_all`](Self::end_all) left, in the background: the sessions that existed at the
    /// time of the request, except `except`. Later logins are not affected.
    ///
    /// # Errors
    /// [`StoreError`]; repeating the call continues.
    pub async fn end_rest(
        &self,
        context: &RequestContext,
        subject: &Subject,
        except: Option<&SessionId>,
        reason: EndReason,
    ) -> Result<(), StoreError> {
        const CONCURRENT_ENDS: usize = 32;
        let context = &context.in_background();
        // Another replica may have a faster clock.
        let before = context.now.plus(MAX_CLOCK_LAG);
        let mut after = (before, SessionId::from_bytes([u8::MAX; 16]));
        loop {
            let page = self.store.list(subject, Some(after), END_BATCH).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = (last.created_at, last.id);
            let ids = page.iter().map(|session| session.id).filter(|id| Some(id) != except);
            stream::iter(ids)
                .map(|id| async move { self.end(context, &id, reason).await })
                .buffer_unordered(CONCURRENT_ENDS)
                .try_collect::<()>()
                .await?;
        }
    }

    /// Deletes up to `at_most` records that no token can need any more. Returns how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn purge(&self, at_most: u32, now: Timestamp) -> Result<u64, StoreError> {
        self.store.purge(now.minus(RETENTION), at_most).await
    }

    /// Takes the status index from up to `at_most` sessions that ended so long ago that no verifier
    /// needs to see their revocation any more. Returns how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn release_indices(&self, at_most: u32, now: Timestamp) -> Result<u64, StoreError> {
        self.store.release(self.spans().free_before(now), at_most).await
    }

    /// Checks that the store responds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.store.ping().await
    }
}
