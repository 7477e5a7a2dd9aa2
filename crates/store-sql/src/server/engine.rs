//! The operations in which the engines differ. Everything else is in the store that they share.

use std::future::Future;

use aquaware_core::session::Ended;
use aquaware_core::store::StoreError;

use super::connection::SqlConnection;
use super::error::StatementError;
use super::pool::Pool;
use crate::row::{AccountRow, EntryRow, SessionRow};
use crate::statements::{AccountColumns, AccountCondition};
use crate::update::SessionUpdate;

/// The operations in which the engines differ.
pub(crate) trait Engine: SqlConnection {
    /// The name of the store's type.
    const STORE: &'static str;

    /// Inserts a session; `false` if its id or its status index is taken.
    fn insert_session(
        &mut self,
        row: SessionRow,
    ) -> impl Future<Output = Result<bool, StatementError>> + Send;

    /// Begins the transaction around an update and the reads after it, for an engine that needs
    /// one.
    fn begin(&mut self) -> impl Future<Output = Result<(), StatementError>> + Send;

    /// Commits that transaction, or rolls it back if `result` is an error.
    fn finish<T: Send>(
        &mut self,
        result: Result<T, StatementError>,
    ) -> impl Future<Output = Result<T, StatementError>> + Send;

    /// Runs a conditional update; returns the row as it left it, `None` if it changed nothing.
    fn update_session(
        &mut self,
        update: SessionUpdate,
    ) -> impl Future<Output = Result<Option<SessionRow>, StatementError>> + Send;

    /// Ends those of these sessions that have not ended; returns their rows as they are then.
    fn end_sessions(
        &mut self,
        ids: Vec<Vec<u8>>,
        ended: Ended,
    ) -> impl Future<Output = Result<Vec<SessionRow>, StatementError>> + Send;

    /// Removes the status index of up to `at_most` sessions that ended before `before`; returns
    /// their number.
    fn release_indices(
        pool: &Pool<Self>,
        before: i64,
        at_most: u32,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Inserts an account; `false` if its id or its login is taken.
    fn insert_account(
        &mut self,
        row: AccountRow,
    ) -> impl Future<Output = Result<bool, StatementError>> + Send;

    /// Inserts an entry of the outbox; `false` if its id is taken.
    fn insert_entry(
        &mut self,
        row: EntryRow,
    ) -> impl Future<Output = Result<bool, StatementError>> + Send;

    /// Changes an account if it exists and the condition holds.
    fn update_account(
        &mut self,
        id: &str,
        condition: &AccountCondition,
        change: &AccountColumns,
    ) -> impl Future<Output = Result<bool, StatementError>> + Send;
}
