//! A store behind a wire that loses things: counts what is asked, fails as told.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::*;
use crate::id::{Generation, SessionId};
use crate::session::ExtraClaims;
use crate::store::{Advance, Outcome, Revoked, SessionStore, StoreError};
use crate::time::Timestamp;

/// What becomes of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is done and answered.
    Done,
    /// The store isn't reached.
    Unreachable,
    /// The request is lost, and the caller cannot know.
    Lost,
    /// It is done, and the answer gets lost.
    Unanswered,
    /// It gets stuck, and is done right after the next call.
    Late,
}

impl Fate {
    pub(super) const FAULTS: [Self; 4] =
        [Self::Unreachable, Self::Lost, Self::Unanswered, Self::Late];
}

type Stuck = Box<dyn FnOnce(&MemoryStore) + Send>;
type Hook = Box<dyn FnOnce(&MemoryStore) + Send>;

pub(super) struct Wire {
    store: Arc<MemoryStore>,
    fates: Mutex<VecDeque<Fate>>,
    calls: Mutex<Vec<&'static str>>,
    stuck: Mutex<Vec<Stuck>>,
    before: Mutex<VecDeque<(&'static str, Hook)>>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

fn with<T, R>(mutex: &Mutex<T>, act: impl FnOnce(&mut T) -> R) -> R {
    act(&mut mutex.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Wire {
    pub(super) fn new(store: Arc<MemoryStore>) -> Self {
        Self {
            store,
            fates: Mutex::default(),
            calls: Mutex::default(),
            stuck: Mutex::default(),
            before: Mutex::default(),
        }
    }

    /// The next calls end like this; those after them are done.
    pub(super) fn plan(&self, fates: &[Fate]) {
        with(&self.fates, |plan| *plan = fates.iter().copied().collect());
    }

    /// What was asked since the last time.
    pub(super) fn calls(&self) -> Vec<&'static str> {
        with(&self.calls, std::mem::take)
    }

    /// Does this to the store right before the next call of that name is done. Said again, before
    /// the one after it.
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
        let outcome = match with(&self.fates, VecDeque::pop_front).unwrap_or(Fate::Done) {
            Fate::Done => act(&self.store),
            Fate::Unreachable => Err(StoreError::Unreachable("no route".into())),
            Fate::Lost => interrupted(),
            Fate::Unanswered => {
                let _ = act(&self.store);
                interrupted()
            }
            Fate::Late => {
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
impl SessionStore for Wire {
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

    async fn touch(
        &self,
        id: &SessionId,
        generation: Generation,
        at: Timestamp,
    ) -> Result<Outcome, StoreError> {
        let id = *id;
        self.call("touch", move |store| block_on(store.touch(&id, generation, at)))
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
    ) -> Result<Vec<Session>, StoreError> {
        let (subject, except) = (subject.clone(), except.copied());
        self.call("end_all", move |store| block_on(store.end_all(&subject, except.as_ref(), ended)))
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<Session>, StoreError> {
        let subject = subject.clone();
        self.call("list", move |store| block_on(SessionStore::list(store, &subject)))
    }

    async fn set_claims(&self, subject: &Subject, claims: &ExtraClaims) -> Result<(), StoreError> {
        let (subject, claims) = (subject.clone(), claims.clone());
        self.call("set_claims", move |store| {
            block_on(SessionStore::set_claims(store, &subject, &claims))
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
