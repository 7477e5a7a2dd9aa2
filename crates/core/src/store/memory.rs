//! The reference store: everything in memory, each step under one lock. Useful for tests and
//! experiments, and the model that every other store is compared with.

#[cfg(feature = "accounts")]
mod accounts;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Advance, Outcome, Revoked, SessionStore, StoreError};
use crate::id::{Generation, SessionId, Subject};
use crate::session::{Ended, ExtraClaims, Session};
use crate::time::Timestamp;

/// A store that loses its content when the process ends.
#[derive(Debug, Default)]
pub struct MemoryStore {
    sessions: Mutex<HashMap<SessionId, Session>>,
    #[cfg(feature = "accounts")]
    accounts: Mutex<std::collections::BTreeMap<String, crate::account::Account>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<SessionId, Session>> {
        // No step leaves the map half-changed, so a poisoned lock is safe to use.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(
        &self,
        id: &SessionId,
        holds: impl FnOnce(&Session) -> bool,
        change: impl FnOnce(&mut Session),
    ) -> Outcome {
        match self.sessions().get_mut(id) {
            None => Outcome::NotFound,
            Some(session) if session.ended.is_none() && holds(session) => {
                change(session);
                Outcome::Applied(session.clone())
            }
            Some(session) => Outcome::Refused(session.clone()),
        }
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn insert(&self, session: &Session) -> Result<bool, StoreError> {
        let mut sessions = self.sessions();
        let has = |index| sessions.values().any(|other| other.status == Some(index));
        if sessions.contains_key(&session.id) || session.status.is_some_and(has) {
            return Ok(false);
        }
        sessions.insert(session.id, session.clone());
        Ok(true)
    }

    async fn find(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        Ok(self.sessions().get(id).cloned())
    }

    async fn advance(&self, id: &SessionId, step: &Advance) -> Result<Outcome, StoreError> {
        let Advance { from, to, mark, issued_at, expires_at } = *step;
        Ok(self.step(
            id,
            |session| session.generation == from,
            |session| {
                session.generation = to;
                session.mark = Some(mark);
                session.issued_at = issued_at;
                session.expires_at = expires_at;
                session.last_used_at = session.last_used_at.max(issued_at);
            },
        ))
    }

    async fn touch(
        &self,
        id: &SessionId,
        generation: Generation,
        at: Timestamp,
    ) -> Result<Outcome, StoreError> {
        Ok(self.step(
            id,
            |session| session.generation == generation,
            |session| session.last_used_at = session.last_used_at.max(at),
        ))
    }

    async fn end(&self, id: &SessionId, ended: Ended) -> Result<Outcome, StoreError> {
        Ok(self.step(id, |_| true, |session| session.ended = Some(ended)))
    }

    async fn end_all(
        &self,
        subject: &Subject,
        except: Option<&SessionId>,
        ended: Ended,
    ) -> Result<Vec<Session>, StoreError> {
        let mut sessions = self.sessions();
        let theirs = sessions.values_mut().filter(|session| {
            session.subject == *subject && session.ended.is_none() && except != Some(&session.id)
        });
        Ok(theirs
            .map(|session| {
                session.ended = Some(ended);
                session.clone()
            })
            .collect())
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<Session>, StoreError> {
        let sessions = self.sessions();
        Ok(sessions.values().filter(|session| session.subject == *subject).cloned().collect())
    }

    async fn set_claims(&self, subject: &Subject, claims: &ExtraClaims) -> Result<(), StoreError> {
        let mut sessions = self.sessions();
        for session in sessions.values_mut() {
            if session.subject == *subject && session.ended.is_none() {
                session.claims = claims.clone();
            }
        }
        Ok(())
    }

    async fn purge(&self, expired_before: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        let mut sessions = self.sessions();
        let dead: Vec<SessionId> = sessions
            .values()
            .filter(|session| {
                let shows = session.status.and(session.ended);
                session.expires_at.min(session.ends_at) < expired_before
                    && shows.is_none_or(|ended| ended.at < expired_before)
            })
            .take(usize::try_from(at_most).unwrap_or(usize::MAX))
            .map(|session| session.id)
            .collect();
        for id in &dead {
            sessions.remove(id);
        }
        Ok(u64::try_from(dead.len()).unwrap_or(u64::MAX))
    }

    async fn revoked(&self, since: Timestamp) -> Result<Vec<Revoked>, StoreError> {
        let revoked = |session: &Session| {
            let at = session.ended?.at;
            (at >= since).then_some(Revoked { index: session.status?, at })
        };
        Ok(self.sessions().values().filter_map(revoked).collect())
    }

    async fn release(&self, ended_before: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        let mut sessions = self.sessions();
        let over = |session: &Session| session.ended.is_some_and(|ended| ended.at < ended_before);
        let released = sessions
            .values_mut()
            .filter(|session| session.status.is_some() && over(session))
            .take(usize::try_from(at_most).unwrap_or(usize::MAX))
            .map(|session| session.status = None)
            .count();
        Ok(u64::try_from(released).unwrap_or(u64::MAX))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
