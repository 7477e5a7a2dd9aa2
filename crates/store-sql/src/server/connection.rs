//! Connections as the pool manages them, and as statements run on them.

use std::future::Future;

use diesel::result::Error as DieselError;
use diesel_async::methods::{ExecuteDsl, LoadQuery};
use diesel_async::{AsyncConnectionCore, RunQueryDsl as _, SimpleAsyncConnection};

use super::error::{Access, StatementError};

/// A connection to a server.
pub(crate) trait Connection: Send + Sized + 'static {
    /// How to connect.
    type Config: Send + Sync + 'static;

    /// Connects and applies the session's settings.
    fn connect(config: &Self::Config) -> impl Future<Output = Result<Self, StatementError>> + Send;

    /// Whether it is known to be closed. Sends nothing and never waits for the server.
    fn is_closed(&mut self) -> impl Future<Output = bool> + Send;

    /// Sends a request to find out whether the server still responds.
    fn ping(&mut self) -> impl Future<Output = Result<(), StatementError>> + Send;

    /// Starts an operation: forgets what the last one sent.
    fn begin_operation(&mut self);

    /// Whether anything that could change a record was sent since the operation started.
    fn has_sent(&self) -> bool;

    /// Prepares for being dropped in an unknown state.
    fn abandon(&mut self);
}

/// A connection on which diesel's statements run. Each method names the access, because an engine
/// may have to know whether a change was sent.
pub(crate) trait SqlConnection: Connection {
    /// diesel's connection.
    type Raw: AsyncConnectionCore + SimpleAsyncConnection + Send;

    /// diesel's connection, for a statement with this access.
    fn raw(&mut self, access: Access) -> &mut Self::Raw;

    /// What an error of diesel says about the operation.
    fn classify(&self, error: &DieselError) -> StatementError;

    /// Begins a separate transaction for the next statement, if the connection needs one; returns
    /// whether it did.
    fn begin_statement(&mut self) -> impl Future<Output = Result<bool, StatementError>> + Send {
        async { Ok(false) }
    }

    /// Ends that transaction: commits it, or rolls it back if the statement failed.
    fn end_statement(
        &mut self,
        error: Option<&StatementError>,
    ) -> impl Future<Output = Result<(), StatementError>> + Send {
        let _ = error;
        async { Ok(()) }
    }

    /// Runs a query and reads all of its rows.
    ///
    /// diesel's `get_result` stops reading at the first row. A change read that way would be
    /// acknowledged before its commit, and an error of the commit would never be seen.
    fn load<Q, U>(
        &mut self,
        access: Access,
        query: Q,
    ) -> impl Future<Output = Result<Vec<U>, StatementError>> + Send
    where
        Q: LoadQuery<'static, Self::Raw, U> + Send + 'static,
        U: Send + 'static,
    {
        async move {
            let begun = self.begin_statement().await?;
            let rows = query.load(self.raw(access)).await;
            let rows = rows.map_err(|error| self.classify(&error));
            if begun {
                self.end_statement(rows.as_ref().err()).await?;
            }
            rows
        }
    }

    /// Runs a change; returns the number of rows.
    fn execute<Q>(
        &mut self,
        statement: Q,
    ) -> impl Future<Output = Result<usize, StatementError>> + Send
    where
        Q: ExecuteDsl<Self::Raw> + Send + 'static,
    {
        async move {
            let begun = self.begin_statement().await?;
            let rows = statement.execute(self.raw(Access::Write)).await;
            let rows = rows.map_err(|error| self.classify(&error));
            if begun {
                self.end_statement(rows.as_ref().err()).await?;
            }
            rows
        }
    }

    /// Runs statements without results. They count as a read: a lost connection does not
    /// make the outcome unknown, so they must not change records.
    fn run_script(&mut self, sql: &str) -> impl Future<Output = Result<(), StatementError>> + Send {
        async move {
            let done = self.raw(Access::Read).batch_execute(sql).await;
            done.map_err(|error| self.classify(&error))
        }
    }
}
