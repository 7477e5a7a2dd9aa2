//! The port for the counts behind limits.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::limits::{CounterKey, Rate, Window};
use crate::time::Timestamp;

/// Counts of requests and failures, for one process or for all replicas together.
///
/// Every method is one atomic step. `now` is the clock of the caller. An implementation that replicas
/// share ignores it and uses the clock of its server, so that a replica with a wrong clock neither
/// unlocks nor prolongs anything for the others. Counts expire with their period, and may be lost
/// earlier with the store.
#[async_trait]
pub trait Counters: Send + Sync + fmt::Debug {
    /// Takes a request from the budget of `key`. If the budget is empty, returns the time until the next
    /// request is allowed, with nothing changed.
    async fn request(
        &self,
        key: &CounterKey,
        rate: Rate,
        now: Timestamp,
    ) -> Result<Option<Duration>, StoreError>;

    /// The current window of `key`, if there are failures.
    async fn failures(
        &self,
        key: &CounterKey,
        rate: Rate,
        now: Timestamp,
    ) -> Result<Option<Window>, StoreError>;

    /// Counts a failure, unless the window has [`Rate::count`] failures already. The first failure
    /// begins a window, which ends after [`Rate::per`]. Returns whether it was counted, and the window
    /// afterwards.
    async fn fail(
        &self,
        key: &CounterKey,
        rate: Rate,
        now: Timestamp,
    ) -> Result<(bool, Window), StoreError>;

    /// Takes one failure back, if there are at most `at_most`. A window without failures ends.
    async fn take_back(&self, key: &CounterKey, at_most: u32) -> Result<(), StoreError>;

    /// Ends the window of `key` if it has fewer than `below` failures; otherwise returns it, with
    /// nothing changed.
    async fn clear(
        &self,
        key: &CounterKey,
        below: u32,
        rate: Rate,
        now: Timestamp,
    ) -> Result<Option<Window>, StoreError>;
}
