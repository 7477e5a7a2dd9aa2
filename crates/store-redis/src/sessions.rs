//! The session port: one key per session, one script per step. Operations on all sessions of a
//! subject are in [`crate::subject`], status indices in [`crate::status`].

use aquaware_core::id::{ClientId, Generation, SessionId, Subject};
use aquaware_core::session::{Ended, ExtraClaims, Session};
use aquaware_core::store::{Advance, Outcome, Revoked, SessionStore, StoreError, Touch};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;
use futures_util::stream::{self, StreamExt as _};
use redis::Value;
use tokio::time::Instant;

use crate::error::{RedisStoreError, before_step, partly_applied};
use crate::record::{claims_text, session_fields, session_of};
use crate::scripts;
use crate::store::{RedisStore, unexpected};
use crate::subject::CONCURRENT_STEPS;

#[async_trait]
impl SessionStore for RedisStore {
    async fn insert(&self, session: &Session) -> Result<bool, StoreError> {
        let deadline = self.deadline();
        let fields = session_fields(session);
        // The claim comes first: a claim without a session is recognised as abandoned later, but two
        // sessions with one index could never be distinguished. If it fails, no session exists.
        if let Some(index) = session.status
            && !self.claim(index, session, deadline).await.map_err(before_step)?
        {
            return Ok(false);
        }
        // The entry in the index comes next: an entry without a session is ignored, but a session
        // without an entry would survive a logout everywhere.
        self.add_to_index(session, deadline).await.map_err(before_step)?;
        let (expires, ends) = (session.expires_at.millis(), session.ends_at.millis());
        let (expires, ends) = (expires.to_string(), ends.to_string());
        let mut arguments: Vec<&[u8]> = vec![expires.as_bytes(), ends.as_bytes()];
        arguments.extend(fields.iter().map(Vec::as_slice));
        let key = self.keys.session(&session.id);
        match self.run(&scripts::INSERT, &key, &arguments, deadline).await? {
            Value::Nil => {
                self.publish_revocation(session, deadline).await?;
                Ok(true)
            }
            Value::BulkString(existing) => {
                // Not if the existing session with this id has the same index.
                if let Some(index) = session.status
                    && index.number().to_string().as_bytes() != existing
                {
                    // If it fails, the claim is recognised as abandoned later.
                    let _ = self.drop_claim(index, &session.id, deadline).await;
                }
                Ok(false)
            }
            _ => Err(unexpected()),
        }
    }

    async fn find(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        self.session(id, self.deadline()).await
    }

    async fn advance(&self, id: &SessionId, step: &Advance) -> Result<Outcome, StoreError> {
        let Advance { from, to, mark, used_from, issued_at, expires_at, visible_before } = *step;
        let (from_text, to_text) = (from.number().to_string(), to.number().to_string());
        let [issued, expires, visible] =
            [issued_at, expires_at, visible_before].map(|time| time.millis().to_string());
        let used_from = used_from.map(|origin| origin.to_string()).unwrap_or_default();
        let arguments: [&[u8]; 7] = [
            from_text.as_bytes(),
            to_text.as_bytes(),
            mark.as_bytes(),
            issued.as_bytes(),
            expires.as_bytes(),
            visible.as_bytes(),
            used_from.as_bytes(),
        ];
        let (key, deadline) = (self.keys.session(id), self.deadline());
        let response = self.run(&scripts::ADVANCE, &key, &arguments, deadline).await?;
        let outcome = outcome(id, response)?;
        self.publish_if_ended(&outcome, deadline).await;
        if let Outcome::Applied(session) = &outcome
            && is_due_after(from, to)
        {
            self.add_to_index_later(session.clone());
        }
        Ok(outcome)
    }

    async fn touch(&self, id: &SessionId, touch: &Touch) -> Result<Outcome, StoreError> {
        let Touch { generation, at, visible_before } = *touch;
        let number = generation.number().to_string();
        let [instant, visible] = [at, visible_before].map(|time| time.millis().to_string());
        let arguments: [&[u8]; 3] = [number.as_bytes(), instant.as_bytes(), visible.as_bytes()];
        let (key, deadline) = (self.keys.session(id), self.deadline());
        let response = self.run(&scripts::TOUCH, &key, &arguments, deadline).await?;
        let outcome = outcome(id, response)?;
        self.publish_if_ended(&outcome, deadline).await;
        if let Outcome::Applied(session) = &outcome
            && is_due_at(at)
        {
            self.add_to_index_later(session.clone());
        }
        Ok(outcome)
    }

    async fn end(&self, id: &SessionId, ended: Ended) -> Result<Outcome, StoreError> {
        let outcome = self.end_one(id, None, ended, self.deadline()).await?;
        // With a status index, `end_all` may have to publish the revocation once more after a failover.
        if let Outcome::Applied(session) = &outcome
            && session.status.is_none()
        {
            self.drop_from_index_later(session);
        }
        Ok(outcome)
    }

    async fn end_all(
        &self,
        subject: &Subject,
        except: Option<&SessionId>,
        ended: Ended,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        self.end_sessions(subject, except, ended, at_most, self.deadline()).await
    }

    async fn end_least_used(
        &self,
        owner: (&Subject, &ClientId),
        except: &SessionId,
        keep: u32,
        ended: Ended,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let limits = (keep, at_most);
        self.end_least_used_sessions(owner, except, limits, ended, self.deadline()).await
    }

    async fn list(
        &self,
        subject: &Subject,
        after: Option<(Timestamp, SessionId)>,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        self.list_sessions(subject, after, at_most, self.deadline()).await
    }

    async fn set_claims(&self, ids: &[SessionId], claims: &ExtraClaims) -> Result<(), StoreError> {
        let (claims, deadline) = (claims_text(claims).unwrap_or_default(), self.deadline());
        let arguments: &[&[u8]] = &[claims.as_bytes()];
        let mut changes = stream::iter(ids.to_vec())
            .map(|id| async move {
                let key = self.keys.session(&id);
                self.run(&scripts::SET_CLAIMS, &key, arguments, deadline).await
            })
            .buffer_unordered(CONCURRENT_STEPS);
        let mut failed = None;
        while let Some(change) = changes.next().await {
            failed = change.err().or(failed);
        }
        failed.map_or(Ok(()), |error| Err(partly_applied(error)))
    }

    /// Does nothing: keys expire automatically, not before [`Session::forget_at`].
    async fn purge(&self, _: Timestamp, _: u32) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn revoked(&self, since: Timestamp) -> Result<Vec<Revoked>, StoreError> {
        self.revocations(since, self.deadline()).await
    }

    async fn release(&self, ended_before: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        self.release_indices(ended_before, at_most, self.deadline()).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.check_writable().await
    }
}

impl RedisStore {
    pub(crate) async fn session(
        &self,
        id: &SessionId,
        deadline: Instant,
    ) -> Result<Option<Session>, StoreError> {
        session_of(id, self.fields(&self.keys.session(id), deadline).await?)
    }

    /// Ends one session and publishes its revocation. If a subject is given, only if it owns the
    /// session.
    ///
    /// Both happen in a task of their own: a caller that is dropped in between would leave an ended
    /// session without a published revocation.
    pub(crate) async fn end_one(
        &self,
        id: &SessionId,
        subject: Option<&Subject>,
        ended: Ended,
        deadline: Instant,
    ) -> Result<Outcome, StoreError> {
        let (store, id, subject) = (self.clone(), *id, subject.cloned());
        let task = self.connection.runtime().spawn(async move {
            let outcome = store.end_record(&id, subject.as_ref(), ended, deadline).await?;
            // Also for a session that had ended before: its first end may have failed half-way, and
            // this is the repetition.
            if let Outcome::Applied(session) | Outcome::Refused(session) = &outcome {
                store.publish_revocation(session, deadline).await?;
            }
            Ok(outcome)
        });
        task.await.unwrap_or_else(|_| Err(RedisStoreError::RuntimeStopped.unknown_outcome()))
    }

    async fn end_record(
        &self,
        id: &SessionId,
        subject: Option<&Subject>,
        ended: Ended,
        deadline: Instant,
    ) -> Result<Outcome, StoreError> {
        let at = ended.at.millis().to_string();
        let subject = subject.map_or("", Subject::as_str);
        let arguments: [&[u8]; 3] =
            [at.as_bytes(), ended.reason.as_str().as_bytes(), subject.as_bytes()];
        let key = self.keys.session(id);
        outcome(id, self.run(&scripts::END, &key, &arguments, deadline).await?)
    }
}

fn outcome(id: &SessionId, response: Value) -> Result<Outcome, StoreError> {
    let Value::Array(parts) = response else { return Err(unexpected()) };
    let mut parts = parts.into_iter();
    let Some(Value::BulkString(name)) = parts.next() else { return Err(unexpected()) };
    let session = parts.next().map(|fields| session_of(id, fields)).transpose()?.flatten();
    match (name.as_slice(), session) {
        (b"not_found", None) => Ok(Outcome::NotFound),
        (b"applied", Some(session)) => Ok(Outcome::Applied(session)),
        (b"refused", Some(session)) => Ok(Outcome::Refused(session)),
        _ => Err(unexpected()),
    }
}

/// After this many uses of a session, its entry in the index is written again.
const USES_PER_ENTRY: u64 = 16;

/// Whether an advance writes the entry again: every sixteenth does, and every advance past lost
/// writes, because the entry may have been lost with them.
fn is_due_after(from: Generation, to: Generation) -> bool {
    to.number().is_multiple_of(USES_PER_ENTRY) || to != from.next()
}

/// The same for a touch, by the milliseconds of its instant, because devices often wake at full
/// seconds.
const fn is_due_at(at: Timestamp) -> bool {
    at.millis().unsigned_abs().is_multiple_of(USES_PER_ENTRY)
}
