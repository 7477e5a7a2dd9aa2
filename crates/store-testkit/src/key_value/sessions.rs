//! The session port.

use aquaware_core::id::{Generation, SessionId, Subject};
use aquaware_core::session::{Ended, ExtraClaims, Session};
use aquaware_core::status::StatusIndex;
use aquaware_core::store::{Advance, Outcome, Revoked, SessionStore, StoreError};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;

use super::record::{decode_session, encode_session};
use super::{Engine, Entry, KeyValueStore};

const PREFIX: &str = "s:";

fn session_key(id: &SessionId) -> String {
    format!("{PREFIX}{id}")
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

    async fn sessions_of(&self, subject: &Subject) -> Result<Vec<Session>, StoreError> {
        let all = self.all().await?.into_iter().map(|(_, _, session)| session);
        Ok(all.filter(|session| session.subject == *subject).collect())
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
        let Advance { from, to, mark, issued_at, expires_at } = *step;
        self.step(
            id,
            |session| session.generation == from,
            |session| {
                session.generation = to;
                session.mark = Some(mark);
                session.issued_at = issued_at;
                session.expires_at = expires_at;
                session.last_used_at = session.last_used_at.max(issued_at);
            },
        )
        .await
    }

    async fn touch(
        &self,
        id: &SessionId,
        generation: Generation,
        at: Timestamp,
    ) -> Result<Outcome, StoreError> {
        self.step(
            id,
            |session| session.generation == generation,
            |session| session.last_used_at = session.last_used_at.max(at),
        )
        .await
    }

    async fn end(&self, id: &SessionId, ended: Ended) -> Result<Outcome, StoreError> {
        self.step(id, |_| true, |session| session.ended = Some(ended)).await
    }

    async fn end_all(
        &self,
        subject: &Subject,
        except: Option<&SessionId>,
        ended: Ended,
    ) -> Result<Vec<Session>, StoreError> {
        let mut sessions = Vec::new();
        for session in self.sessions_of(subject).await? {
            if Some(&session.id) == except {
                continue;
            }
            // A session that another client has ended in between is in that client's result.
            if let Outcome::Applied(session) = self.end(&session.id, ended).await? {
                sessions.push(session);
            }
        }
        Ok(sessions)
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<Session>, StoreError> {
        self.sessions_of(subject).await
    }

    async fn set_claims(&self, subject: &Subject, claims: &ExtraClaims) -> Result<(), StoreError> {
        for session in self.sessions_of(subject).await? {
            let replace = |found: &mut Session| found.claims.clone_from(claims);
            let _ = self.step(&session.id, |_| true, replace).await?;
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
