//! Releasing: status indices of what ended long ago, a few in each statement.
//!
//! Each bite finds its rows by the index of revocations, which they leave with it. It locks what it
//! found before it changes it and passes by what somebody else has locked, so none is counted twice
//! and nobody waits, whoever else releases or purges.

use aquaware_core::store::StoreError;
use aquaware_core::time::Timestamp;
use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;

use super::PostgresStore;
use crate::bites::in_bites;

/// How many rows are changed by one statement.
const BITE: u32 = 512;

impl PostgresStore {
    /// Takes the status index away from up to `at_most` sessions that ended before `before`, and
    /// says from how many.
    pub(super) async fn release_indices(
        &self,
        before: Timestamp,
        at_most: u32,
    ) -> Result<u64, StoreError> {
        in_bites(at_most, BITE, |rows| self.release_some(before.millis(), rows)).await
    }

    async fn release_some(&self, before: i64, rows: u32) -> Result<usize, StoreError> {
        let statement = ReleaseIndices { before, rows: rows.into() };
        self.write(statement, |link, statement| {
            Box::pin(async move {
                let released = statement.execute(&mut link.connection).await;
                link.asked(released)
            })
        })
        .await
    }
}

/// Takes the status index away from up to `rows` sessions that ended before `before`.
#[derive(Clone, Copy, QueryId)]
struct ReleaseIndices {
    before: i64,
    rows: i64,
}

impl QueryFragment<Pg> for ReleaseIndices {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // A subquery in the condition could be run more than once and lock more than its limit; one
        // in front runs once.
        out.push_sql(
            "WITH over AS (SELECT id FROM sessions \
             WHERE status_index IS NOT NULL AND ended_at < ",
        );
        out.push_bind_param::<BigInt, _>(&self.before)?;
        out.push_sql(" ORDER BY ended_at LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.rows)?;
        out.push_sql(
            " FOR UPDATE SKIP LOCKED) \
             UPDATE sessions SET status_index = NULL FROM over WHERE sessions.id = over.id",
        );
        Ok(())
    }
}
