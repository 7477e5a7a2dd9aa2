//! The reference: sessions and accounts in memory, each step under one lock. For tests, for trying
//! things out, and as the model that every other store is compared with.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{AccountStore, Advance, Outcome, Revoked, SessionStore, StoreError};
use crate::account::{Account, Login};
use crate::id::{Generation, SessionId, Subject};
use crate::secret::PasswordHash;
use crate::session::{Ended, ExtraClaims, Session};
use crate::time::Timestamp;

/// A store that lives and dies with the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    sessions: Mutex<HashMap<SessionId, Session>>,
    accounts: Mutex<BTreeMap<String, Account>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<SessionId, Session>> {
        // Every step leaves the map whole, so a panic elsewhere under the lock can't have torn it.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accounts(&self) -> MutexGuard<'_, BTreeMap<String, Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn change_account(
        &self,
        id: &Subject,
        holds: impl FnOnce(&Account) -> bool,
        change: impl FnOnce(&mut Account),
    ) -> bool {
        match self.accounts().values_mut().find(|account| account.id == *id) {
            Some(account) if holds(account) => {
                change(account);
                true
            }
            _ => false,
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

#[async_trait]
impl AccountStore for MemoryStore {
    async fn create(&self, account: &Account) -> Result<bool, StoreError> {
        let mut accounts = self.accounts();
        let taken = accounts.contains_key(account.login.as_str())
            || accounts.values().any(|other| other.id == account.id);
        if !taken {
            accounts.insert(account.login.as_str().to_owned(), account.clone());
        }
        Ok(!taken)
    }

    async fn by_login(&self, login: &Login) -> Result<Option<Account>, StoreError> {
        Ok(self.accounts().get(login.as_str()).cloned())
    }

    async fn by_id(&self, id: &Subject) -> Result<Option<Account>, StoreError> {
        Ok(self.accounts().values().find(|account| account.id == *id).cloned())
    }

    async fn replace_password(
        &self,
        id: &Subject,
        current: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError> {
        Ok(self.change_account(
            id,
            |account| account.password == *current,
            |account| account.password = new.clone(),
        ))
    }

    async fn set_password(&self, id: &Subject, new: &PasswordHash) -> Result<bool, StoreError> {
        Ok(self.change_account(id, |_| true, |account| account.password = new.clone()))
    }

    async fn set_disabled(&self, id: &Subject, at: Option<Timestamp>) -> Result<bool, StoreError> {
        Ok(self.change_account(id, |_| true, |account| account.disabled_at = at))
    }

    async fn set_claims(&self, id: &Subject, claims: &ExtraClaims) -> Result<bool, StoreError> {
        Ok(self.change_account(id, |_| true, |account| account.claims = claims.clone()))
    }

    async fn delete(&self, id: &Subject) -> Result<bool, StoreError> {
        let mut accounts = self.accounts();
        let before = accounts.len();
        accounts.retain(|_, account| account.id != *id);
        Ok(accounts.len() < before)
    }

    async fn list(&self, after: Option<&Login>, at_most: u32) -> Result<Vec<Account>, StoreError> {
        let accounts = self.accounts();
        let later = |login: &str| after.is_none_or(|after| login > after.as_str());
        Ok(accounts
            .iter()
            .filter(|(login, _)| later(login))
            .take(usize::try_from(at_most).unwrap_or(usize::MAX))
            .map(|(_, account)| account.clone())
            .collect())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
