//! The port for the outbox.

use std::fmt;

use async_trait::async_trait;

use super::StoreError;
use crate::outbox::OutboxEntry;
use crate::time::Timestamp;

/// Entries that wait to be sent, in queues.
///
/// The first entry of a queue is the only one that can be claimed: the entries of one queue are sent
/// in the order in which they were appended, and a queue that waits does not delay another. A claim
/// is a lease, and the end of the lease identifies it: a sender that crashed loses its claim when the
/// lease ends, and a sender that comes back later cannot change what another one has claimed.
#[async_trait]
pub trait Outbox: Send + Sync + fmt::Debug {
    /// Appends an entry to its queue. Changes nothing if an entry with this id is stored, so a retry
    /// after an unknown outcome is safe.
    async fn append(&self, entry: &OutboxEntry) -> Result<(), StoreError>;

    /// Claims up to `at_most` entries that are due by `now`, of each queue at most the
    /// first one, and returns them with `due_at` set to `lease_until`, which must be after `now`. No
    /// other claim returns them before that instant.
    async fn claim(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        at_most: u32,
    ) -> Result<Vec<OutboxEntry>, StoreError>;

    /// Ends a claim after a failed attempt: the entry stays the first of its queue and is due at `at`,
    /// with this number of attempts. Returns `false`, with nothing changed, if the claim has been
    /// replaced by a later one or the entry was removed.
    async fn retry_at(
        &self,
        claimed: &OutboxEntry,
        at: Timestamp,
        attempts: u32,
    ) -> Result<bool, StoreError>;

    /// Removes a claimed entry, because it was sent or given up. Returns `false`, with nothing
    /// changed, if the claim has been replaced by a later one or the entry was removed.
    async fn remove(&self, claimed: &OutboxEntry) -> Result<bool, StoreError>;

    /// The number of entries, counted up to `at_most`.
    async fn count(&self, at_most: u32) -> Result<u32, StoreError>;
}
