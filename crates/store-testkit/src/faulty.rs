//! A store that fails on purpose and counts its calls.
//!
//! Use it to test code that uses a store: what happens when the store fails at one particular call,
//! whether the cause of an error is exposed, how many calls a refresh makes.

mod accounts;
mod calls;
mod outbox;
mod plan;
mod sessions;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aquaware_core::store::StoreError;

pub use self::calls::{Call, Calls};
pub use self::plan::{Fault, FaultPlan, FaultRates};

/// The store `S` with injected faults.
///
/// It implements the ports that `S` implements. With an empty plan it passes every check that `S`
/// passes. Concurrent calls consume the plan in order of arrival.
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
    /// Wraps `store`. No call fails until a plan is set.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self::from_arc(Arc::new(store))
    }
}

impl<S: ?Sized> FaultyStore<S> {
    /// Wraps a shared store. Other holders of the store bypass the faults.
    #[must_use]
    pub fn from_arc(inner: Arc<S>) -> Self {
        let (plan, cause) = (FaultPlan::none(), "an injected fault".to_owned());
        Self { inner, state: Mutex::new(State { plan, cause, calls: Calls::default() }) }
    }

    /// The same store with this plan.
    #[must_use]
    pub fn with_plan(self, plan: FaultPlan) -> Self {
        self.set_plan(plan);
        self
    }

    /// Replaces the plan, including what was left of the previous one.
    pub fn set_plan(&self, plan: FaultPlan) {
        self.state().plan = plan;
    }

    /// Sets the text of the cause in injected errors, for tests that search for it where it must
    /// not appear.
    pub fn set_cause(&self, cause: impl Into<String>) {
        self.state().cause = cause.into();
    }

    /// The calls since the store was wrapped or [`reset_calls`](Self::reset_calls) was called,
    /// including failed ones.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.state().calls.clone()
    }

    /// Resets the count of calls to zero.
    pub fn reset_calls(&self) {
        self.state().calls = Calls::default();
    }

    /// The wrapped store.
    #[must_use]
    pub const fn inner(&self) -> &Arc<S> {
        &self.inner
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is a single assignment, so a panic elsewhere cannot leave it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_fault(&self, call: Call) -> (Option<Fault>, String) {
        let mut state = self.state();
        state.calls.add(call);
        (state.plan.next(call), state.cause.clone())
    }

    /// Runs `step`, or fails instead, as planned.
    async fn inject<T, F>(&self, call: Call, step: F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let (fault, cause) = self.next_fault(call);
        match fault {
            None => step.await,
            Some(Fault::Unreachable) => Err(StoreError::Unreachable(cause.into())),
            Some(Fault::Rejected) => Err(StoreError::Rejected(cause.into())),
            Some(Fault::RequestLost) => Err(StoreError::UnknownOutcome(cause.into())),
            Some(Fault::ResponseLost) => {
                // Only a result can be lost; an error of the store itself is returned unchanged.
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
    use crate::sample::{ended, minimal};
    use aquaware_core::session::EndReason;
    use aquaware_core::store::{MemoryStore, SessionStore};
    use std::error::Error as _;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn faulty(fault: Fault) -> FaultyStore<MemoryStore> {
        FaultyStore::new(MemoryStore::new()).with_plan(FaultPlan::script([Some(fault)]))
    }

    #[test]
    fn a_fault_before_the_step_changes_nothing() {
        for fault in [Fault::Unreachable, Fault::Rejected, Fault::RequestLost] {
            let store = faulty(fault);
            let error = run(store.insert(&minimal(1))).unwrap_err();
            assert_eq!(error.is_unknown(), fault == Fault::RequestLost, "{fault:?}");
            assert_eq!(error.is_transient(), fault != Fault::Rejected, "{fault:?}");
            assert_eq!(run(store.find(&minimal(1).id)).unwrap(), None, "{fault:?}");
        }
    }

    #[test]
    fn a_lost_response_follows_an_applied_step() {
        let store = faulty(Fault::ResponseLost);
        assert!(run(store.insert(&minimal(1))).unwrap_err().is_unknown());
        assert_eq!(run(store.find(&minimal(1).id)).unwrap(), Some(minimal(1)));
    }

    #[test]
    fn the_cause_of_an_injected_error_is_the_configured_text() {
        let store = faulty(Fault::Unreachable);
        store.set_cause("MARK-4711");
        let error = run(SessionStore::ping(&store)).unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), "MARK-4711");
        assert!(!error.to_string().contains("MARK-4711"));
    }

    #[test]
    fn failed_and_successful_calls_are_counted() {
        let store = faulty(Fault::Unreachable);
        let _ = run(store.find(&minimal(1).id));
        let _ = run(store.find(&minimal(1).id));
        let _ = run(store.end(&minimal(1).id, ended(EndReason::Logout)));
        let calls = store.calls();
        assert_eq!((calls.count(Call::Find), calls.count(Call::End), calls.total()), (2, 1, 3));
        store.reset_calls();
        assert_eq!(store.calls().total(), 0);
    }

    #[test]
    fn a_trait_object_can_be_wrapped() {
        let inner: Arc<dyn SessionStore> = Arc::new(MemoryStore::new());
        let store = FaultyStore::from_arc(inner).with_plan(FaultPlan::always(Fault::Rejected));
        assert!(matches!(run(store.ping()), Err(StoreError::Rejected(_))));
        store.set_plan(FaultPlan::none());
        assert!(run(store.ping()).is_ok());
    }
}
