//! The outbox port of the reference store.

use std::collections::HashSet;
use std::sync::{MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{MemoryStore, count};
use crate::outbox::OutboxEntry;
use crate::store::{Outbox, StoreError};
use crate::time::Timestamp;

impl MemoryStore {
    /// The entries in the order in which they were appended.
    fn outbox(&self) -> MutexGuard<'_, Vec<OutboxEntry>> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The position of a claimed entry, while its claim is the last one.
fn position(entries: &[OutboxEntry], claimed: &OutboxEntry) -> Option<usize> {
    entries.iter().position(|entry| entry.id == claimed.id && entry.due_at == claimed.due_at)
}

#[async_trait]
impl Outbox for MemoryStore {
    async fn append(&self, entry: &OutboxEntry) -> Result<(), StoreError> {
        let mut entries = self.outbox();
        if entries.iter().all(|other| other.id != entry.id) {
            entries.push(entry.clone());
        }
        Ok(())
    }

    async fn claim(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        at_most: u32,
    ) -> Result<Vec<OutboxEntry>, StoreError> {
        let mut entries = self.outbox();
        let mut queues = HashSet::new();
        let first = entries.iter_mut().filter(|entry| queues.insert(entry.queue.clone()));
        let due = first.filter(|entry| entry.due_at <= now).take(count(at_most));
        let claimed = due.map(|entry| {
            entry.due_at = lease_until;
            entry.clone()
        });
        Ok(claimed.collect())
    }

    async fn retry_at(
        &self,
        claimed: &OutboxEntry,
        at: Timestamp,
        attempts: u32,
    ) -> Result<bool, StoreError> {
        let mut entries = self.outbox();
        let found = position(&entries, claimed).and_then(|position| entries.get_mut(position));
        let Some(entry) = found else { return Ok(false) };
        (entry.due_at, entry.attempts) = (at, attempts);
        Ok(true)
    }

    async fn remove(&self, claimed: &OutboxEntry) -> Result<bool, StoreError> {
        let mut entries = self.outbox();
        let found = position(&entries, claimed);
        if let Some(position) = found {
            entries.remove(position);
        }
        Ok(found.is_some())
    }

    async fn count(&self, at_most: u32) -> Result<u32, StoreError> {
        Ok(u32::try_from(self.outbox().len()).unwrap_or(u32::MAX).min(at_most))
    }
}
