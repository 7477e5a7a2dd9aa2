//! Sessions: one key each, one script per step. What spans the sessions of a subject is in
//! [`crate::subject`], what becomes of status indices in [`crate::status`].

use aquaware_core::id::{Generation, SessionId, Subject};
use aquaware_core::session::{Ended, ExtraClaims, Session};
use aquaware_core::store::{Advance, Outcome, Revoked, SessionStore, StoreError};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;
use redis::Value;
use tokio::time::Instant;

use crate::error::Failure;
use crate::record::{session_fields, session_of};
use crate::scripts;
use crate::store::{RedisStore, unexpected};

#[async_trait]
impl SessionStore for RedisStore {
    async fn insert(&self, session: &Session) -> Result<bool, StoreError> {
        let deadline = self.deadline();
        let fields = session_fields(session)?;
        // First: a claim without a session is found dead in time, two sessions with one index are
        // never told apart. If this breaks off, there is surely no session.
        if let Some(index) = session.status
            && !self.claim(index, session, deadline).await.map_err(before)?
        {
            return Ok(false);
        }
        // Likewise: an entry without a session is passed over, a session without an entry is missed
        // by whoever logs out everywhere.
        self.index(session, deadline).await.map_err(before)?;
        let (expires, ends) = (session.expires_at.millis(), session.ends_at.millis());
        let (expires, ends) = (expires.to_string(), ends.to_string());
        let mut arguments: Vec<&[u8]> = vec![expires.as_bytes(), ends.as_bytes()];
        arguments.extend(fields.iter().map(Vec::as_slice));
        let key = self.keys.session(&session.id);
        match self.step(&scripts::INSERT, &key, &arguments, deadline).await? {
            Value::Nil => {
                self.tell(session, deadline).await?;
                Ok(true)
            }
            Value::BulkString(has) => {
                // Not if it is the very index that the session with this name has.
                if let Some(index) = session.status
                    && index.number().to_string().as_bytes() != has
                {
                    // If it fails, the claim is found dead in time.
                    let _ = self.unclaim(index, &session.id, deadline).await;
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
        let Advance { from, to, mark, issued_at, expires_at } = *step;
        let (from_text, to_text) = (from.number().to_string(), to.number().to_string());
        let (issued, expires) = (issued_at.millis().to_string(), expires_at.millis().to_string());
        let arguments: [&[u8]; 5] = [
            from_text.as_bytes(),
            to_text.as_bytes(),
            mark.as_bytes(),
            issued.as_bytes(),
            expires.as_bytes(),
        ];
        let (key, deadline) = (self.keys.session(id), self.deadline());
        let answer = self.step(&scripts::ADVANCE, &key, &arguments, deadline).await?;
        let outcome = outcome(id, answer)?;
        self.tell_if_ended(&outcome, deadline).await;
        if let Outcome::Applied(session) = &outcome
            && is_due_after(from, to)
        {
            self.index_later(session.clone());
        }
        Ok(outcome)
    }

    async fn touch(
        &self,
        id: &SessionId,
        generation: Generation,
        at: Timestamp,
    ) -> Result<Outcome, StoreError> {
        let (number, instant) = (generation.number().to_string(), at.millis().to_string());
        let arguments: [&[u8]; 2] = [number.as_bytes(), instant.as_bytes()];
        let (key, deadline) = (self.keys.session(id), self.deadline());
        let answer = self.step(&scripts::TOUCH, &key, &arguments, deadline).await?;
        let outcome = outcome(id, answer)?;
        self.tell_if_ended(&outcome, deadline).await;
        if let Outcome::Applied(session) = &outcome
            && is_due_at(at)
        {
            self.index_later(session.clone());
        }
        Ok(outcome)
    }

    async fn end(&self, id: &SessionId, ended: Ended) -> Result<Outcome, StoreError> {
        self.end_one(id, None, ended, self.deadline()).await
    }

    async fn end_all(
        &self,
        subject: &Subject,
        except: Option<&SessionId>,
        ended: Ended,
    ) -> Result<Vec<Session>, StoreError> {
        self.end_sessions(subject, except, ended, self.deadline()).await
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<Session>, StoreError> {
        self.list_sessions(subject, self.deadline()).await
    }

    async fn set_claims(&self, subject: &Subject, claims: &ExtraClaims) -> Result<(), StoreError> {
        self.set_claims_of_sessions(subject, claims, self.deadline()).await
    }

    /// Nothing: keys expire by themselves, not before [`Session::forget_at`].
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
        self.answers().await
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

    /// Ends one session, and tells of it; only if it is `of` that subject, where one is named.
    ///
    /// A caller who goes away between the two would leave an end that nobody is told of, so both
    /// are done in a task that nobody drops.
    pub(crate) async fn end_one(
        &self,
        id: &SessionId,
        of: Option<&Subject>,
        ended: Ended,
        deadline: Instant,
    ) -> Result<Outcome, StoreError> {
        let (store, id, of) = (self.clone(), *id, of.cloned());
        let task = self.link.home().spawn(async move {
            let outcome = store.end_record(&id, of.as_ref(), ended, deadline).await?;
            // Also one that ended before: if its end broke off half done, this is the repetition.
            if let Outcome::Applied(session) | Outcome::Refused(session) = &outcome {
                store.tell(session, deadline).await?;
            }
            Ok(outcome)
        });
        task.await.unwrap_or_else(|_| Err(Failure::Stopped.unknown()))
    }

    async fn end_record(
        &self,
        id: &SessionId,
        of: Option<&Subject>,
        ended: Ended,
        deadline: Instant,
    ) -> Result<Outcome, StoreError> {
        let at = ended.at.millis().to_string();
        let subject = of.map_or("", Subject::as_str);
        let arguments: [&[u8]; 3] =
            [at.as_bytes(), ended.reason.as_str().as_bytes(), subject.as_bytes()];
        let key = self.keys.session(id);
        outcome(id, self.step(&scripts::END, &key, &arguments, deadline).await?)
    }
}

fn outcome(id: &SessionId, answer: Value) -> Result<Outcome, StoreError> {
    let Value::Array(parts) = answer else { return Err(unexpected()) };
    let mut parts = parts.into_iter();
    let word = match parts.next() {
        Some(Value::BulkString(word)) => word,
        _ => return Err(unexpected()),
    };
    let session = parts.next().map(|fields| session_of(id, fields)).transpose()?.flatten();
    match (word.as_slice(), session) {
        (b"absent", None) => Ok(Outcome::NotFound),
        (b"done", Some(session)) => Ok(Outcome::Applied(session)),
        (b"standing", Some(session)) => Ok(Outcome::Refused(session)),
        _ => Err(unexpected()),
    }
}

/// Whatever became of a preparation, what was prepared did surely not happen.
pub(crate) fn before(error: StoreError) -> StoreError {
    match error {
        StoreError::UnknownOutcome(cause) => StoreError::Unreachable(cause),
        other => other,
    }
}

/// Something of it was done before the rest failed.
pub(crate) fn partly(error: StoreError) -> StoreError {
    match error {
        StoreError::Unreachable(cause) => StoreError::UnknownOutcome(cause),
        other => other,
    }
}

/// How many uses of a session go by until its entry in the index is written again.
const USES: u64 = 16;

/// Whether an advance writes the entry again: every sixteenth does, and each that went past lost
/// writes, since what lost them may have lost the entry too.
fn is_due_after(from: Generation, to: Generation) -> bool {
    to.number().is_multiple_of(USES) || to != from.next()
}

/// The same where the generation stays. Devices wake at even times, so the milliseconds decide.
const fn is_due_at(at: Timestamp) -> bool {
    at.millis().unsigned_abs().is_multiple_of(USES)
}
