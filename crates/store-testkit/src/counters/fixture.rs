//! Counters under test, and steps that almost every check makes.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use aquaware_core::limits::{CounterKey, LimitName, Rate, Window};
use aquaware_core::store::Counters;
use aquaware_core::time::Timestamp;

use super::harness::CounterHarness;
use crate::error::{CheckError, CheckResult, ensure};
use crate::sample::NOON;

/// Long enough that the time that a check takes does not matter.
pub(super) const HOUR: Duration = Duration::from_secs(3600);
/// How long a check may take.
const SLACK: Duration = Duration::from_secs(240);

/// The keys of all checks.
pub(super) const ANN: CounterKey = CounterKey::new(LimitName::LogIn, [1; 16]);
pub(super) const BOB: CounterKey = CounterKey::new(LimitName::LogIn, [2; 16]);
pub(super) const FAILED_ANN: CounterKey = CounterKey::new(LimitName::FailedLogin, [1; 16]);
pub(super) const FAILED_BOB: CounterKey = CounterKey::new(LimitName::FailedLogin, [2; 16]);
pub(super) const FAILED_CLIENT: CounterKey = CounterKey::new(LimitName::FailedClient, [1; 16]);

/// `count` in an hour.
pub(super) const fn hourly(count: u32) -> Rate {
    match NonZeroU32::new(count) {
        Some(count) => Rate::new(count, HOUR),
        None => Rate::new(NonZeroU32::MIN, HOUR),
    }
}

/// Open counters, the clock of their caller, and their harness.
pub(super) struct CounterFixture {
    harness: Box<dyn CounterHarness>,
    pub(super) counters: Arc<dyn Counters>,
    pub(super) now: Timestamp,
}

impl std::fmt::Debug for CounterFixture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CounterFixture").field("counters", &self.counters).finish_non_exhaustive()
    }
}

impl CounterFixture {
    pub(super) async fn open(harness: impl CounterHarness + 'static) -> Self {
        let counters = harness.fresh().await;
        Self { harness: Box::new(harness), counters, now: NOON }
    }

    pub(super) fn has_clock(&self) -> bool {
        self.harness.has_clock()
    }

    /// Makes time pass for the caller and the counters.
    pub(super) async fn pass(&mut self, span: Duration) {
        self.now = self.now.plus(span);
        self.harness.pass(span, &[ANN, BOB, FAILED_ANN, FAILED_BOB, FAILED_CLIENT]).await;
    }

    /// `count` handles of the counters. Every other one belongs to a replica if the harness has one.
    pub(super) async fn handles(&self, count: usize) -> Vec<Arc<dyn Counters>> {
        let other = self.harness.replica().await.unwrap_or_else(|| Arc::clone(&self.counters));
        let pick = |n| Arc::clone(if n % 2 == 0 { &self.counters } else { &other });
        (0..count).map(pick).collect()
    }

    pub(super) async fn request(
        &self,
        key: CounterKey,
        rate: Rate,
    ) -> Result<Option<Duration>, CheckError> {
        Ok(self.counters.request(&key, rate, self.now).await?)
    }

    pub(super) async fn fail(
        &self,
        key: CounterKey,
        rate: Rate,
    ) -> Result<(bool, Window), CheckError> {
        Ok(self.counters.fail(&key, rate, self.now).await?)
    }

    /// The number of failures of a key, zero without a window.
    pub(super) async fn failures(&self, key: CounterKey, rate: Rate) -> Result<u32, CheckError> {
        let window = self.counters.failures(&key, rate, self.now).await?;
        Ok(window.map_or(0, |window| window.failures))
    }
}

/// Fails unless `found` is `expected`, or as much shorter as a check may take.
pub(super) fn about(what: &str, expected: Duration, found: Duration) -> CheckResult {
    let earliest = expected.saturating_sub(SLACK);
    ensure((earliest..=expected).contains(&found) && !found.is_zero(), || {
        format!("{what}: expected {expected:?} or slightly less, found {found:?}")
    })
}
