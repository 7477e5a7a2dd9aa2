//! The operations in PostgreSQL's own way: an insert skips a taken key, and an update returns the
//! rows it changed.

use aquaware_core::session::Ended;
use aquaware_core::store::StoreError;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::BigInt;

use super::connection::PostgresConnection;
use crate::batches::in_batches;
use crate::row::{AccountRow, EntryRow, SessionRow};
use crate::schema::sessions::all_columns;
use crate::server::{Access, Engine, Pool, SqlConnection as _, StatementError};
use crate::statements::{self, AccountColumns, AccountCondition, Prepared};
use crate::update::{Change, SessionUpdate};

/// Status indices removed by one statement.
const RELEASE_BATCH: u32 = 512;

impl Engine for PostgresConnection {
    const STORE: &'static str = "PostgresStore";

    async fn insert_session(&mut self, row: SessionRow) -> Result<bool, StatementError> {
        let insert = statements::insert_session(row).on_conflict_do_nothing();
        Ok(self.execute(Prepared(insert)).await? > 0)
    }

    async fn begin(&mut self) -> Result<(), StatementError> {
        // The update returns its row, so one statement does all.
        Ok(())
    }

    async fn finish<T: Send>(
        &mut self,
        result: Result<T, StatementError>,
    ) -> Result<T, StatementError> {
        result
    }

    async fn update_session(
        &mut self,
        SessionUpdate { id, change }: SessionUpdate,
    ) -> Result<Option<SessionRow>, StatementError> {
        let write = Access::Write;
        let rows: Vec<SessionRow> = match change {
            Change::Advance(step) => {
                let update = statements::advance_session(id, step).returning(all_columns);
                self.load(write, Prepared(update)).await?
            }
            Change::Touch(touch) => {
                let update = statements::touch_session(id, touch).returning(all_columns);
                self.load(write, Prepared(update)).await?
            }
            Change::End(ended) => {
                let update = statements::end_session(id, ended.into()).returning(all_columns);
                self.load(write, Prepared(update)).await?
            }
        };
        Ok(rows.into_iter().next())
    }

    async fn end_sessions(
        &mut self,
        ids: Vec<Vec<u8>>,
        ended: Ended,
    ) -> Result<Vec<SessionRow>, StatementError> {
        let update = statements::end_sessions(ids, ended.into());
        self.load(Access::Write, update.returning(all_columns)).await
    }

    async fn release_indices(
        pool: &Pool<Self>,
        before: i64,
        at_most: u32,
    ) -> Result<u64, StoreError> {
        in_batches(at_most, RELEASE_BATCH, |rows| {
            let statement = ReleaseIndices { before, rows: rows.into() };
            pool.run(Access::Write, statement, |connection, statement| {
                Box::pin(connection.execute(*statement))
            })
        })
        .await
    }

    async fn insert_account(&mut self, row: AccountRow) -> Result<bool, StatementError> {
        let insert = statements::insert_account(row).on_conflict_do_nothing();
        Ok(self.execute(insert).await? > 0)
    }

    async fn insert_entry(&mut self, row: EntryRow) -> Result<bool, StatementError> {
        let insert = statements::insert_entry(row).on_conflict_do_nothing();
        Ok(self.execute(Prepared(insert)).await? > 0)
    }

    /// PostgreSQL counts the rows it found, changed or not.
    async fn update_account(
        &mut self,
        id: &str,
        condition: &AccountCondition,
        change: &AccountColumns,
    ) -> Result<bool, StatementError> {
        let (id, change) = (id.to_owned(), change.clone());
        let rows = match condition.clone() {
            AccountCondition::None => self.execute(statements::update_account(id, change)).await?,
            AccountCondition::Password(current) => {
                self.execute(statements::replace_password(id, current, change)).await?
            }
            AccountCondition::Unverified { login } => {
                self.execute(statements::update_unverified(id, login, change)).await?
            }
            AccountCondition::Current { login, password } => {
                self.execute(statements::update_current(id, login, password, change)).await?
            }
        };
        Ok(rows > 0)
    }
}

/// Removes the status index of up to `rows` sessions that ended before `before`.
///
/// The rows are found by the index of revocations, which they leave with it. They are locked before
/// they are changed, and locked rows are skipped: none is counted twice, and no statement waits for
/// another release or purge.
#[derive(Clone, Copy, QueryId)]
struct ReleaseIndices {
    before: i64,
    rows: i64,
}

impl QueryFragment<Pg> for ReleaseIndices {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // A subquery in the condition may run more than once and lock more than its limit; one in
        // front of the statement runs once.
        out.push_sql(
            "WITH released AS (SELECT id FROM sessions \
             WHERE status_index IS NOT NULL AND ended_at < ",
        );
        out.push_bind_param::<BigInt, _>(&self.before)?;
        out.push_sql(" ORDER BY ended_at LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.rows)?;
        out.push_sql(
            " FOR UPDATE SKIP LOCKED) \
             UPDATE sessions SET status_index = NULL FROM released WHERE sessions.id = released.id",
        );
        Ok(())
    }
}
