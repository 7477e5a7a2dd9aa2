//! Readers: a few threads, each with a connection that can't write, fed from one queue.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use aquaware_core::store::StoreError;
use diesel::SqliteConnection;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::connection::{Place, connect_to_read};
use crate::error::{Failure, OpenError};

/// How many questions may wait.
const QUEUE: usize = 1024;

/// Takes the connection, or why there is none.
type Question = Box<dyn FnOnce(Result<&mut SqliteConnection, Failure>) + Send>;

type Waiting = Arc<Mutex<mpsc::Receiver<Question>>>;

/// The reading threads. Dropping it waits for what they have begun.
pub(super) struct Readers {
    queue: Option<mpsc::Sender<Question>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts `number` threads.
    pub(super) fn start(place: &Place, number: usize) -> Result<Self, OpenError> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let waiting = Arc::new(Mutex::new(waiting));
        // Whole from the start, so that an early return ends the threads already running.
        let mut readers = Self { queue: Some(queue), threads: Vec::with_capacity(number) };
        for _ in 0..number {
            let connection = connect_to_read(place).map_err(|failure| place.refused(failure))?;
            let (here, waiting) = (place.clone(), Arc::clone(&waiting));
            let thread = thread::Builder::new()
                .name("aquaware-read".to_owned())
                .spawn(move || serve(&here, connection, &waiting))
                .map_err(|source| OpenError::Io { path: place.path().to_owned(), source })?;
            readers.threads.push(thread);
        }
        Ok(readers)
    }

    /// Has `question` answered within `timeout`. One whose caller is gone is not asked.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        timeout: Duration,
        question: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let deadline = Instant::now() + timeout;
        let (reply, answer) = oneshot::channel();
        let question: Question = Box::new(move |connection| {
            if !reply.is_closed() {
                // A caller that left meanwhile misses nothing.
                let _ = reply.send(connection.map_err(Failure::before_commit).and_then(question));
            }
        });
        let queue = self.queue.as_ref().ok_or_else(|| Failure::Stopped.before_commit())?;
        match timeout_at(deadline, queue.send(question)).await {
            Err(_) => return Err(Failure::Crowded.before_commit()),
            Ok(Err(_)) => return Err(Failure::Stopped.before_commit()),
            Ok(Ok(())) => {}
        }
        match timeout_at(deadline, answer).await {
            Err(_) => Err(Failure::Elapsed.before_commit()),
            Ok(Err(_)) => Err(Failure::Panicked.before_commit()),
            Ok(Ok(answer)) => answer,
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            // A panic is caught where it happens; there is nobody left to tell of another.
            let _ = thread.join();
        }
    }
}

/// Answers questions until nobody can ask any more.
fn serve(place: &Place, connection: SqliteConnection, waiting: &Waiting) {
    let mut connection = Some(connection);
    while let Some(question) = next(waiting) {
        let answered = catch_unwind(AssertUnwindSafe(|| match &mut connection {
            Some(connection) => question(Ok(connection)),
            None => match connect_to_read(place) {
                Ok(new) => question(Ok(connection.insert(new))),
                Err(failure) => question(Err(failure)),
            },
        }));
        if answered.is_err() {
            tracing::error!("a question to the store broke off by a mistake in this program");
            // Whatever it left behind goes with the connection.
            let _ = catch_unwind(AssertUnwindSafe(|| connection = None));
        }
    }
}

/// The next question; whoever waits for it holds the others off, which wait for the same.
fn next(waiting: &Waiting) -> Option<Question> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv()
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
        let place = Place::new(directory.path().join("a.db"), Duration::from_secs(5)).unwrap();
        Readers::start(&place, 1).unwrap()
    }

    #[test]
    fn a_question_that_panics_harms_no_other() {
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
    fn a_question_without_an_answer_in_time_changed_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let readers = readers(&directory);
        let (go_on, wait) = std::sync::mpsc::channel::<()>();
        run(async {
            let short = Duration::from_millis(20);
            let question = move |_: &mut SqliteConnection| {
                let _ = wait.recv();
                Ok(())
            };
            let late = readers.run(short, question).await.unwrap_err();
            assert!(late.is_transient() && !late.is_unknown());
            go_on.send(()).unwrap();
        });
    }
}
