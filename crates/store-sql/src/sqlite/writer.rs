//! The writer: one thread, one connection, and one commit for all queued operations.
//!
//! If one operation aborts the transaction, the others are run again. This is safe because the
//! rollback removed their effects and no caller has been answered: callers are answered only after
//! the commit has reached the disk.

mod operation;
mod transaction;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use aquaware_core::store::StoreError;
use diesel::SqliteConnection;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use self::operation::{Operation, QueuedOperation};
use self::transaction::{BatchWriter, Counters};
use super::file::DatabaseFile;
use crate::error::{OpenError, SqlError};

/// Maximum number of queued operations.
const QUEUE_SIZE: usize = 1024;
/// Maximum number of operations per commit. Larger batches gain nothing and delay the first caller.
const BATCH_SIZE: usize = 256;

/// How much has been written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteCounts {
    /// Commits: waits for the disk.
    pub commits: u64,
    /// Operations in these commits.
    pub operations: u64,
}

/// The writing thread. Dropping it waits for the operations it has accepted.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Operation>>>,
    thread: Option<JoinHandle<()>>,
    counters: Arc<Counters>,
}

impl Writer {
    /// Starts the thread with its connection.
    pub(super) fn start(
        file: &DatabaseFile,
        connection: SqliteConnection,
    ) -> Result<Self, OpenError> {
        let (queue, mut queued) = mpsc::channel(QUEUE_SIZE);
        let counters = Arc::new(Counters::default());
        let mut writer = BatchWriter::new(file.clone(), connection, Arc::clone(&counters));
        let thread = thread::Builder::new()
            .name("aquaware-write".to_owned())
            .spawn(move || {
                let mut batch = Vec::with_capacity(BATCH_SIZE);
                // Takes whatever is queued and never waits for more: a single caller is not
                // delayed, and under load the queue fills during each commit.
                while queued.blocking_recv_many(&mut batch, BATCH_SIZE) > 0 {
                    writer.settle(&mut batch);
                }
                writer.close();
            })
            .map_err(OpenError::Threads)?;
        Ok(Self { queue: Some(queue), thread: Some(thread), counters })
    }

    pub(super) fn counts(&self) -> WriteCounts {
        WriteCounts {
            commits: self.counters.commits.load(Ordering::Relaxed),
            operations: self.counters.operations.load(Ordering::Relaxed),
        }
    }

    /// Runs and commits `operation` within `timeout`. Once it is queued, it may be committed even if
    /// its caller is dropped or gets a timeout.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        timeout: Duration,
        operation: impl FnMut(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let deadline = Instant::now() + timeout;
        let (reply, response) = oneshot::channel();
        let operation: Box<dyn Operation> = Box::new(QueuedOperation::new(operation, reply));
        let queue = self.queue.as_ref().ok_or_else(|| SqlError::Stopped.before_commit())?;
        match timeout_at(deadline, queue.send(operation)).await {
            Err(_) => return Err(SqlError::QueueFull.before_commit()),
            Ok(Err(_)) => return Err(SqlError::Stopped.before_commit()),
            Ok(Ok(())) => {}
        }
        match timeout_at(deadline, response).await {
            Err(_) => Err(SqlError::Timeout.after_sending()),
            Ok(Err(_)) => Err(SqlError::Stopped.after_sending()),
            Ok(Ok(result)) => result,
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // Panics of operations are caught in the thread; any other is already printed.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
