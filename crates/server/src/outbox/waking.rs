//! An outbox that wakes the sender of this process, so that a message leaves at once. Other replicas
//! find it when they look next.

use std::sync::Arc;

use aquaware_core::outbox::OutboxEntry;
use aquaware_core::store::{Outbox, StoreError};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;
use tokio::sync::Notify;

/// See the module.
#[derive(Debug)]
pub(crate) struct WakingOutbox {
    outbox: Arc<dyn Outbox>,
    appended: Arc<Notify>,
}

impl WakingOutbox {
    /// Notifies `appended` after each append.
    pub(crate) fn new(outbox: Arc<dyn Outbox>, appended: Arc<Notify>) -> Self {
        Self { outbox, appended }
    }
}

#[async_trait]
impl Outbox for WakingOutbox {
    async fn append(&self, entry: &OutboxEntry) -> Result<(), StoreError> {
        self.outbox.append(entry).await?;
        self.appended.notify_one();
        Ok(())
    }

    async fn claim(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        at_most: u32,
    ) -> Result<Vec<OutboxEntry>, StoreError> {
        self.outbox.claim(now, lease_until, at_most).await
    }

    async fn retry_at(
        &self,
        claimed: &OutboxEntry,
        at: Timestamp,
        attempts: u32,
    ) -> Result<bool, StoreError> {
        self.outbox.retry_at(claimed, at, attempts).await
    }

    async fn remove(&self, claimed: &OutboxEntry) -> Result<bool, StoreError> {
        self.outbox.remove(claimed).await
    }

    async fn count(&self, at_most: u32) -> Result<u32, StoreError> {
        self.outbox.count(at_most).await
    }
}
