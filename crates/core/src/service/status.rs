//! The issuer's status lists: the revocations in the store as signed lists.
//!
//! The store is read only when a list is requested, by one read at a time and at most twice a
//! second. A list is packed when its entries have changed, and signed when the entries, the key or
//! the token's age require it. A replica that receives no requests does no work.

mod known;
mod signed;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};

use self::known::{Known, ReadSpan};
use self::signed::within;
pub use self::signed::{SignedList, StatusListError};
use super::RequestContext;
use super::sessions::Sessions;
use crate::status::ListId;
use crate::store::{Revoked, StoreError};
use crate::time::Timestamp;

/// The status lists of an issuer as one replica publishes them.
pub struct StatusLists {
    pub(super) sessions: Arc<Sessions>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Known,
    /// The number of reads started so far.
    reads: u64,
    /// The read in progress. It is kept here, not in the request that started it: every waiting
    /// request polls it, so a request that is cancelled does not cancel the read for the others.
    reading: Option<Reading>,
}

/// A read that every waiting request has abandoned is replaced after this time.
const ABANDONED_AFTER: Duration = Duration::from_secs(30);

type ReadResult = Result<Arc<[Revoked]>, Arc<StoreError>>;

/// One read of the store.
#[derive(Clone)]
struct Reading {
    /// The value of [`State::reads`] once this read had started.
    number: u64,
    span: ReadSpan,
    result: Shared<BoxFuture<'static, ReadResult>>,
}

impl fmt::Debug for StatusLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusLists").field("sessions", &self.sessions).finish_non_exhaustive()
    }
}

impl StatusLists {
    /// The lists of these sessions.
    #[must_use]
    pub fn new(sessions: Arc<Sessions>) -> Self {
        Self { sessions, state: Mutex::default() }
    }

    /// The lists that verifiers should fetch: those in use, and the one that comes next.
    pub fn ids(&self) -> impl Iterator<Item = ListId> {
        self.sessions.space.lists()
    }

    /// The list `id`. It shows every revocation that any replica acknowledged
    /// [`Spans::FRESH`](crate::status::Spans::FRESH) ago or earlier.
    ///
    /// However many requests there are and however slow the store is, each request waits for at most
    /// two reads: the one in progress, which may be too old, and the next one.
    ///
    /// # Errors
    /// [`StatusListError`]. An outdated list is never returned in place of one that cannot be read.
    pub async fn list(
        &self,
        context: &RequestContext,
        id: ListId,
    ) -> Result<Arc<SignedList>, StatusListError> {
        let before = self.state().reads;
        loop {
            let reading = {
                let mut state = self.state();
                // A read that started after this request is recent enough, whatever the clocks show.
                if state.known.is_fresh(context.now) || state.known.number > before {
                    return state.known.signed(id, &context.snapshot, context.now);
                }
                self.reading(&mut state, context.now)
            };
            let result = reading.result.clone().await;
            self.learn(&reading, result).map_err(StatusListError::Store)?;
        }
    }

    /// The read in progress; starts one if there is none.
    fn reading(&self, state: &mut State, now: Timestamp) -> Reading {
        let in_progress =
            state.reading.as_ref().filter(|it| within(it.span.started, ABANDONED_AFTER, now));
        if let Some(reading) = in_progress {
            return reading.clone();
        }
        state.reads += 1;
        let span = state.known.to_read(self.sessions.spans(), now);
        let (store, since) = (Arc::clone(&self.sessions.store), span.since);
        let result = async move { store.revoked(since).await.map(Arc::from).map_err(Arc::new) };
        let reading = Reading { number: state.reads, span, result: result.boxed().shared() };
        state.reading = Some(reading.clone());
        reading
    }

    /// Records the result of a read, unless another request has already done so.
    fn learn(&self, reading: &Reading, result: ReadResult) -> Result<(), Arc<StoreError>> {
        let mut state = self.state();
        if state.reading.as_ref().is_some_and(|it| it.number == reading.number) {
            state.reading = None;
            if let Ok(found) = &result {
                // Revocations also reveal the lists that other replicas have started to use.
                found.iter().for_each(|revoked| self.sessions.space.saw(revoked.index));
                state.known.learn(found, reading.span, reading.number);
            }
        }
        result.map(drop)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No operation leaves the state half-changed, so a poisoned lock is safe to use.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
