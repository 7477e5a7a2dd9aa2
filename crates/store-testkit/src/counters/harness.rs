//! The interface between the kit and counters under test.

use std::sync::Arc;
use std::time::Duration;

use aquaware_core::limits::CounterKey;
use aquaware_core::store::Counters;
use async_trait::async_trait;

/// Opens counters for the kit, and makes time pass for them.
#[async_trait]
pub trait CounterHarness: Send + Sync {
    /// Counters without any counts, which share none with others.
    async fn fresh(&self) -> Arc<dyn Counters>;

    /// The counts of the last `fresh` as another replica sees them. `None` for counters of one process.
    async fn replica(&self) -> Option<Arc<dyn Counters>>;

    /// Makes `span` pass for these keys, by the clock of the counters, without waiting. Counters that
    /// use the clock of the caller need nothing.
    async fn pass(&self, span: Duration, keys: &[CounterKey]);

    /// Whether the counters have a clock of their own, as those of several replicas must.
    fn has_clock(&self) -> bool;
}
