//! Counts in the memory of this process, bounded for any number of keys.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::{CounterKey, Rate, Window};
use crate::store::{Counters, StoreError};
use crate::time::Timestamp;

/// The number of keys that are counted separately, by default.
const MAX_KEYS: usize = 100_000;
/// The number of slots that further keys share.
const SHARED_SLOTS: u64 = 1024;
/// A sweep costs time proportional to the number of keys, so it happens once in as many calls, and
/// at most once in this many.
const MIN_SWEEP_INTERVAL: usize = 1024;

/// Counts of one process. Use one for each limit, so that a flood of keys of one limit does not
/// displace those of another.
#[derive(Debug)]
pub struct LocalCounters {
    max_keys: usize,
    budgets: Mutex<Budgets>,
    windows: Mutex<HashMap<CounterKey, LocalWindow>>,
}

/// The budgets of requests.
struct Budgets {
    /// When the budget of each key is full again, in microseconds; keys with a full one are absent.
    full_at: HashMap<CounterKey, i64>,
    hasher: RandomState,
    is_full: bool,
    calls: usize,
    sweep_at: usize,
}

#[derive(Clone, Copy, Debug)]
struct LocalWindow {
    started: Timestamp,
    failures: u32,
}

impl Default for LocalCounters {
    fn default() -> Self {
        Self::with_max_keys(MAX_KEYS)
    }
}

impl LocalCounters {
    /// Counts for about this many keys. Requests of further keys share a fixed number of slots; of the
    /// windows of failures, old ones are dropped, locked ones last.
    #[must_use]
    pub fn with_max_keys(max_keys: usize) -> Self {
        let budgets = Budgets {
            full_at: HashMap::new(),
            hasher: RandomState::new(),
            is_full: false,
            calls: 0,
            sweep_at: MIN_SWEEP_INTERVAL.min(max_keys),
        };
        Self { max_keys, budgets: Mutex::new(budgets), windows: Mutex::default() }
    }

    /// Counts a request, and returns the key under which it is counted: another one if there are too
    /// many.
    ///
    /// # Errors
    /// The time until the next request is allowed.
    pub fn spend(
        &self,
        key: &CounterKey,
        rate: Rate,
        now: Timestamp,
    ) -> Result<CounterKey, Duration> {
        let interval = rate.interval_micros();
        if interval == 0 {
            return Ok(*key);
        }
        let now = now.millis().saturating_mul(1000);
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        budgets.sweep_if_due(self.max_keys, now);
        let key = budgets.slot(key);
        let refill = rate.refill_micros();
        let full_at = budgets.full_at.get(&key).copied().unwrap_or(now);
        // A clock that was set back must not make anyone wait for longer than a period.
        let full_at = full_at.clamp(now, now.saturating_add(refill)).saturating_add(interval);
        let excess = full_at.saturating_sub(now).saturating_sub(refill);
        if excess > 0 {
            return Err(Duration::from_micros(excess.unsigned_abs()));
        }
        budgets.full_at.insert(key, full_at);
        Ok(key)
    }

    fn windows(&self) -> MutexGuard<'_, HashMap<CounterKey, LocalWindow>> {
        // Every operation leaves the map consistent, so a poisoned lock is harmless.
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Budgets {
    fn slot(&self, key: &CounterKey) -> CounterKey {
        if !self.is_full || self.full_at.contains_key(key) {
            return *key;
        }
        let slot = self.hasher.hash_one(key) % SHARED_SLOTS;
        CounterKey::new(key.limit(), u128::from(slot).to_be_bytes())
    }

    /// Drops keys with a full budget, once in a while. At most `max_keys` keys are added between two
    /// sweeps, so there are never more than twice as many plus the shared slots.
    fn sweep_if_due(&mut self, max_keys: usize, now: i64) {
        self.calls = self.calls.saturating_add(1);
        if self.calls < self.sweep_at {
            return;
        }
        self.calls = 0;
        self.full_at.retain(|_, full_at| *full_at > now);
        let kept = self.full_at.len();
        self.full_at.shrink_to(kept.saturating_mul(2));
        self.is_full = kept >= max_keys;
        self.sweep_at = kept.max(MIN_SWEEP_INTERVAL).min(max_keys);
    }
}

impl fmt::Debug for Budgets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budgets").field("keys", &self.full_at.len()).finish_non_exhaustive()
    }
}

impl LocalWindow {
    /// What is left of the window, if it is not over.
    fn at(&self, rate: Rate, now: Timestamp) -> Option<Window> {
        let end = self.started.plus(rate.per).millis();
        let left = u64::try_from(end.saturating_sub(now.millis())).ok().filter(|left| *left > 0)?;
        // A clock that was set back must not prolong the window beyond its period.
        Some(Window { failures: self.failures, ends_in: Duration::from_millis(left).min(rate.per) })
    }
}

#[async_trait]
impl Counters for LocalCounters {
    async fn request(
        &self,
        key: &CounterKey,
        rate: Rate,
        now: Timestamp,
    ) -> Result<Option<Duration>, StoreError> {
        Ok(self.spend(key, rate, now).err())
    }

    async fn failures(
        &self,
        key: &CounterKey,
        rate: Rate,
        now: Timestamp,
    ) -> Result<Option<Window>, StoreError> {
        Ok(self.windows().get(key).and_then(|window| window.at(rate, now)))
    }

    async fn fail(
        &self,
        key: &CounterKey,
        rate: Rate,
        now: Timestamp,
    ) -> Result<(bool, Window), StoreError> {
        let mut windows = self.windows();
        if windows.len() >= self.max_keys && !windows.contains_key(key) {
            make_room(&mut windows, rate, self.max_keys, now);
        }
        let new = LocalWindow { started: now, failures: 0 };
        let window = windows.entry(*key).or_insert(new);
        if window.at(rate, now).is_none() {
            *window = new;
        }
        let counts = window.failures < rate.count.get();
        if counts {
            window.failures = window.failures.saturating_add(1);
        }
        let empty = Window { failures: window.failures, ends_in: Duration::ZERO };
        Ok((counts, window.at(rate, now).unwrap_or(empty)))
    }

    async fn take_back(&self, key: &CounterKey, at_most: u32) -> Result<(), StoreError> {
        let mut windows = self.windows();
        if let Some(window) = windows.get_mut(key).filter(|window| window.failures <= at_most) {
            window.failures = window.failures.saturating_sub(1);
            if window.failures == 0 {
                windows.remove(key);
            }
        }
        Ok(())
    }

    async fn clear(
        &self,
        key: &CounterKey,
        below: u32,
        rate: Rate,
        now: Timestamp,
    ) -> Result<Option<Window>, StoreError> {
        let mut windows = self.windows();
        let kept = windows.get(key).and_then(|window| window.at(rate, now));
        let kept = kept.filter(|window| window.failures >= below);
        if kept.is_none() {
            windows.remove(key);
        }
        Ok(kept)
    }
}

/// Drops windows that have ended and, if that is not enough, the older half, locked ones last.
/// Dropping half at once keeps the cost per failure low.
fn make_room(
    windows: &mut HashMap<CounterKey, LocalWindow>,
    rate: Rate,
    max_keys: usize,
    now: Timestamp,
) {
    windows.retain(|_, window| window.at(rate, now).is_some());
    if windows.len() < max_keys {
        return;
    }
    let rank = |window: &LocalWindow| (window.failures >= rate.count.get(), window.started);
    let mut by_rank: Vec<_> = windows.iter().map(|(key, window)| (rank(window), *key)).collect();
    let half = by_rank.len() / 2;
    by_rank.select_nth_unstable(half);
    for (_, key) in by_rank.iter().take(half.max(1)) {
        windows.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::limits::LimitName;
    use crate::testing::block_on;

    const START: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn rate(count: u32, seconds: u64) -> Rate {
        Rate::new(NonZeroU32::new(count).unwrap(), Duration::from_secs(seconds))
    }

    fn key(number: u128) -> CounterKey {
        CounterKey::new(LimitName::LogIn, number.to_be_bytes())
    }

    fn after(millis: u64) -> Timestamp {
        START.plus(Duration::from_millis(millis))
    }

    #[test]
    fn a_budget_refills_continuously() {
        let (counters, rate) = (LocalCounters::default(), rate(30, 60));
        for _ in 0..30 {
            assert_eq!(counters.spend(&key(1), rate, START), Ok(key(1)));
        }
        let wait = |millis| Err(Duration::from_millis(millis));
        assert_eq!(counters.spend(&key(1), rate, after(500)), wait(1500));
        assert_eq!(counters.spend(&key(1), rate, after(1999)), wait(1));
        assert_eq!(counters.spend(&key(1), rate, after(2000)), Ok(key(1)));
        assert_eq!(counters.spend(&key(1), rate, after(2000)), wait(2000));
        assert_eq!(counters.spend(&key(2), rate, after(2000)), Ok(key(2)));
    }

    #[test]
    fn a_clock_set_back_makes_no_budget_smaller_than_an_empty_one() {
        let (counters, rate) = (LocalCounters::default(), rate(1, 60));
        assert!(counters.spend(&key(1), rate, START).is_ok());
        let earlier = START.minus(Duration::from_secs(86_400));
        assert_eq!(counters.spend(&key(1), rate, earlier), Err(Duration::from_secs(60)));
    }

    #[test]
    fn rates_above_one_per_microsecond_limit_nothing() {
        let (counters, rate) = (LocalCounters::default(), rate(1, 0));
        assert!((0..10_000).all(|_| counters.spend(&key(1), rate, START).is_ok()));
    }

    #[test]
    fn memory_is_bounded_for_any_number_of_requests() {
        let (counters, rate) = (LocalCounters::with_max_keys(2000), rate(1, 3600));
        let len = || counters.budgets.lock().unwrap().full_at.len();
        for number in 0..20_000 {
            let _ = counters.spend(&key(number), rate, START);
            assert!(len() <= 2 * 2000 + 1024);
        }
        // Keys that have a budget keep it.
        assert!(counters.spend(&key(1), rate, START).is_err());
        for _ in 0..4000 {
            let _ = counters.spend(&key(30_000), rate, after(7_200_000));
        }
        assert!(len() <= 2);
        assert!(!counters.budgets.lock().unwrap().is_full);
    }

    #[test]
    fn memory_is_bounded_for_any_number_of_failures_and_locks_are_dropped_last() {
        let (counters, rate) = (LocalCounters::with_max_keys(100), rate(3, 60));
        for _ in 0..3 {
            assert!(block_on(counters.fail(&key(5000), rate, START)).unwrap().0);
        }
        for number in 0..1000 {
            let at = after(u64::try_from(number).unwrap());
            assert!(block_on(counters.fail(&key(number), rate, at)).unwrap().0);
            assert!(counters.windows().len() <= 100);
        }
        let locked = block_on(counters.failures(&key(5000), rate, after(1000))).unwrap().unwrap();
        assert_eq!(locked.failures, 3);
    }

    #[test]
    fn a_clock_set_back_does_not_prolong_a_window() {
        let (counters, rate) = (LocalCounters::default(), rate(1, 60));
        let _ = block_on(counters.fail(&key(1), rate, START)).unwrap();
        let earlier = START.minus(Duration::from_secs(3600));
        let window = block_on(counters.failures(&key(1), rate, earlier)).unwrap().unwrap();
        assert_eq!(window.ends_in, Duration::from_secs(60));
    }
}
