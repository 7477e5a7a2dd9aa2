//! The session port.

use std::cmp::Reverse;

use aquaware_core::id::{ClientId, SessionId, Subject};
use aquaware_core::session::{Ended, ExtraClaims, Session};
use aquaware_core::status::StatusIndex;
use aquaware_core::store::{Advance, Outcome, Revoked, SessionStore, StoreError, Touch};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;

use super::record::{decode_session, encode_session};
use super::{Engine, Entry, KeyValueStore};

const PREFIX: &str = "s:";

fn session_key(id: &SessionId) -> String {
    format!("{PREFIX}{id}")
}

fn count(at_most: u32) -> usize {
    usize::try_from(at_most).unwrap_or(usize::MAX)
}

fn index_key(index: StatusIndex) -> String {
    format!("x:{}", index.number())
}

impl<E: Engine> KeyValueStore<E> {
    /// One atomic step: reads the session, decides, and writes only over the version it has read. If
    /// another client was faster, decides again on what that client has written. This ends, because
    /// every failed attempt means that another one succeeded.
    async fn step(
        &self,
        id: &SessionId,
        holds: impl Fn(&Session) -> bool + Send + Sync,
        change: impl Fn(&mut Session) + Send + Sync,
    ) -> Result<Outcome, StoreError> {
        let key = session_key(id);
        while let Some(entry) = self.engine.get(&key).await? {
            let mut session = decode_session(&key, &entry.value)?;
            if session.ended.is_some() || !holds(&session) {
                return Ok(Outcome::Refused(session));
            }
            change(&mut session);
            if self.engine.replace(&key, &entry.version, encode_session(&session)?).await? {
                return Ok(Outcome::Applied(session));
            }
        }
        Ok(Outcome::NotFound)
    }

    /// Every session with its key and version.
    async fn all(&self) -> Result<Vec<(String, E::Version, Session)>, StoreError> {
        let entries = self.engine.scan(PREFIX).await?.into_iter();
        let decode = |(key, entry): (String, Entry<E::Version>)| {
            decode_session(&key, &entry.value).map(|session| (key, entry.version, session))
        };
        entries.map(decode).collect()
    }

    async fn live_sessions_of(&self, subject: &Subject) -> Result<Vec<Session>, StoreError> {
        let all = self.all().await?.into_iter().map(|(_, _, session)| session);
        Ok(all.filter(|it| it.subject == *subject && it.ended.is_none()).collect())
    }

    /// Ends up to `at_most` of these sessions. A session that another client has ended in between is in
    /// that client's result.
    async fn end_each(
        &self,
        sessions: impl Iterator<Item = Session> + Send,
        ended: Ended,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let mut result = Vec::new();
        for session in sessions {
            if result.len() == count(at_most) {
                break;
            }
            if let Outcome::Applied(session) = self.end(&session.id, ended).await? {
                result.push(session);
            }
        }
        Ok(result)
    }

    /// Makes the status index of `session` available to others, if `session` owns it.
    async fn release_index(&self, session: &Session) -> Result<(), StoreError> {
        let Some(index) = session.status else { return Ok(()) };
        let key = index_key(index);
        if let Some(owner) = self.engine.get(&key).await?
            && owner.value == session.id.to_string()
        {
            self.engine.remove(&key, &owner.version).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl<E: Engine> SessionStore for KeyValueStore<E> {
    /// Claims the status index first. A crash after that leaves an index without a session, whereas
    /// the reverse order could leave two sessions with one index.
    async fn insert(&self, session: &Session) -> Result<bool, StoreError> {
        let (id, value) = (session.id.to_string(), encode_session(session)?);
        if let Some(index) = session.status
            && !self.engine.insert(&index_key(index), id).await?
        {
            return Ok(false);
        }
        let inserted = self.engine.insert(&session_key(&session.id), value).await?;
        if !inserted {
            self.release_index(session).await?;
        }
        Ok(inserted)
    }

    async fn find(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        let key = session_key(id);
        let entry = self.engine.get(&key).await?;
        entry.map(|entry| decode_session(&key, &entry.value)).transpose()
    }

    async fn advance(&self, id: &SessionId, step: &Advance) -> Result<Outcome, StoreError> {
        let holds = |session: &Session| session.generation == step.from;
        self.step(id, holds, |session| step.apply(session)).await
    }

    async fn touch(&self, id: &SessionId, touch: &Touch) -> Result<Outcome, StoreError> {
        let holds = |session: &Session| session.generation == touch.generation;
        self.step(id, holds, |session| touch.apply(session)).await
    }

    async fn end(&self, id: &SessionId, ended: Ended) -> Result<Outcome, StoreError> {
        self.step(id, |_| true, |session| session.end(ended)).await
    }

    async fn end_all(
        &self,
        subject: &Subject,
        except: Option<&SessionId>,
        ended: Ended,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let mut sessions = self.live_sessions_of(subject).await?;
        sessions.retain(|session| Some(&session.id) != except);
        self.end_each(sessions.into_iter(), ended, at_most).await
    }

    async fn end_least_used(
        &self,
        (subject, client): (&Subject, &ClientId),
        except: &SessionId,
        keep: u32,
        ended: Ended,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let mut sessions = self.live_sessions_of(subject).await?;
        sessions.retain(|session| session.client == *client && session.id != *except);
        sessions.sort_by_key(|session| Reverse((session.last_used_at, session.id)));
        let excess = sessions.into_iter().skip(count(keep.saturating_sub(1)));
        self.end_each(excess, ended, at_most).await
    }

    async fn list(
        &self,
        subject: &Subject,
        after: Option<(Timestamp, SessionId)>,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let mut sessions = self.live_sessions_of(subject).await?;
        sessions.retain(|it| after.is_none_or(|after| (it.created_at, it.id) < after));
        sessions.sort_by_key(|session| Reverse((session.created_at, session.id)));
        sessions.truncate(count(at_most));
        Ok(sessions)
    }

    async fn set_claims(&self, ids: &[SessionId], claims: &ExtraClaims) -> Result<(), StoreError> {
        for id in ids {
            let replace = |found: &mut Session| found.claims.clone_from(claims);
            let _ = self.step(id, |_| true, replace).await?;
        }
        Ok(())
    }

    async fn purge(&self, expired_before: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        let mut purged = 0;
        for (key, version, session) in self.all().await? {
            let listed = session.status.and(session.ended);
            let expired = session.expires_at.min(session.ends_at) < expired_before
                && listed.is_none_or(|ended| ended.at < expired_before);
            if purged == u64::from(at_most) || !expired {
                continue;
            }
            // Not if the session was advanced in between: it has another version then.
            if self.engine.remove(&key, &version).await? {
                self.release_index(&session).await?;
                purged += 1;
            }
        }
        Ok(purged)
    }

    async fn revoked(&self, since: Timestamp) -> Result<Vec<Revoked>, StoreError> {
        let revoked = |(_, _, session): (String, E::Version, Session)| {
            let at = session.ended?.at;
            (at >= since).then_some(Revoked { index: session.status?, at })
        };
        Ok(self.all().await?.into_iter().filter_map(revoked).collect())
    }

    async fn release(&self, ended_before: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        let mut released = 0;
        for (key, version, session) in self.all().await? {
            let over = session.ended.is_some_and(|ended| ended.at < ended_before);
            if session.status.is_none() || !over || released == u64::from(at_most) {
                continue;
            }
            let without = encode_session(&Session { status: None, ..session.clone() })?;
            if self.engine.replace(&key, &version, without).await? {
                self.release_index(&session).await?;
                released += 1;
            }
        }
        Ok(released)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.engine.ping().await
    }
}
