//! The issuer's status lists: what the store knows of revocations, as signed lists.
//!
//! The store is asked when a list is, by one question at a time and no more than twice a second; a
//! list is packed when something in it changed, and signed when that, the key or its age asks for
//! it. A replica that nobody asks does nothing.

mod known;
mod signed;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use thiserror::Error;

use self::known::{Known, Span, within};
pub use self::signed::SignedList;
use super::sessions::Sessions;
use crate::jwt::SignError;
use crate::status::ListId;
use crate::store::{Revoked, StoreError};
use crate::time::Timestamp;

/// Why there is no list.
#[derive(Clone, Debug, Error)]
pub enum StatusListError {
    /// There are only shared secrets to sign with, so nobody else could check a list.
    #[error("no status list can be signed for others with a shared secret")]
    SharedSecret,
    /// The revocations are not known. All who waited for the same answer share the cause.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// The keys can't sign.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// The status lists of an issuer, as one replica publishes them.
pub struct StatusLists {
    sessions: Arc<Sessions>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Known,
    /// How many times the store was asked.
    asked: u64,
    /// The question that is under way. It is kept here and not by who began it: whoever waits
    /// drives it on, and somebody who goes away takes nothing along.
    reading: Option<Reading>,
}

/// After how long a question is abandoned that everybody who waited for has left.
const ABANDONED: Duration = Duration::from_secs(30);

type Answer = Result<Arc<[Revoked]>, Arc<StoreError>>;

/// One question to the store.
#[derive(Clone)]
struct Reading {
    /// Which one: the value of [`State::asked`] once it had begun.
    number: u64,
    span: Span,
    answer: Shared<BoxFuture<'static, Answer>>,
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

    /// The lists that others should know: those in use, and the one that comes next.
    pub fn ids(&self) -> impl Iterator<Item = ListId> {
        self.sessions.space.lists()
    }

    /// The list `id`, in which every revocation shows that was acknowledged
    /// [`Spans::FRESH`](crate::status::Spans::FRESH) ago or earlier, by whichever replica.
    ///
    /// However many ask, and however long the store takes: each waits for two questions at most,
    /// the one that is under way and the one after it.
    ///
    /// # Errors
    /// [`StatusListError`]. An old list never stands in for one that can't be had.
    pub async fn list(
        &self,
        id: ListId,
        now: Timestamp,
    ) -> Result<Arc<SignedList>, StatusListError> {
        let before = self.state().asked;
        loop {
            let reading = {
                let mut state = self.state();
                // What was asked after this request came is new enough, whatever the clocks say.
                if state.known.is_fresh(now) || state.known.number > before {
                    let snapshot = self.sessions.snapshot();
                    return state.known.signed(id, &snapshot, now);
                }
                self.reading(&mut state, now)
            };
            let answer = reading.answer.clone().await;
            self.take_in(&reading, answer).map_err(StatusListError::Store)?;
        }
    }

    /// The question under way; begins one if there is none.
    fn reading(&self, state: &mut State, now: Timestamp) -> Reading {
        let under_way = state.reading.as_ref().filter(|it| within(it.span.asked, ABANDONED, now));
        if let Some(reading) = under_way {
            return reading.clone();
        }
        state.asked += 1;
        let span = state.known.to_read(self.sessions.spans(), now);
        let (store, since) = (Arc::clone(&self.sessions.store), span.since);
        let answer = async move { store.revoked(since).await.map(Arc::from).map_err(Arc::new) };
        let reading = Reading { number: state.asked, span, answer: answer.boxed().shared() };
        state.reading = Some(reading.clone());
        reading
    }

    /// Takes in what a question brought, if nobody was faster.
    fn take_in(&self, reading: &Reading, answer: Answer) -> Result<(), Arc<StoreError>> {
        let mut state = self.state();
        if state.reading.as_ref().is_some_and(|it| it.number == reading.number) {
            state.reading = None;
            if let Ok(found) = &answer {
                // Lists that other replicas began are known by what was revoked in them.
                found.iter().for_each(|revoked| self.sessions.space.saw(revoked.index));
                state.known.learn(found, reading.span, reading.number);
            }
        }
        answer.map(drop)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every step leaves it whole, so a panic elsewhere under the lock can't have torn it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
