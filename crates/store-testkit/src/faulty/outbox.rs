//! The outbox with injected faults.

use aquaware_core::outbox::OutboxEntry;
use aquaware_core::store::{Outbox, StoreError};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;

use super::{Call, FaultyStore};

#[async_trait]
impl<S: Outbox + ?Sized> Outbox for FaultyStore<S> {
    async fn append(&self, entry: &OutboxEntry) -> Result<(), StoreError> {
        self.inject(Call::Append, self.inner.append(entry)).await
    }

    async fn claim(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        at_most: u32,
    ) -> Result<Vec<OutboxEntry>, StoreError> {
        self.inject(Call::Claim, self.inner.claim(now, lease_until, at_most)).await
    }

    async fn retry_at(
        &self,
        claimed: &OutboxEntry,
        at: Timestamp,
        attempts: u32,
    ) -> Result<bool, StoreError> {
        self.inject(Call::RetryAt, self.inner.retry_at(claimed, at, attempts)).await
    }

    async fn remove(&self, claimed: &OutboxEntry) -> Result<bool, StoreError> {
        self.inject(Call::Remove, self.inner.remove(claimed)).await
    }

    async fn count(&self, at_most: u32) -> Result<u32, StoreError> {
        self.inject(Call::Count, self.inner.count(at_most)).await
    }
}
