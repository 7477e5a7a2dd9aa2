//! The outbox. A search that finds nothing does not occupy the writer.

use aquaware_core::outbox::OutboxEntry;
use aquaware_core::store::{Outbox, StoreError};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;
use diesel::RunQueryDsl as _;

use super::SqliteStore;
use super::error::store_result;
use crate::row::EntryRow;
use crate::statements::{self, CountEntries, DueEntries, Prepared};

#[async_trait]
impl Outbox for SqliteStore {
    async fn append(&self, entry: &OutboxEntry) -> Result<(), StoreError> {
        let row = EntryRow::from(entry);
        self.write(move |connection| {
            let insert = statements::insert_entry(row.clone()).on_conflict_do_nothing();
            store_result(Prepared(insert).execute(connection)).map(drop)
        })
        .await
    }

    async fn claim(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        at_most: u32,
    ) -> Result<Vec<OutboxEntry>, StoreError> {
        let due = DueEntries { now: now.millis(), rows: at_most.into() };
        let found: Vec<EntryRow> =
            self.read(move |connection| store_result(due.load(connection))).await?;
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let lease_until = lease_until.millis();
        self.write(move |connection| {
            let mut claimed = Vec::new();
            for row in found.clone() {
                let claim = statements::claim_entry(row.id.clone(), row.due_at, lease_until);
                if store_result(Prepared(claim).execute(connection))? > 0 {
                    claimed.push(row.into_claimed(lease_until)?);
                }
            }
            Ok(claimed)
        })
        .await
    }

    async fn retry_at(
        &self,
        claimed: &OutboxEntry,
        at: Timestamp,
        attempts: u32,
    ) -> Result<bool, StoreError> {
        let row = EntryRow::from(claimed);
        let (at, attempts) = (at.millis(), attempts.into());
        self.write(move |connection| {
            let retry = statements::retry_entry(row.id.clone(), row.due_at, at, attempts);
            let held = store_result(Prepared(retry).execute(connection))? > 0;
            if held {
                let postpone = statements::postpone_queue(row.queue.clone(), at);
                store_result(Prepared(postpone).execute(connection))?;
            }
            Ok(held)
        })
        .await
    }

    async fn remove(&self, claimed: &OutboxEntry) -> Result<bool, StoreError> {
        let row = EntryRow::from(claimed);
        self.write(move |connection| {
            let remove = statements::remove_entry(row.id.clone(), row.due_at);
            Ok(store_result(Prepared(remove).execute(connection))? > 0)
        })
        .await
    }

    async fn count(&self, at_most: u32) -> Result<u32, StoreError> {
        let count = CountEntries { at_most: at_most.into() };
        let rows: i64 =
            self.read(move |connection| store_result(count.get_result(connection))).await?;
        Ok(u32::try_from(rows).unwrap_or(at_most))
    }
}
