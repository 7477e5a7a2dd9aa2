//! Every flaw of counters is detected by the checks listed for it, and every check detects a flaw.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aquaware_core::limits::{CounterKey, LimitName, LocalCounters, Rate, Window};
use aquaware_core::store::{Counters, StoreError};
use aquaware_core::time::Timestamp;
use aquaware_store_testkit::{COUNTER_CHECKS, CounterHarness, run_counter_check, sample};
use async_trait::async_trait;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    BudgetsNeverRefill,
    RejectedRequestsCount,
    KeysAreIgnored,
    ReplicasCountApart,
    WindowsNeverFill,
    WindowsNeverEnd,
    TakingBackIgnoresItsLimit,
    ClearingEndsEveryWindow,
    PeriodsAreKept,
    ClocksOfCallersCount,
}

/// Counters with a clock of their own and one flaw.
#[derive(Clone, Debug)]
struct Flawed {
    flaw: Flaw,
    counters: Arc<LocalCounters>,
    clock: Arc<Mutex<Timestamp>>,
}

impl Flawed {
    fn now(&self, caller: Timestamp) -> Timestamp {
        if self.flaw == Flaw::ClocksOfCallersCount { caller } else { *self.clock.lock().unwrap() }
    }

    fn key(&self, key: &CounterKey) -> CounterKey {
        match self.flaw {
            Flaw::KeysAreIgnored => CounterKey::new(LimitName::LogIn, [0; 16]),
            _ => *key,
        }
    }

    fn rate(&self, rate: Rate) -> Rate {
        let day = Duration::from_secs(86_400);
        Rate { per: if self.flaw == Flaw::PeriodsAreKept { day } else { rate.per }, ..rate }
    }
}

#[async_trait]
impl Counters for Flawed {
    async fn request(
        &self,
        key: &CounterKey,
        rate: Rate,
        now: Timestamp,
    ) -> Result<Option<Duration>, StoreError> {
        let now = match self.flaw {
            Flaw::BudgetsNeverRefill => sample::NOON,
            _ => self.now(now),
        };
        let wait = self.counters.request(&self.key(key), rate, now).await?;
        if wait.is_some() && self.flaw == Flaw::RejectedRequestsCount {
            // As if the instant of the rejected request had been stored.
            let later = now.plus(rate.per);
            self.counters.request(&self.key(key), rate, later).await?;
        }
        Ok(wait)
    }

    async fn failures(
        &self,
        key: &CounterKey,
        rate: Rate,
        now: Timestamp,
    ) -> Result<Option<Window>, StoreError> {
        self.counters.failures(&self.key(key), self.rate(rate), self.now(now)).await
    }

    async fn fail(
        &self,
        key: &CounterKey,
        rate: Rate,
        now: Timestamp,
    ) -> Result<(bool, Window), StoreError> {
        let mut rate = self.rate(rate);
        match self.flaw {
            Flaw::WindowsNeverFill => rate.count = std::num::NonZeroU32::MAX,
            Flaw::WindowsNeverEnd => rate.per = Duration::from_secs(1_000_000),
            _ => {}
        }
        self.counters.fail(&self.key(key), rate, self.now(now)).await
    }

    async fn take_back(&self, key: &CounterKey, at_most: u32) -> Result<(), StoreError> {
        let ignored = self.flaw == Flaw::TakingBackIgnoresItsLimit;
        let at_most = if ignored { u32::MAX } else { at_most };
        self.counters.take_back(&self.key(key), at_most).await
    }

    async fn clear(
        &self,
        key: &CounterKey,
        below: u32,
        rate: Rate,
        now: Timestamp,
    ) -> Result<Option<Window>, StoreError> {
        let every = self.flaw == Flaw::ClearingEndsEveryWindow;
        let below = if every { u32::MAX } else { below };
        self.counters.clear(&self.key(key), below, self.rate(rate), self.now(now)).await
    }
}

struct Bad(Flawed);

impl Bad {
    fn with(flaw: Flaw) -> Self {
        let clock = Arc::new(Mutex::new(sample::NOON));
        Self(Flawed { flaw, counters: Arc::default(), clock })
    }
}

#[async_trait]
impl CounterHarness for Bad {
    async fn fresh(&self) -> Arc<dyn Counters> {
        Arc::new(self.0.clone())
    }

    async fn replica(&self) -> Option<Arc<dyn Counters>> {
        let mut replica = self.0.clone();
        if replica.flaw == Flaw::ReplicasCountApart {
            replica.counters = Arc::default();
        }
        Some(Arc::new(replica))
    }

    async fn pass(&self, span: Duration, _: &[CounterKey]) {
        let mut clock = self.0.clock.lock().unwrap();
        *clock = clock.plus(span);
    }

    fn has_clock(&self) -> bool {
        true
    }
}

mod without_a_flaw {
    use super::*;
    aquaware_store_testkit::counter_conformance!(Bad::with(Flaw::None));
}

flaws_are_detected! {
    checks: COUNTER_CHECKS, run: |name, flaw| run_counter_check(name, || Bad::with(flaw)), last: ClocksOfCallersCount;
    BudgetsNeverRefill: a_budget_allows_a_burst_and_refills_continuously;
    RejectedRequestsCount: a_rejected_request_changes_nothing;
    KeysAreIgnored: budgets_of_different_keys_are_separate windows_of_different_keys_are_separate;
    ReplicasCountApart: concurrent_requests_get_the_budget_and_no_more
        concurrent_failures_fill_a_window_and_no_more;
    WindowsNeverFill: failures_fill_a_window_and_no_more;
    WindowsNeverEnd: a_window_ends_after_its_period;
    TakingBackIgnoresItsLimit: taking_back_respects_its_limit;
    ClearingEndsEveryWindow: clearing_keeps_a_full_window;
    PeriodsAreKept: a_shorter_period_applies_to_windows_that_have_begun;
    ClocksOfCallersCount: a_caller_with_a_wrong_clock_changes_nothing;
}
