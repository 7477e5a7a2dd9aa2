//! A store that fails on purpose, and counts what it is asked.
//!
//! For the tests of whoever uses a store: what happens when it is cut at this very step, whether
//! an error's cause reaches the outside, how many steps a refresh takes.

mod accounts;
mod calls;
mod plan;
mod sessions;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aquaware_core::store::StoreError;

pub use self::calls::{Call, Calls};
pub use self::plan::{Fault, FaultPlan, Odds};

/// The store `S`, with faults before it.
///
/// It has the ports that `S` has, and with an empty plan it is as good a store: it passes every
/// check. Shared between tasks, each call takes its turn of the plan in the order of arrival.
pub struct FaultyStore<S: ?Sized> {
    inner: Arc<S>,
    state: Mutex<State>,
}

struct State {
    plan: FaultPlan,
    cause: String,
    calls: Calls,
}

impl<S> FaultyStore<S> {
    /// Wraps `store`; nothing fails until a plan says so.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self::over(Arc::new(store))
    }
}

impl<S: ?Sized> FaultyStore<S> {
    /// Wraps a store that others hold as well, and may look into past the faults.
    #[must_use]
    pub fn over(inner: Arc<S>) -> Self {
        let (plan, calls) = (FaultPlan::none(), Calls::default());
        Self {
            inner,
            state: Mutex::new(State { plan, cause: "a planned fault".to_owned(), calls }),
        }
    }

    /// The same store with this plan from the start.
    #[must_use]
    pub fn with(self, plan: FaultPlan) -> Self {
        self.follow(plan);
        self
    }

    /// Goes on by this plan, whatever was left of the last.
    pub fn follow(&self, plan: FaultPlan) {
        self.state().plan = plan;
    }

    /// The text of the cause in the errors from now on: a marked word, to be looked for where it
    /// must not appear.
    pub fn blame(&self, cause: impl Into<String>) {
        self.state().cause = cause.into();
    }

    /// What was asked since the beginning or the last [`forget_calls`](Self::forget_calls). Calls
    /// that failed count as well.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.state().calls.clone()
    }

    /// Counts from zero again.
    pub fn forget_calls(&self) {
        self.state().calls = Calls::default();
    }

    /// The store behind the faults.
    #[must_use]
    pub const fn inner(&self) -> &Arc<S> {
        &self.inner
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment: a panic elsewhere can't have torn it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, call: Call) -> (Option<Fault>, String) {
        let mut state = self.state();
        state.calls.count(call);
        (state.plan.next(call), state.cause.clone())
    }

    /// Lets `step` happen, or not, as the plan has it.
    async fn through<T, F>(&self, call: Call, step: F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let (fault, cause) = self.turn(call);
        match fault {
            None => step.await,
            Some(Fault::Unreachable) => Err(StoreError::Unreachable(cause.into())),
            Some(Fault::Refused) => Err(StoreError::Rejected(cause.into())),
            Some(Fault::RequestLost) => Err(StoreError::UnknownOutcome(cause.into())),
            Some(Fault::AnswerLost) => {
                // Its answer is what gets lost; an error of its own tells more than ours.
                step.await?;
                Err(StoreError::UnknownOutcome(cause.into()))
            }
        }
    }
}

impl<S: ?Sized> fmt::Debug for FaultyStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("FaultyStore")
            .field("plan", &state.plan)
            .field("calls", &state.calls)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{ended, plain};
    use aquaware_core::session::EndReason;
    use aquaware_core::store::{MemoryStore, SessionStore};
    use std::error::Error as _;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn with(fault: Fault) -> FaultyStore<MemoryStore> {
        FaultyStore::new(MemoryStore::new()).with(FaultPlan::script([Some(fault)]))
    }

    #[test]
    fn a_fault_before_the_step_means_that_nothing_happened() {
        for fault in [Fault::Unreachable, Fault::Refused, Fault::RequestLost] {
            let store = with(fault);
            let error = run(store.insert(&plain(1))).unwrap_err();
            assert_eq!(error.is_unknown(), fault == Fault::RequestLost, "{fault:?}");
            assert_eq!(error.is_transient(), fault != Fault::Refused, "{fault:?}");
            assert_eq!(run(store.find(&plain(1).id)).unwrap(), None, "{fault:?}");
        }
    }

    #[test]
    fn a_lost_answer_means_that_it_happened() {
        let store = with(Fault::AnswerLost);
        assert!(run(store.insert(&plain(1))).unwrap_err().is_unknown());
        assert_eq!(run(store.find(&plain(1).id)).unwrap(), Some(plain(1)));
    }

    #[test]
    fn the_cause_is_the_text_that_was_set() {
        let store = with(Fault::Unreachable);
        store.blame("MARK-4711");
        let error = run(SessionStore::ping(&store)).unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), "MARK-4711");
        assert!(!error.to_string().contains("MARK-4711"));
    }

    #[test]
    fn every_call_counts_whether_it_failed_or_not() {
        let store = with(Fault::Unreachable);
        let _ = run(store.find(&plain(1).id));
        let _ = run(store.find(&plain(1).id));
        let _ = run(store.end(&plain(1).id, ended(EndReason::Logout)));
        let calls = store.calls();
        assert_eq!((calls.of(Call::Find), calls.of(Call::End), calls.total()), (2, 1, 3));
        store.forget_calls();
        assert_eq!(store.calls().total(), 0);
    }

    #[test]
    fn a_store_behind_a_pointer_to_its_port_can_fail_too() {
        let inner: Arc<dyn SessionStore> = Arc::new(MemoryStore::new());
        let store = FaultyStore::over(inner).with(FaultPlan::always(Fault::Refused));
        assert!(matches!(run(store.ping()), Err(StoreError::Rejected(_))));
        store.follow(FaultPlan::none());
        assert!(run(store.ping()).is_ok());
    }
}
