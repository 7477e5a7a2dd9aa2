//! The reference store: everything in memory, each step under one lock. Useful for tests and
//! experiments, and the model that every other store is compared with.

#[cfg(feature = "accounts")]
mod accounts;
#[cfg(feature = "accounts")]
mod outbox;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Advance, Outcome, Revoked, SessionStore, StoreError, Touch};
use crate::id::{ClientId, SessionId, Subject};
use crate::session::{Ended, ExtraClaims, Session};
use crate::time::Timestamp;

/// A store that loses its content when the process ends.
#[derive(Debug, Default)]
pub struct MemoryStore {
    sessions: Mutex<HashMap<SessionId, Session>>,
    #[cfg(feature = "accounts")]
    accounts: Mutex<std::collections::BTreeMap<String, crate::account::Account>>,
    #[cfg(feature = "accounts")]
    outbox: Mutex<Vec<crate::outbox::OutboxEntry>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every record of a session of `subject`, ended or not, in any order.
    #[must_use]
    pub fn records(&self, subject: &Subject) -> Vec<Session> {
        let sessions = self.sessions();
        sessions.values().filter(|session| session.subject == *subject).cloned().collect()
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
        let holds = |session: &Session| session.generation == step.from;
        Ok(self.step(id, holds, |session| step.apply(session)))
    }

    async fn touch(&self, id: &SessionId, touch: &Touch) -> Result<Outcome, StoreError> {
        let holds = |session: &Session| session.generation == touch.generation;
        Ok(self.step(id, holds, |session| touch.apply(session)))
    }

    async fn end(&self, id: &SessionId, ended: Ended) -> Result<Outcome, StoreError> {
        Ok(self.step(id, |_| true, |session| session.end(ended)))
    }

    async fn end_all(
        &self,
        subject: &Subject,
        except: Option<&SessionId>,
        ended: Ended,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let mut sessions = self.sessions();
        let theirs = sessions.values_mut().filter(|session| {
            session.subject == *subject && session.ended.is_none() && except != Some(&session.id)
        });
        Ok(theirs.take(count(at_most)).map(|session| end(session, ended)).collect())
    }

    async fn end_least_used(
        &self,
        (subject, client): (&Subject, &ClientId),
        except: &SessionId,
        keep: u32,
        ended: Ended,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let mut sessions = self.sessions();
        let mut theirs: Vec<&mut Session> = sessions
            .values_mut()
            .filter(|it| it.subject == *subject && it.client == *client && it.ended.is_none())
            .collect();
        theirs.retain(|session| session.id != *except);
        theirs.sort_by_key(|session| Reverse((session.last_used_at, session.id)));
        let excess = theirs.into_iter().skip(count(keep.saturating_sub(1)));
        Ok(excess.take(count(at_most)).map(|session| end(session, ended)).collect())
    }

    async fn list(
        &self,
        subject: &Subject,
        after: Option<(Timestamp, SessionId)>,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let follows = |it: &&Session| after.is_none_or(|after| (it.created_at, it.id) < after);
        let sessions = self.sessions();
        let theirs = sessions.values().filter(|it| it.subject == *subject && it.ended.is_none());
        let mut theirs: Vec<Session> = theirs.filter(follows).cloned().collect();
        theirs.sort_by_key(|session| Reverse((session.created_at, session.id)));
        theirs.truncate(count(at_most));
        Ok(theirs)
    }

    async fn set_claims(&self, ids: &[SessionId], claims: &ExtraClaims) -> Result<(), StoreError> {
        let mut sessions = self.sessions();
        for id in ids {
            if let Some(session) = sessions.get_mut(id).filter(|session| session.ended.is_none()) {
                session.claims.clone_from(claims);
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
            .take(count(at_most))
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
            .take(count(at_most))
            .map(|session| session.status = None)
            .count();
        Ok(u64::try_from(released).unwrap_or(u64::MAX))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

fn count(at_most: u32) -> usize {
    usize::try_from(at_most).unwrap_or(usize::MAX)
}

fn end(session: &mut Session, ended: Ended) -> Session {
    session.end(ended);
    session.clone()
}
