//! The outbox port. A claim reads the entries that are due and claims each by a conditional update,
//! so two senders never have the same one.

use aquaware_core::outbox::OutboxEntry;
use aquaware_core::store::{Outbox, StoreError};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;
use diesel_async::methods::{ExecuteDsl, LoadQuery};

use super::engine::Engine;
use super::error::Access;
use super::store::ServerStore;
use crate::row::EntryRow;
use crate::statements::{self, CountEntries, DueEntries};

#[async_trait]
impl<C: Engine> Outbox for ServerStore<C>
where
    DueEntries: LoadQuery<'static, C::Raw, EntryRow>,
    CountEntries: LoadQuery<'static, C::Raw, i64>,
    statements::claim_entry: ExecuteDsl<C::Raw>,
    statements::retry_entry: ExecuteDsl<C::Raw>,
    statements::postpone_queue: ExecuteDsl<C::Raw>,
    statements::remove_entry: ExecuteDsl<C::Raw>,
{
    async fn append(&self, entry: &OutboxEntry) -> Result<(), StoreError> {
        self.write(EntryRow::from(entry), |connection, row| {
            Box::pin(connection.insert_entry(row.clone()))
        })
        .await
        .map(drop)
    }

    async fn claim(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        at_most: u32,
    ) -> Result<Vec<OutboxEntry>, StoreError> {
        let due = DueEntries { now: now.millis(), rows: at_most.into() };
        self.write((due, lease_until.millis()), |connection, (due, lease_until)| {
            Box::pin(async move {
                let rows: Vec<EntryRow> = connection.load(Access::Read, *due).await?;
                let mut claimed = Vec::new();
                for row in rows {
                    let (id, due_at) = (row.id.clone(), row.due_at);
                    let claim = statements::claim_entry(id, due_at, *lease_until);
                    if connection.execute(claim).await? > 0 {
                        claimed.push(row.into_claimed(*lease_until)?);
                    }
                }
                Ok(claimed)
            })
        })
        .await
    }

    async fn retry_at(
        &self,
        claimed: &OutboxEntry,
        at: Timestamp,
        attempts: u32,
    ) -> Result<bool, StoreError> {
        let input = (EntryRow::from(claimed), at.millis(), i64::from(attempts));
        self.write(input, |connection, (row, at, attempts)| {
            Box::pin(async move {
                let (id, queue) = (row.id.clone(), row.queue.clone());
                let retry = statements::retry_entry(id, row.due_at, *at, *attempts);
                let held = connection.execute(retry).await? > 0;
                if held {
                    connection.execute(statements::postpone_queue(queue, *at)).await?;
                }
                Ok(held)
            })
        })
        .await
    }

    async fn remove(&self, claimed: &OutboxEntry) -> Result<bool, StoreError> {
        self.write(EntryRow::from(claimed), |connection, row| {
            let remove = statements::remove_entry(row.id.clone(), row.due_at);
            Box::pin(async move { Ok(connection.execute(remove).await? > 0) })
        })
        .await
    }

    async fn count(&self, at_most: u32) -> Result<u32, StoreError> {
        let rows = self
            .read(CountEntries { at_most: at_most.into() }, |connection, count| {
                Box::pin(connection.load(Access::Read, *count))
            })
            .await?;
        Ok(rows.first().map_or(0, |rows: &i64| u32::try_from(*rows).unwrap_or(at_most)))
    }
}
