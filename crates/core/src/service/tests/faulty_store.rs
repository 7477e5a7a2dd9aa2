//! A store behind a store that loses things: counts what is asked, fails as told.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::*;
use crate::id::{ClientId, SessionId};
use crate::session::ExtraClaims;
use crate::store::{Advance, Outcome, Revoked, SessionStore, StoreError, Touch};
use crate::time::Timestamp;

/// The outcome of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallOutcome {
    /// The store executes it and responds.
    Done,
    /// The store is not reached.
    Unreachable,
    /// The request is lost, and the caller cannot know.
    Lost,
    /// The store executes it, and the response is lost.
    Unanswered,
    /// The request is delayed and executed right after the next call.
    Late,
}

impl CallOutcome {
    pub(super) const FAULTS: [Self; 4] =
        [Self::Unreachable, Self::Lost, Self::Unanswered, Self::Late];
}

type Stuck = Box<dyn FnOnce(&MemoryStore) + Send>;
type Hook = Box<dyn FnOnce(&MemoryStore) + Send>;

pub(super) struct FaultyStore {
    store: Arc<MemoryStore>,
    outcomes: Mutex<VecDeque<CallOutcome>>,
    calls: Mutex<Vec<&'static str>>,
    stuck: Mutex<Vec<Stuck>>,
    before: Mutex<VecDeque<(&'static str, Hook)>>,
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyStore")
    }
}

fn with<T, R>(mutex: &Mutex<T>, act: impl FnOnce(&mut T) -> R) -> R {
    act(&mut mutex.lock().unwrap_or_else(PoisonError::into_inner))
}

impl FaultyStore {
    pub(super) fn new(store: Arc<MemoryStore>) -> Self {
        Self {
            store,
            outcomes: Mutex::default(),
            calls: Mutex::default(),
            stuck: Mutex::default(),
            before: Mutex::default(),
        }
    }

    /// Plans the outcomes of the next calls; later calls succeed.
    pub(super) fn plan(&self, outcomes: &[CallOutcome]) {
        with(&self.outcomes, |plan| *plan = outcomes.iter().copied().collect());
    }

    /// The calls since the last time.
    pub(super) fn calls(&self) -> Vec<&'static str> {
        with(&self.calls, std::mem::take)
    }

    /// Runs `act` on the store right before the next call of that name. Further hooks apply to
    /// further calls.
    pub(super) fn before(
        &self,
        call: &'static str,
        act: impl FnOnce(&MemoryStore) + Send + 'static,
    ) {
        with(&self.before, |before| before.push_back((call, Box::new(act))));
    }

    fn hook(&self, name: &str) -> Option<Hook> {
        with(&self.before, |before| {
            let place = before.iter().position(|(call, _)| *call == name)?;
            before.remove(place).map(|(_, hook)| hook)
        })
    }

    fn call<T>(
        &self,
        name: &'static str,
        act: impl FnOnce(&MemoryStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        with(&self.calls, |calls| calls.push(name));
        if let Some(hook) = self.hook(name) {
            hook(&self.store);
        }
        let stuck = with(&self.stuck, std::mem::take);
        let interrupted = || Err(StoreError::UnknownOutcome("the line went dead".into()));
        let outcome = match with(&self.outcomes, VecDeque::pop_front).unwrap_or(CallOutcome::Done) {
            CallOutcome::Done => act(&self.store),
            CallOutcome::Unreachable => Err(StoreError::Unreachable("no route".into())),
            CallOutcome::Lost => interrupted(),
            CallOutcome::Unanswered => {
                let _ = act(&self.store);
                interrupted()
            }
            CallOutcome::Late => {
                let late: Stuck = Box::new(move |store| drop(act(store)));
                with(&self.stuck, |stuck| stuck.push(late));
                interrupted()
            }
        };
        for late in stuck {
            late(&self.store);
        }
        outcome
    }
}

#[async_trait]
impl SessionStore for FaultyStore {
    async fn insert(&self, session: &Session) -> Result<bool, StoreError> {
        let session = session.clone();
        self.call("insert", move |store| block_on(store.insert(&session)))
    }

    async fn find(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        let id = *id;
        self.call("find", move |store| block_on(store.find(&id)))
    }

    async fn advance(&self, id: &SessionId, step: &Advance) -> Result<Outcome, StoreError> {
        let (id, step) = (*id, *step);
        self.call("advance", move |store| block_on(store.advance(&id, &step)))
    }

    async fn touch(&self, id: &SessionId, touch: &Touch) -> Result<Outcome, StoreError> {
        let (id, touch) = (*id, *touch);
        self.call("touch", move |store| block_on(store.touch(&id, &touch)))
    }

    async fn end(&self, id: &SessionId, ended: Ended) -> Result<Outcome, StoreError> {
        let id = *id;
        self.call("end", move |store| block_on(store.end(&id, ended)))
    }

    async fn end_all(
        &self,
        subject: &Subject,
        except: Option<&SessionId>,
        ended: Ended,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let (subject, except) = (subject.clone(), except.copied());
        self.call("end_all", move |store| {
            block_on(store.end_all(&subject, except.as_ref(), ended, at_most))
        })
    }

    /// Not counted: it accompanies every login.
    async fn end_least_used(
        &self,
        owner: (&Subject, &ClientId),
        except: &SessionId,
        keep: u32,
        ended: Ended,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        self.store.end_least_used(owner, except, keep, ended, at_most).await
    }

    async fn list(
        &self,
        subject: &Subject,
        after: Option<(Timestamp, SessionId)>,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let subject = subject.clone();
        self.call("list", move |store| {
            block_on(SessionStore::list(store, &subject, after, at_most))
        })
    }

    async fn set_claims(&self, ids: &[SessionId], claims: &ExtraClaims) -> Result<(), StoreError> {
        let (ids, claims) = (ids.to_vec(), claims.clone());
        self.call("set_claims", move |store| {
            block_on(SessionStore::set_claims(store, &ids, &claims))
        })
    }

    async fn purge(&self, expired_before: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        self.call("purge", move |store| block_on(store.purge(expired_before, at_most)))
    }

    async fn revoked(&self, since: Timestamp) -> Result<Vec<Revoked>, StoreError> {
        self.call("revoked", move |store| block_on(store.revoked(since)))
    }

    async fn release(&self, ended_before: Timestamp, at_most: u32) -> Result<u64, StoreError> {
        self.call("release", move |store| block_on(store.release(ended_before, at_most)))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.call("ping", |store| block_on(SessionStore::ping(store)))
    }
}
