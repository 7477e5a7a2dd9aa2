//! The writer: one thread, one connection, one commit for all that waits.
//!
//! Steps are run again when another one of the same commit fails and takes the transaction with
//! it. That is safe because nothing of the first run remains and nobody was told of it. A caller
//! hears of its step only when the commit is on the disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use aquaware_core::store::StoreError;
use diesel::SqliteConnection;
use diesel::connection::SimpleConnection as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::connection::{Place, connect};
use super::failure::failure;
use crate::error::{Failure, OpenError};

/// How many steps may wait.
const QUEUE: usize = 1024;
/// How many steps one commit holds at most: more gain nothing, and hold up the first.
const BATCH: usize = 256;

/// How much has been written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteCounts {
    /// Commits: waits for the disk.
    pub commits: u64,
    /// Steps that were in them.
    pub steps: u64,
}

#[derive(Default)]
struct Counters {
    commits: AtomicU64,
    steps: AtomicU64,
}

/// The writing thread. Dropping it waits for what it has taken.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Work>>>,
    thread: Option<JoinHandle<()>>,
    counters: Arc<Counters>,
}

impl Writer {
    /// Starts the thread with its connection.
    pub(super) fn start(place: &Place, connection: SqliteConnection) -> Result<Self, OpenError> {
        let (queue, mut waiting) = mpsc::channel(QUEUE);
        let counters = Arc::new(Counters::default());
        let mut scribe = Scribe {
            place: place.clone(),
            connection: Some(connection),
            counters: Arc::clone(&counters),
        };
        let thread = thread::Builder::new()
            .name("aquaware-write".to_owned())
            .spawn(move || {
                let mut batch = Vec::with_capacity(BATCH);
                while waiting.blocking_recv_many(&mut batch, BATCH) > 0 {
                    scribe.settle(&mut batch);
                }
                scribe.close();
            })
            .map_err(|source| OpenError::Io { path: place.path().to_owned(), source })?;
        Ok(Self { queue: Some(queue), thread: Some(thread), counters })
    }

    pub(super) fn counts(&self) -> WriteCounts {
        WriteCounts {
            commits: self.counters.commits.load(Ordering::Relaxed),
            steps: self.counters.steps.load(Ordering::Relaxed),
        }
    }

    /// Whether nobody takes steps any more.
    pub(super) fn is_gone(&self) -> bool {
        self.queue.as_ref().is_none_or(mpsc::Sender::is_closed)
    }

    /// Has `step` done and committed within `timeout`. Once handed over it may be done although
    /// the caller has gone, or was told that there is no answer.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        timeout: Duration,
        step: impl FnMut(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let deadline = Instant::now() + timeout;
        let (reply, answer) = oneshot::channel();
        let task: Box<dyn Work> = Box::new(Task { step, done: None, reply });
        let queue = self.queue.as_ref().ok_or_else(|| Failure::Stopped.before_commit())?;
        match timeout_at(deadline, queue.send(task)).await {
            Err(_) => return Err(Failure::Crowded.before_commit()),
            Ok(Err(_)) => return Err(Failure::Stopped.before_commit()),
            Ok(Ok(())) => {}
        }
        match timeout_at(deadline, answer).await {
            Err(_) => Err(Failure::Elapsed.after_sending()),
            Ok(Err(_)) => Err(Failure::Stopped.after_sending()),
            Ok(Ok(answer)) => answer,
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic is caught where it happens; there is nobody left to tell of another.
            let _ = thread.join();
        }
    }
}

/// A step that waits for the writer.
trait Work: Send {
    /// Does it within the open transaction, perhaps more than once. `Err` undoes the transaction.
    fn perform(&mut self, connection: &mut SqliteConnection) -> Result<(), StoreError>;

    /// Tells its caller that it is on the disk.
    fn confirm(self: Box<Self>);

    /// Tells its caller that it isn't, or may not be.
    fn reject(self: Box<Self>, error: StoreError);
}

struct Task<T, S> {
    step: S,
    done: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, S> Work for Task<T, S>
where
    T: Send,
    S: FnMut(&mut SqliteConnection) -> Result<T, StoreError> + Send,
{
    fn perform(&mut self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        self.done = Some((self.step)(connection)?);
        Ok(())
    }

    fn confirm(self: Box<Self>) {
        // The reply of one that was never performed is dropped, which its caller takes for
        // "unknown"; a caller that left meanwhile misses nothing.
        if let Some(done) = self.done {
            let _ = self.reply.send(Ok(done));
        }
    }

    fn reject(self: Box<Self>, error: StoreError) {
        let _ = self.reply.send(Err(error));
    }
}

type Batch = Vec<Box<dyn Work>>;

/// Why a transaction came to nothing.
enum Broken {
    /// It is the fault of one step, by its place.
    Step(usize, StoreError),
    /// There was none to put steps into.
    Begin(Failure),
    /// All steps went well, and then the commit failed.
    Commit(Failure),
}

/// What the thread works with.
struct Scribe {
    place: Place,
    // None after something went wrong with the last one.
    connection: Option<SqliteConnection>,
    counters: Arc<Counters>,
}

impl Scribe {
    /// Commits the batch and answers every caller; empties it.
    fn settle(&mut self, batch: &mut Batch) {
        // Each round answers at least one of them, so this ends.
        while !batch.is_empty() {
            match self.commit(batch) {
                Ok(()) => batch.drain(..).for_each(Work::confirm),
                Err(Broken::Step(place, error)) => batch.remove(place).reject(error),
                Err(Broken::Begin(failure)) => {
                    reject_all(batch, failure, Failure::before_commit);
                }
                Err(Broken::Commit(failure)) => reject_all(batch, failure, Failure::in_commit),
            }
        }
    }

    /// Runs the whole batch in one transaction.
    fn commit(&mut self, batch: &mut Batch) -> Result<(), Broken> {
        let connection = self.connection().map_err(Broken::Begin)?;
        let result = transact(connection, batch);
        match &result {
            Ok(()) => self.count(batch.len()),
            Err(Broken::Begin(Failure::Busy)) => {}
            Err(Broken::Begin(_)) => self.close(),
            Err(Broken::Step(..) | Broken::Commit(_)) => self.roll_back(),
        }
        result
    }

    fn connection(&mut self) -> Result<&mut SqliteConnection, Failure> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            none => Ok(none.insert(connect(&self.place)?)),
        }
    }

    fn count(&self, steps: usize) {
        self.counters.commits.fetch_add(1, Ordering::Relaxed);
        self.counters.steps.fetch_add(u64::try_from(steps).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Undoes the open transaction. Some failures have ended it already, and after a panic nobody
    /// knows; then a new connection begins afresh.
    fn roll_back(&mut self) {
        let undone = catch_unwind(AssertUnwindSafe(|| {
            self.connection.as_mut().is_some_and(|open| open.batch_execute("ROLLBACK").is_ok())
        }));
        if !matches!(undone, Ok(true)) {
            self.close();
        }
    }

    /// Gives the connection up; the last one of a file folds the log into it.
    fn close(&mut self) {
        // diesel panics if a connection can't be closed. It is lost then, which harms no other.
        let _ = catch_unwind(AssertUnwindSafe(|| self.connection = None));
    }
}

fn transact(connection: &mut SqliteConnection, batch: &mut Batch) -> Result<(), Broken> {
    let say = |connection: &mut SqliteConnection, sql| {
        connection.batch_execute(sql).map_err(|error| failure(&error))
    };
    say(connection, "BEGIN IMMEDIATE").map_err(Broken::Begin)?;
    for (place, work) in batch.iter_mut().enumerate() {
        match catch_unwind(AssertUnwindSafe(|| work.perform(connection))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Broken::Step(place, error)),
            Err(_) => {
                tracing::error!("a step in the store broke off by a mistake in this program");
                return Err(Broken::Step(place, Failure::Panicked.before_commit()));
            }
        }
    }
    say(connection, "COMMIT").map_err(Broken::Commit)
}

fn reject_all(batch: &mut Batch, failure: Failure, as_error: fn(Failure) -> StoreError) {
    tracing::error!(error = %failure, steps = batch.len(), "the store could not write");
    for work in batch.drain(..) {
        work.reject(as_error(failure));
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use diesel::Connection as _;
    use diesel::prelude::*;
    use diesel::sql_types::BigInt;
    use tempfile::TempDir;

    use super::super::failure::asked;
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[derive(QueryableByName)]
    struct Number {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }

    /// A writer whose engine waits `patience` for a lock, over a file with one table.
    struct Desk {
        directory: TempDir,
        writer: Writer,
    }

    impl Desk {
        fn new(patience: Duration) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let place = Place::new(directory.path().join("a.db"), patience).unwrap();
            let mut connection = connect(&place).unwrap();
            connection
                .batch_execute("PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER, b BLOB)")
                .unwrap();
            let writer = Writer::start(&place, connection).unwrap();
            Self { directory, writer }
        }

        fn connect(&self) -> SqliteConnection {
            let path = self.directory.path().join("a.db");
            SqliteConnection::establish(path.to_str().unwrap()).unwrap()
        }

        /// Which numbers have been committed, in order.
        fn numbers(&self) -> Vec<i64> {
            let rows: Vec<Number> =
                diesel::sql_query("SELECT n FROM t ORDER BY n").load(&mut self.connect()).unwrap();
            rows.into_iter().map(|row| row.n).collect()
        }

        async fn add(&self, n: i64) -> Result<(), StoreError> {
            self.writer.run(LONG, put(n)).await
        }

        /// Keeps the writer busy until the guard is dropped or spoken to. What is handed over
        /// meanwhile ends up in the next batch.
        async fn hold(&self) -> Sender<()> {
            let (release, held): (Sender<()>, Receiver<()>) = channel();
            let (begun, beginning) = oneshot::channel();
            let mut begun = Some(begun);
            let queue = self.writer.queue.as_ref().unwrap();
            let (reply, _) = oneshot::channel();
            let step = move |_: &mut SqliteConnection| {
                if let Some(begun) = begun.take() {
                    begun.send(()).unwrap();
                }
                let _ = held.recv();
                Ok(())
            };
            assert!(queue.send(Box::new(Task { step, done: None, reply })).await.is_ok());
            beginning.await.unwrap();
            release
        }
    }

    fn put(n: i64) -> impl FnMut(&mut SqliteConnection) -> Result<(), StoreError> + Send {
        move |connection| {
            asked(connection.batch_execute(&format!("INSERT INTO t VALUES ({n}, NULL)")))
        }
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(future)
    }

    fn cause(error: &StoreError) -> Failure {
        *error.source().unwrap().downcast_ref::<Failure>().unwrap()
    }

    fn queued(desk: &Desk) -> usize {
        let queue = desk.writer.queue.as_ref().unwrap();
        queue.max_capacity() - queue.capacity()
    }

    type Answer = tokio::task::JoinHandle<Result<(), StoreError>>;

    /// Hands `step` over in a task of its own.
    fn hand_over(
        desk: &Arc<Desk>,
        step: impl FnMut(&mut SqliteConnection) -> Result<(), StoreError> + Send + 'static,
    ) -> Answer {
        let desk = Arc::clone(desk);
        tokio::spawn(async move { desk.writer.run(LONG, step).await })
    }

    /// Waits until `steps` stand in the queue of a writer that is held.
    async fn until_queued(desk: &Desk, steps: usize) {
        while queued(desk) < steps {
            tokio::task::yield_now().await;
        }
    }

    /// Has `bad` fail in one batch with 20 good steps, ten before it and ten behind, and checks
    /// that those are committed.
    fn among_good(
        bad: impl FnMut(&mut SqliteConnection) -> Result<(), StoreError> + Send + 'static,
    ) -> StoreError {
        let desk = Arc::new(Desk::new(LONG));
        run(async {
            let held = desk.hold().await;
            let mut good: Vec<Answer> = (0..10).map(|n| hand_over(&desk, put(n))).collect();
            let bad = hand_over(&desk, bad);
            good.extend((10..20).map(|n| hand_over(&desk, put(n))));
            until_queued(&desk, 21).await;
            drop(held);
            let error = bad.await.unwrap().unwrap_err();
            for answer in good {
                answer.await.unwrap().unwrap();
            }
            assert_eq!(desk.numbers(), (0..20).collect::<Vec<_>>());
            // The one that was held, the twenty together.
            assert_eq!(desk.writer.counts(), WriteCounts { commits: 2, steps: 21 });
            error
        })
    }

    #[test]
    fn a_step_that_fails_is_undone_and_loses_no_other() {
        let error = among_good(|connection| {
            put(100)(connection)?;
            Err(StoreError::corrupt("a", "b"))
        });
        assert!(matches!(error, StoreError::Corrupt { .. }));
    }

    #[test]
    fn a_statement_that_fails_loses_no_other() {
        let error = among_good(|connection| {
            put(100)(connection)?;
            asked(connection.batch_execute("INSERT INTO missing VALUES (1)"))
        });
        assert_eq!(cause(&error), Failure::NotMigrated);
        assert!(!error.is_transient());
    }

    #[test]
    fn a_step_that_panics_loses_no_other() {
        let error = among_good(|connection| {
            put(100)(connection).unwrap();
            panic!("on purpose");
        });
        assert_eq!(cause(&error), Failure::Panicked);
        assert!(!error.is_transient());
    }

    #[test]
    fn a_step_that_ends_the_transaction_loses_no_other() {
        let error = among_good(|connection| {
            connection.batch_execute("ROLLBACK").unwrap();
            Err(Failure::Io.before_commit())
        });
        assert_eq!(cause(&error), Failure::Io);
        assert!(error.is_transient() && !error.is_unknown());
    }

    #[test]
    fn a_connection_that_cannot_roll_back_is_replaced() {
        let desk = Desk::new(LONG);
        run(async {
            let spoil = |connection: &mut SqliteConnection| -> Result<(), StoreError> {
                connection.batch_execute("ROLLBACK; PRAGMA query_only = ON").unwrap();
                Err(Failure::Io.before_commit())
            };
            assert!(desk.writer.run(LONG, spoil).await.is_err());
            desk.add(1).await.unwrap();
        });
        assert_eq!(desk.numbers(), [1]);
    }

    #[test]
    fn a_full_disk_is_refused_and_passes() {
        let desk = Arc::new(Desk::new(LONG));
        run(async {
            let fill = |connection: &mut SqliteConnection| {
                asked(connection.batch_execute("PRAGMA max_page_count = 4"))?;
                asked(connection.batch_execute("INSERT INTO t VALUES (1, zeroblob(1000000))"))
            };
            let error = desk.writer.run(LONG, fill).await.unwrap_err();
            assert_eq!(cause(&error), Failure::Full);
            assert!(!error.is_transient() && !error.is_unknown());
            let room = |connection: &mut SqliteConnection| {
                asked(connection.batch_execute("PRAGMA max_page_count = 1000000"))
            };
            desk.writer.run(LONG, room).await.unwrap();
            desk.add(2).await.unwrap();
        });
        assert_eq!(desk.numbers(), [2]);
    }

    #[test]
    fn a_file_that_is_read_only_is_refused() {
        let desk = Desk::new(LONG);
        run(async {
            let step = |connection: &mut SqliteConnection| {
                asked(connection.batch_execute("PRAGMA query_only = ON"))?;
                put(1)(connection)
            };
            let error = desk.writer.run(LONG, step).await.unwrap_err();
            assert_eq!(cause(&error), Failure::ReadOnly);
            assert!(!error.is_transient());
        });
    }

    #[test]
    fn nobody_is_answered_before_the_commit() {
        let desk = Arc::new(Desk::new(LONG));
        run(async {
            let held = desk.hold().await;
            let first = hand_over(&desk, put(1));
            // Runs after the first step, in the same transaction.
            let (tell, told) = channel();
            let (release, go_on) = channel::<()>();
            let second = hand_over(&desk, move |_| {
                let _ = tell.send(());
                let _ = go_on.recv();
                Ok(())
            });
            until_queued(&desk, 2).await;
            drop(held);
            told.recv().unwrap();
            tokio::task::yield_now().await;
            assert!(!first.is_finished(), "done, but not yet on the disk");
            assert_eq!(desk.numbers(), [0; 0]);
            drop(release);
            first.await.unwrap().unwrap();
            second.await.unwrap().unwrap();
            assert_eq!(desk.numbers(), [1]);
        });
    }

    #[test]
    fn a_commit_holds_256_steps_and_no_more() {
        let desk = Arc::new(Desk::new(LONG));
        run(async {
            let held = desk.hold().await;
            let answers: Vec<Answer> = (0..600).map(|n| hand_over(&desk, put(n))).collect();
            until_queued(&desk, 600).await;
            drop(held);
            for answer in answers {
                answer.await.unwrap().unwrap();
            }
            assert_eq!(desk.writer.counts(), WriteCounts { commits: 1 + 3, steps: 1 + 600 });
        });
    }

    #[test]
    fn a_database_locked_for_too_long_changed_nothing() {
        let desk = Desk::new(Duration::from_millis(20));
        let mut other = desk.connect();
        other.batch_execute("BEGIN IMMEDIATE").unwrap();
        run(async {
            let error = desk.add(1).await.unwrap_err();
            assert_eq!(cause(&error), Failure::Busy);
            assert!(error.is_transient() && !error.is_unknown());
            other.batch_execute("COMMIT").unwrap();
            desk.add(2).await.unwrap();
        });
        assert_eq!(desk.numbers(), [2]);
    }

    #[test]
    fn a_commit_that_fails_is_told_to_all() {
        let desk = Arc::new(Desk::new(LONG));
        run(async {
            let held = desk.hold().await;
            let first = hand_over(&desk, put(1));
            // With the transaction gone there is nothing to commit.
            let second = hand_over(&desk, |connection| asked(connection.batch_execute("ROLLBACK")));
            until_queued(&desk, 2).await;
            drop(held);
            for answer in [first, second] {
                let error = answer.await.unwrap().unwrap_err();
                assert!(error.is_unknown(), "{error}");
            }
            desk.add(3).await.unwrap();
        });
        assert_eq!(desk.numbers(), [3]);
    }

    #[test]
    fn no_answer_in_time_is_an_unknown_outcome() {
        let desk = Arc::new(Desk::new(LONG));
        run(async {
            let held = desk.hold().await;
            let error = desk.writer.run(Duration::from_millis(20), put(1)).await.unwrap_err();
            assert_eq!(cause(&error), Failure::Elapsed);
            assert!(error.is_unknown());
            drop(held);
            desk.add(2).await.unwrap();
        });
        assert_eq!(desk.numbers(), [1, 2], "it was done all the same");
    }

    #[test]
    fn no_place_in_the_queue_in_time_means_that_nothing_happened() {
        let desk = Arc::new(Desk::new(LONG));
        run(async {
            let held = desk.hold().await;
            let many = i64::try_from(QUEUE).unwrap();
            let answers: Vec<Answer> = (0..many).map(|n| hand_over(&desk, put(n))).collect();
            until_queued(&desk, QUEUE).await;
            let error = desk.writer.run(Duration::from_millis(20), put(-1)).await.unwrap_err();
            assert_eq!(cause(&error), Failure::Crowded);
            assert!(error.is_transient() && !error.is_unknown());
            drop(held);
            for answer in answers {
                answer.await.unwrap().unwrap();
            }
            assert_eq!(desk.numbers(), (0..many).collect::<Vec<_>>());
        });
    }

    #[test]
    fn callers_that_leave_disturb_nobody() {
        let desk = Arc::new(Desk::new(LONG));
        run(async {
            let held = desk.hold().await;
            let answers: Vec<Answer> = (0..10).map(|n| hand_over(&desk, put(n))).collect();
            until_queued(&desk, 10).await;
            for answer in answers.iter().step_by(2) {
                answer.abort();
            }
            drop(held);
            for (place, answer) in answers.into_iter().enumerate() {
                assert_eq!(answer.await.is_err(), place % 2 == 0);
            }
            desk.add(10).await.unwrap();
        });
        assert_eq!(desk.numbers(), (0..=10).collect::<Vec<_>>(), "what was handed over is done");
    }

    #[test]
    fn the_end_waits_for_what_was_handed_over() {
        let desk = Desk::new(LONG);
        let directory = run(async {
            let held = desk.hold().await;
            let queue = desk.writer.queue.as_ref().unwrap();
            for n in 0..300 {
                let (reply, _) = oneshot::channel();
                let task = Box::new(Task { step: put(n), done: None, reply });
                assert!(queue.send(task).await.is_ok());
            }
            drop(held);
            let Desk { directory, writer } = desk;
            drop(writer);
            directory
        });
        let files: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
        assert_eq!(files.len(), 1, "no log is left behind: {files:?}");
        let path = directory.path().join("a.db");
        let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        let number: Number =
            diesel::sql_query("SELECT count(*) AS n FROM t").get_result(&mut connection).unwrap();
        assert_eq!(number.n, 300);
    }
}
