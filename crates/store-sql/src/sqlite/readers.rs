//! Readers: a few threads, each with a connection that cannot write, and one queue for all.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use aquaware_core::store::StoreError;
use diesel::SqliteConnection;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::connection::connect_read_only;
use super::file::DatabaseFile;
use crate::error::{OpenError, SqlError};

/// Maximum number of queued queries.
const QUEUE_SIZE: usize = 1024;

/// Gets the connection, or the reason why there is none.
type Query = Box<dyn FnOnce(Result<&mut SqliteConnection, SqlError>) + Send>;

type Queue = Arc<Mutex<mpsc::Receiver<Query>>>;

/// The reading threads. Dropping it waits for the queries in progress.
pub(super) struct Readers {
    queue: Option<mpsc::Sender<Query>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts `number` threads.
    pub(super) fn start(file: &DatabaseFile, number: usize) -> Result<Self, OpenError> {
        let (queue, queued) = mpsc::channel(QUEUE_SIZE);
        let queued = Arc::new(Mutex::new(queued));
        // Complete from the start, so that an early return stops the threads that already run.
        let mut readers = Self { queue: Some(queue), threads: Vec::with_capacity(number) };
        for _ in 0..number {
            let connection = connect_read_only(file).map_err(|error| file.open_error(error))?;
            let (file, queued) = (file.clone(), Arc::clone(&queued));
            let thread = thread::Builder::new()
                .name("aquaware-read".to_owned())
                .spawn(move || run_queries(&file, connection, &queued))
                .map_err(OpenError::Threads)?;
            readers.threads.push(thread);
        }
        Ok(readers)
    }

    /// Runs `query` within `timeout`. If its caller has been dropped, it is not run.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        timeout: Duration,
        query: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let deadline = Instant::now() + timeout;
        let (reply, response) = oneshot::channel();
        let query: Query = Box::new(move |connection| {
            if !reply.is_closed() {
                // It fails only if the caller has been dropped in the meantime.
                let _ = reply.send(connection.map_err(SqlError::before_commit).and_then(query));
            }
        });
        let queue = self.queue.as_ref().ok_or_else(|| SqlError::Stopped.before_commit())?;
        match timeout_at(deadline, queue.send(query)).await {
            Err(_) => return Err(SqlError::QueueFull.before_commit()),
            Ok(Err(_)) => return Err(SqlError::Stopped.before_commit()),
            Ok(Ok(())) => {}
        }
        match timeout_at(deadline, response).await {
            Err(_) => Err(SqlError::Timeout.before_commit()),
            Ok(Err(_)) => Err(SqlError::Panicked.before_commit()),
            Ok(Ok(result)) => result,
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            // Panics of queries are caught in the thread; any other is already printed.
            let _ = thread.join();
        }
    }
}

/// Runs queries until the store is dropped.
fn run_queries(file: &DatabaseFile, connection: SqliteConnection, queue: &Queue) {
    let mut connection = Some(connection);
    while let Some(query) = next(queue) {
        let done = catch_unwind(AssertUnwindSafe(|| match &mut connection {
            Some(connection) => query(Ok(connection)),
            None => match connect_read_only(file) {
                Ok(new) => query(Ok(connection.insert(new))),
                Err(error) => query(Err(error)),
            },
        }));
        if done.is_err() {
            tracing::error!("a query of the store panicked; this is a bug");
            // The connection may be in any state, so a new one replaces it.
            let _ = catch_unwind(AssertUnwindSafe(|| connection = None));
        }
    }
}

/// The next query. One thread waits for it while it holds the lock; the others wait for the lock.
fn next(queue: &Queue) -> Option<Query> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(future)
    }

    fn readers(directory: &tempfile::TempDir) -> Readers {
        let file =
            DatabaseFile::new(directory.path().join("a.db"), Duration::from_secs(5)).unwrap();
        Readers::start(&file, 1).unwrap()
    }

    #[test]
    fn a_panicking_query_does_not_affect_others() {
        let directory = tempfile::tempdir().unwrap();
        let readers = readers(&directory);
        run(async {
            let long = Duration::from_secs(5);
            let broken = readers.run::<()>(long, |_| panic!("on purpose")).await.unwrap_err();
            assert!(!broken.is_transient());
            assert_eq!(readers.run(long, |_| Ok(5)).await.unwrap(), 5);
        });
    }

    #[test]
    fn a_query_without_a_response_in_time_changed_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let readers = readers(&directory);
        let (release, released) = std::sync::mpsc::channel::<()>();
        run(async {
            let short = Duration::from_millis(20);
            let query = move |_: &mut SqliteConnection| {
                let _ = released.recv();
                Ok(())
            };
            let late = readers.run(short, query).await.unwrap_err();
            assert!(late.is_transient() && !late.is_unknown());
            // On a busy machine, the query has not begun, and does not begin any more.
            let _ = release.send(());
        });
    }
}
