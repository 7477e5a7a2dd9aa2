//! The port through which an entry leaves.

use std::fmt;

use aquaware_core::outbox::OutboxEntry;
use aquaware_http::Channel;
use async_trait::async_trait;

/// How the entries of the outbox leave.
#[async_trait]
pub(crate) trait Deliver: Send + Sync + fmt::Debug {
    /// Tries once to deliver an entry, in a bounded time that is shorter than a claim.
    async fn deliver(&self, entry: &OutboxEntry) -> Attempt;

    /// How the entry leaves, for the metrics.
    fn channel(&self, entry: &OutboxEntry) -> Channel;
}

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// The receiver confirmed it.
    Delivered,
    /// It failed for this reason, and will be tried again.
    Failed(String),
    /// There is nothing to deliver any more.
    Discarded,
}
