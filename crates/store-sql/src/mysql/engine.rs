//! The operations in MySQL's own way: an insert fails if a key is taken, and an update needs a
//! transaction in which its row is read afterwards.

use aquaware_core::session::Ended;
use aquaware_core::store::StoreError;
use diesel::prelude::*;
use diesel_async::{AnsiTransactionManager, TransactionManager as _};

use super::connection::MysqlConnection;
use crate::batches::{Scan, sweep};
use crate::error::SqlError;
use crate::row::{AccountRow, EntryRow, SessionRow};
use crate::schema::{accounts, sessions};
use crate::server::{Access, Engine, Pool, SqlConnection as _, StatementError};
use crate::statements::{self, AccountColumns, AccountCondition, Prepared};
use crate::update::{Change, SessionUpdate};

/// Rows read by one scan for status indices.
const SCAN_ROWS: i64 = 4096;
/// Status indices removed by one statement.
const RELEASE_BATCH: usize = 128;

/// A position in the index of revocations: `ended_at` and `status_index`.
type Position = (i64, Option<i64>);

impl Engine for MysqlConnection {
    const STORE: &'static str = "MysqlStore";

    async fn insert_session(&mut self, row: SessionRow) -> Result<bool, StatementError> {
        unless_taken(self.execute(Prepared(statements::insert_session(row))).await)
    }

    /// Until the transaction has begun, nothing can have been changed.
    async fn begin(&mut self) -> Result<(), StatementError> {
        let begun = AnsiTransactionManager::begin_transaction(self.raw(Access::Read)).await;
        begun.map_err(|error| self.classify(&error))
    }

    async fn finish<T: Send>(
        &mut self,
        result: Result<T, StatementError>,
    ) -> Result<T, StatementError> {
        match &result {
            Ok(_) => {
                let done = AnsiTransactionManager::commit_transaction(self.raw(Access::Read)).await;
                done.map_err(|error| self.classify(&error))?;
            }
            Err(error) if error.keeps_connection() => {
                let done =
                    AnsiTransactionManager::rollback_transaction(self.raw(Access::Read)).await;
                done.map_err(|error| self.classify(&error))?;
            }
            // The transaction ends with its connection.
            Err(_) => {}
        }
        result
    }

    async fn update_session(
        &mut self,
        SessionUpdate { id, change }: SessionUpdate,
    ) -> Result<Option<SessionRow>, StatementError> {
        let changed = match change {
            Change::Advance(step) => {
                self.execute(Prepared(statements::advance_session(id, step))).await?
            }
            Change::Touch(touch) => {
                self.execute(Prepared(statements::touch_session(id, touch))).await?
            }
            Change::End(ended) => {
                self.execute(Prepared(statements::end_session(id, ended.into()))).await?
            }
        };
        if changed == 0 {
            return Ok(None);
        }
        // The update has locked the row, so this is what it left.
        let query = statements::session_by_id(id.as_bytes().to_vec());
        let rows: Vec<SessionRow> = self.load(Access::Read, query).await?;
        Ok(rows.into_iter().next())
    }

    async fn end_sessions(
        &mut self,
        ids: Vec<Vec<u8>>,
        ended: Ended,
    ) -> Result<Vec<SessionRow>, StatementError> {
        self.begin().await?;
        let ended = lock_and_end(self, ids, ended).await;
        self.finish(ended).await
    }

    /// The index of revocations contains every session here, including those without a status
    /// index. An `UPDATE` with a limit would have to pass, and lock, everything released before. The
    /// index is therefore read backwards from the end of the range, where the latest ones are.
    async fn release_indices(
        pool: &Pool<Self>,
        before: i64,
        at_most: u32,
    ) -> Result<u64, StoreError> {
        let scan = |position| scan_backwards(pool, position);
        let release = |indices: Vec<i64>| {
            pool.run(Access::Write, (indices, before), |connection, (indices, before)| {
                Box::pin(release(connection, indices, *before))
            })
        };
        sweep((before, None), at_most, RELEASE_BATCH, scan, release).await
    }

    async fn insert_account(&mut self, row: AccountRow) -> Result<bool, StatementError> {
        unless_taken(self.execute(statements::insert_account(row)).await)
    }

    async fn insert_entry(&mut self, row: EntryRow) -> Result<bool, StatementError> {
        unless_taken(self.execute(Prepared(statements::insert_entry(row))).await)
    }

    /// Locks the account first: whether it exists must not depend on whether the change makes a
    /// difference.
    async fn update_account(
        &mut self,
        id: &str,
        condition: &AccountCondition,
        change: &AccountColumns,
    ) -> Result<bool, StatementError> {
        self.begin().await?;
        let done = lock_and_update(self, id, condition, change).await;
        self.finish(done).await
    }
}

/// Locks those of these sessions that have not ended, by their ids alone, and ends them.
async fn lock_and_end(
    connection: &mut MysqlConnection,
    ids: Vec<Vec<u8>>,
    ended: Ended,
) -> Result<Vec<SessionRow>, StatementError> {
    let live = sessions::table
        .filter(sessions::id.eq_any(ids))
        .filter(sessions::ended_at.is_null())
        .for_update();
    let mut rows: Vec<SessionRow> = connection.load(Access::Write, live).await?;
    let ids: Vec<Vec<u8>> = rows.iter().map(|row| row.id.clone()).collect();
    connection.execute(statements::end_sessions(ids, ended.into())).await?;
    for row in &mut rows {
        row.end(ended);
    }
    Ok(rows)
}

async fn lock_and_update(
    connection: &mut MysqlConnection,
    id: &str,
    condition: &AccountCondition,
    change: &AccountColumns,
) -> Result<bool, StatementError> {
    let columns = (accounts::password, accounts::login, accounts::email_verified_at);
    let lock = accounts::table.find(id.to_owned()).select(columns).for_update();
    let rows: Vec<(String, String, Option<i64>)> = connection.load(Access::Write, lock).await?;
    let Some((hash, login, verified_at)) = rows.first() else { return Ok(false) };
    let holds = match condition {
        AccountCondition::None => true,
        AccountCondition::Password(current) => current == hash,
        AccountCondition::Unverified { login: current } => {
            current == login && verified_at.is_none()
        }
        AccountCondition::Current { login: current, password } => {
            current == login && password == hash
        }
    };
    if !holds {
        return Ok(false);
    }
    connection.execute(statements::update_account(id.to_owned(), change.clone())).await?;
    Ok(true)
}

/// Reads the index before `position`. Among sessions that ended at the same instant, those without
/// a status index come last.
async fn scan_backwards(
    pool: &Pool<MysqlConnection>,
    position: Position,
) -> Result<Scan<Position, i64>, StoreError> {
    let rows: Vec<Position> = pool
        .run(Access::Read, position, |connection, (at, index)| {
            let scan = sessions::table
                .select((sessions::ended_at.assume_not_null(), sessions::status_index))
                .filter(sessions::ended_at.le(*at))
                // Nothing is less than NULL.
                .filter(sessions::ended_at.lt(*at).or(sessions::status_index.lt(*index)))
                .order((sessions::ended_at.desc(), sessions::status_index.desc()))
                .limit(SCAN_ROWS);
            Box::pin(connection.load(Access::Read, scan))
        })
        .await?;
    let Some(last) = rows.last() else { return Ok(None) };
    Ok(Some((*last, rows.iter().filter_map(|(_, index)| *index).collect())))
}

/// Removes these indices, unless another session has one of them by now.
async fn release(
    connection: &mut MysqlConnection,
    indices: &[i64],
    before: i64,
) -> Result<usize, StatementError> {
    let ended = sessions::table
        .filter(sessions::status_index.eq_any(indices.to_vec()))
        .filter(sessions::ended_at.lt(before));
    connection.execute(diesel::update(ended).set(sessions::status_index.eq(None::<i64>))).await
}

/// Whether an insert took place. `INSERT IGNORE` would hide other errors too, and what `ON DUPLICATE
/// KEY` counts depends on the connection.
fn unless_taken(done: Result<usize, StatementError>) -> Result<bool, StatementError> {
    match done {
        Err(error) if error.sql_error() == SqlError::DuplicateKey => Ok(false),
        done => done.map(|_| true),
    }
}
