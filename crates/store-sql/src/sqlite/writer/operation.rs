//! A queued operation: what the writer runs, and the caller that waits for it.

use aquaware_core::store::StoreError;
use diesel::SqliteConnection;
use tokio::sync::oneshot;

/// An operation in the queue of the writer, with its result type erased.
pub(super) trait Operation: Send {
    /// Runs it in the open transaction, perhaps more than once. `Err` aborts the transaction.
    fn run(&mut self, connection: &mut SqliteConnection) -> Result<(), StoreError>;

    /// Returns the result to the caller: the transaction is on the disk.
    fn confirm(self: Box<Self>);

    /// Returns an error to the caller: the operation did not happen, or its outcome is unknown.
    fn reject(self: Box<Self>, error: StoreError);
}

pub(super) struct QueuedOperation<T, F> {
    operation: F,
    /// The result of the last run.
    result: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> QueuedOperation<T, F> {
    pub(super) fn new(operation: F, reply: oneshot::Sender<Result<T, StoreError>>) -> Self {
        Self { operation, result: None, reply }
    }
}

impl<T, F> Operation for QueuedOperation<T, F>
where
    T: Send,
    F: FnMut(&mut SqliteConnection) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        self.result = Some((self.operation)(connection)?);
        Ok(())
    }

    fn confirm(self: Box<Self>) {
        // Without a result the reply is dropped, and the caller reports an unknown outcome. A failed
        // send means that the caller was dropped.
        if let Some(result) = self.result {
            let _ = self.reply.send(Ok(result));
        }
    }

    fn reject(self: Box<Self>, error: StoreError) {
        let _ = self.reply.send(Err(error));
    }
}
