//! The outbox, measured.

use aquaware_core::outbox::OutboxEntry;
use aquaware_core::store::{Outbox, StoreError};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;

use super::Observed;

#[async_trait]
impl<S: Outbox + ?Sized> Outbox for Observed<S> {
    async fn append(&self, entry: &OutboxEntry) -> Result<(), StoreError> {
        self.measure("append", self.store.append(entry)).await
    }

    async fn claim(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        at_most: u32,
    ) -> Result<Vec<OutboxEntry>, StoreError> {
        self.measure("claim", self.store.claim(now, lease_until, at_most)).await
    }

    async fn retry_at(
        &self,
        claimed: &OutboxEntry,
        at: Timestamp,
        attempts: u32,
    ) -> Result<bool, StoreError> {
        self.measure("retry_at", self.store.retry_at(claimed, at, attempts)).await
    }

    async fn remove(&self, claimed: &OutboxEntry) -> Result<bool, StoreError> {
        self.measure("remove", self.store.remove(claimed)).await
    }

    async fn count(&self, at_most: u32) -> Result<u32, StoreError> {
        self.measure("count", self.store.count(at_most)).await
    }
}
