//! One transaction for a batch of operations, and what becomes of the batch when it fails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aquaware_core::store::StoreError;
use diesel::SqliteConnection;
use diesel::connection::SimpleConnection as _;

use super::super::connection::connect;
use super::super::error::sql_error;
use super::super::file::DatabaseFile;
use super::operation::Operation;
use crate::error::SqlError;

pub(super) type Batch = Vec<Box<dyn Operation>>;

#[derive(Default)]
pub(super) struct Counters {
    pub(super) commits: AtomicU64,
    pub(super) operations: AtomicU64,
}

/// Why a transaction failed.
enum TransactionError {
    /// It could not begin, so no operation has run.
    Begin(SqlError),
    /// The operation with this index failed or panicked.
    Operation(usize, StoreError),
    /// All operations succeeded, but the commit failed.
    Commit(SqlError),
}

/// The state of the writing thread.
pub(super) struct BatchWriter {
    file: DatabaseFile,
    // `None` after an error that may have left the connection unusable; the next batch opens a new
    // one.
    connection: Option<SqliteConnection>,
    counters: Arc<Counters>,
}

impl BatchWriter {
    pub(super) fn new(
        file: DatabaseFile,
        connection: SqliteConnection,
        counters: Arc<Counters>,
    ) -> Self {
        Self { file, connection: Some(connection), counters }
    }

    /// Commits the batch and answers every caller; leaves the batch empty.
    pub(super) fn settle(&mut self, batch: &mut Batch) {
        // Every round answers at least one caller, so this ends: each failing operation costs one
        // more run of the rest. That is quadratic if all of them fail, but only errors of the engine
        // fail an operation; an unmet condition is a result.
        while !batch.is_empty() {
            match self.commit(batch) {
                Ok(()) => batch.drain(..).for_each(Operation::confirm),
                // Only this operation is at fault. The rollback has undone the ones before it, and
                // the ones after it have not run; both get another transaction. No caller has been
                // answered, so running them twice is invisible.
                Err(TransactionError::Operation(index, error)) => {
                    batch.remove(index).reject(error);
                }
                // No operation is at fault, so another round would fail in the same way. Nothing
                // has run: callers may retry.
                Err(TransactionError::Begin(error)) => {
                    reject_all(batch, error, SqlError::before_commit);
                }
                // No operation is at fault here either. The batch is not run again: parts of the
                // commit may have reached the log, and then a second run would apply it twice.
                Err(TransactionError::Commit(error)) => {
                    reject_all(batch, error, SqlError::in_commit);
                }
            }
        }
    }

    /// Runs the whole batch in one transaction.
    fn commit(&mut self, batch: &mut Batch) -> Result<(), TransactionError> {
        let connection = self.connection().map_err(TransactionError::Begin)?;
        let result = run_transaction(connection, batch);
        match &result {
            Ok(()) => self.count(batch.len()),
            // Another process holds the lock. The connection itself works, and no transaction is
            // open.
            Err(TransactionError::Begin(SqlError::Locked)) => {}
            // The file may have been replaced or repaired: a new connection sees that.
            Err(TransactionError::Begin(_)) => self.close(),
            Err(TransactionError::Operation(..) | TransactionError::Commit(_)) => {
                self.roll_back();
            }
        }
        result
    }

    fn connection(&mut self) -> Result<&mut SqliteConnection, SqlError> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            none => Ok(none.insert(connect(&self.file)?)),
        }
    }

    fn count(&self, operations: usize) {
        let operations = u64::try_from(operations).unwrap_or(u64::MAX);
        self.counters.commits.fetch_add(1, Ordering::Relaxed);
        self.counters.operations.fetch_add(operations, Ordering::Relaxed);
    }

    /// Rolls the open transaction back. Some errors have already ended it, and after a panic its
    /// state is unknown; in both cases `ROLLBACK` fails, and a new connection replaces this one.
    fn roll_back(&mut self) {
        let rolled_back = catch_unwind(AssertUnwindSafe(|| {
            self.connection.as_mut().is_some_and(|open| open.batch_execute("ROLLBACK").is_ok())
        }));
        if !matches!(rolled_back, Ok(true)) {
            self.close();
        }
    }

    /// Closes the connection. The last connection to a file merges the log into it.
    pub(super) fn close(&mut self) {
        // diesel panics if a connection cannot be closed. The connection is leaked then, which does
        // not affect others.
        let _ = catch_unwind(AssertUnwindSafe(|| self.connection = None));
    }
}

fn run_transaction(
    connection: &mut SqliteConnection,
    batch: &mut Batch,
) -> Result<(), TransactionError> {
    let execute = |connection: &mut SqliteConnection, sql| {
        connection.batch_execute(sql).map_err(|error| sql_error(&error))
    };
    // Takes the write lock now. A deferred transaction would take it at its first change, and could
    // fail there although it only has to wait.
    execute(connection, "BEGIN IMMEDIATE").map_err(TransactionError::Begin)?;
    for (index, operation) in batch.iter_mut().enumerate() {
        match catch_unwind(AssertUnwindSafe(|| operation.run(connection))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(TransactionError::Operation(index, error)),
            Err(_) => {
                tracing::error!("a store operation panicked; this is a bug");
                let error = SqlError::Panicked.before_commit();
                return Err(TransactionError::Operation(index, error));
            }
        }
    }
    execute(connection, "COMMIT").map_err(TransactionError::Commit)
}

fn reject_all(batch: &mut Batch, error: SqlError, into_store_error: fn(SqlError) -> StoreError) {
    tracing::error!(%error, operations = batch.len(), "failed to write to the database");
    for operation in batch.drain(..) {
        operation.reject(into_store_error(error));
    }
}
