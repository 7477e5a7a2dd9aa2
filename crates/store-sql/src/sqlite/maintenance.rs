//! Housekeeping: rows are found on a reader and changed on the writer, in small batches.

use aquaware_core::store::StoreError;
use aquaware_core::time::Timestamp;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary, Nullable};
use diesel::sqlite::Sqlite;

use super::SqliteStore;
use super::error::store_result;
use crate::batches::{Scan, in_batches, sweep};
use crate::row::{ExpiryColumns, is_expired};
use crate::statements::{Prepared, delete_if_expired};

/// Rows read by one scan for expired sessions.
const SCAN_ROWS: i64 = 4096;
/// Expired sessions deleted by one operation of the writer.
const DELETE_BATCH: usize = 128;
/// Status indices removed by one statement.
const RELEASE_BATCH: u32 = 128;

impl SqliteStore {
    /// Deletes up to `at_most` sessions that expired before `before`; returns their number.
    pub(super) async fn purge_expired(
        &self,
        before: Timestamp,
        at_most: u32,
    ) -> Result<u64, StoreError> {
        let before = before.millis();
        let scan = |after| self.scan_expired(after, before);
        let delete = |ids| self.delete_expired(ids, before);
        sweep(i64::MIN, at_most, DELETE_BATCH, scan, delete).await
    }

    async fn scan_expired(
        &self,
        after: i64,
        before: i64,
    ) -> Result<Scan<i64, Vec<u8>>, StoreError> {
        self.read(move |connection| {
            let scan = ScanSessions { after, rows: SCAN_ROWS };
            let rows: Vec<(i64, Vec<u8>, ExpiryColumns)> = store_result(scan.load(connection))?;
            let Some((last, ..)) = rows.last() else { return Ok(None) };
            let last = *last;
            let expired = rows.into_iter().filter(|(_, _, columns)| is_expired(columns, before));
            Ok(Some((last, expired.map(|(_, id, _)| id).collect())))
        })
        .await
    }

    /// The statement has the condition too: it spares a session that was refreshed after the scan.
    async fn delete_expired(&self, ids: Vec<Vec<u8>>, before: i64) -> Result<usize, StoreError> {
        self.write(move |connection| {
            let mut deleted = 0;
            for id in &ids {
                let delete = Prepared(delete_if_expired(id.clone(), before));
                deleted += store_result(delete.execute(connection))?;
            }
            Ok(deleted)
        })
        .await
    }

    /// Removes the status index of up to `at_most` sessions that ended before `before`; returns
    /// their number.
    pub(super) async fn release_indices(
        &self,
        before: Timestamp,
        at_most: u32,
    ) -> Result<u64, StoreError> {
        let before = before.millis();
        in_batches(at_most, RELEASE_BATCH, |rows| {
            self.write(move |connection| {
                store_result(ReleaseIndices { before, rows: rows.into() }.execute(connection))
            })
        })
        .await
    }
}

/// Reads the table in the order in which it is stored.
#[derive(QueryId)]
pub(super) struct ScanSessions {
    /// The `rowid` to continue after.
    pub(super) after: i64,
    pub(super) rows: i64,
}

impl Query for ScanSessions {
    type SqlType = (BigInt, Binary, (BigInt, BigInt, Nullable<BigInt>, Nullable<BigInt>));
}

impl RunQueryDsl<SqliteConnection> for ScanSessions {}

impl QueryFragment<Sqlite> for ScanSessions {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(
            "SELECT rowid, id, expires_at, ends_at, status_index, ended_at FROM sessions \
             WHERE rowid > ",
        );
        out.push_bind_param::<BigInt, _>(&self.after)?;
        out.push_sql(" ORDER BY rowid LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.rows)
    }
}

/// Removes the status index of up to `rows` sessions that ended before `before`. They are found by
/// the index of revocations, which they leave with it; in one statement, so none is counted twice.
#[derive(QueryId)]
pub(super) struct ReleaseIndices {
    pub(super) before: i64,
    pub(super) rows: i64,
}

impl RunQueryDsl<SqliteConnection> for ReleaseIndices {}

impl QueryFragment<Sqlite> for ReleaseIndices {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(
            "UPDATE sessions SET status_index = NULL WHERE rowid IN (\
             SELECT rowid FROM sessions WHERE status_index IS NOT NULL AND ended_at < ",
        );
        out.push_bind_param::<BigInt, _>(&self.before)?;
        out.push_sql(" LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.rows)?;
        out.push_sql(")");
        Ok(())
    }
}
