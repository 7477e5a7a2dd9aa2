//! The writer with operations that fail in every way.

use std::error::Error as _;
use std::sync::mpsc::{Receiver, Sender, channel};

use diesel::Connection as _;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use tempfile::TempDir;

use super::super::connection::connect;
use super::super::error::store_result;
use super::*;

const LONG: Duration = Duration::from_secs(60);

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// A writer that waits `patience` for a lock, on a file with one table.
struct TestWriter {
    directory: TempDir,
    writer: Writer,
}

impl TestWriter {
    fn new(patience: Duration) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = DatabaseFile::new(directory.path().join("a.db"), patience).unwrap();
        let mut connection = connect(&file).unwrap();
        connection
            .batch_execute("PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER, b BLOB)")
            .unwrap();
        let writer = Writer::start(&file, connection).unwrap();
        Self { directory, writer }
    }

    fn connect(&self) -> SqliteConnection {
        let path = self.directory.path().join("a.db");
        SqliteConnection::establish(path.to_str().unwrap()).unwrap()
    }

    /// The committed numbers, in order.
    fn numbers(&self) -> Vec<i64> {
        let rows: Vec<Number> =
            diesel::sql_query("SELECT n FROM t ORDER BY n").load(&mut self.connect()).unwrap();
        rows.into_iter().map(|row| row.n).collect()
    }

    async fn add(&self, n: i64) -> Result<(), StoreError> {
        self.writer.run(LONG, insert(n)).await
    }

    /// Keeps the writer busy until the guard is dropped. Operations queued until then are in the next
    /// batch.
    async fn hold(&self) -> Sender<()> {
        let (release, held): (Sender<()>, Receiver<()>) = channel();
        let (begun, beginning) = oneshot::channel();
        let mut begun = Some(begun);
        let queue = self.writer.queue.as_ref().unwrap();
        let (reply, _) = oneshot::channel();
        let operation = move |_: &mut SqliteConnection| {
            if let Some(begun) = begun.take() {
                begun.send(()).unwrap();
            }
            let _ = held.recv();
            Ok(())
        };
        assert!(queue.send(Box::new(QueuedOperation::new(operation, reply))).await.is_ok());
        beginning.await.unwrap();
        release
    }
}

fn insert(n: i64) -> impl FnMut(&mut SqliteConnection) -> Result<(), StoreError> + Send {
    move |connection| {
        store_result(connection.batch_execute(&format!("INSERT INTO t VALUES ({n}, NULL)")))
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

fn cause(error: &StoreError) -> SqlError {
    *error.source().unwrap().downcast_ref::<SqlError>().unwrap()
}

fn queued(writer: &TestWriter) -> usize {
    let queue = writer.writer.queue.as_ref().unwrap();
    queue.max_capacity() - queue.capacity()
}

type Answer = tokio::task::JoinHandle<Result<(), StoreError>>;

/// Queues `operation` in a task of its own.
fn spawn(
    writer: &Arc<TestWriter>,
    operation: impl FnMut(&mut SqliteConnection) -> Result<(), StoreError> + Send + 'static,
) -> Answer {
    let writer = Arc::clone(writer);
    tokio::spawn(async move { writer.writer.run(LONG, operation).await })
}

/// Waits until the queue of a busy writer has `operations`.
async fn until_queued(writer: &TestWriter, operations: usize) {
    while queued(writer) < operations {
        tokio::task::yield_now().await;
    }
}

/// Runs `failing` in one batch with 20 other operations, ten before and ten after it, and checks that
/// those are committed.
fn fail_in_batch(
    failing: impl FnMut(&mut SqliteConnection) -> Result<(), StoreError> + Send + 'static,
) -> StoreError {
    let writer = Arc::new(TestWriter::new(LONG));
    run(async {
        let held = writer.hold().await;
        let mut others: Vec<Answer> = (0..10).map(|n| spawn(&writer, insert(n))).collect();
        let failing = spawn(&writer, failing);
        others.extend((10..20).map(|n| spawn(&writer, insert(n))));
        until_queued(&writer, 21).await;
        drop(held);
        let error = failing.await.unwrap().unwrap_err();
        for answer in others {
            answer.await.unwrap().unwrap();
        }
        assert_eq!(writer.numbers(), (0..20).collect::<Vec<_>>());
        // One commit for the operation of the guard, and one for the others.
        assert_eq!(writer.writer.counts(), WriteCounts { commits: 2, operations: 21 });
        error
    })
}

#[test]
fn a_step_that_fails_is_undone_and_loses_no_other() {
    let error = fail_in_batch(|connection| {
        insert(100)(connection)?;
        Err(StoreError::corrupt("a", "b"))
    });
    assert!(matches!(error, StoreError::Corrupt { .. }));
}

#[test]
fn a_failing_statement_does_not_affect_other_operations() {
    let error = fail_in_batch(|connection| {
        insert(100)(connection)?;
        store_result(connection.batch_execute("INSERT INTO missing VALUES (1)"))
    });
    assert_eq!(cause(&error), SqlError::NotMigrated);
    assert!(!error.is_transient());
}

#[test]
fn a_panicking_operation_does_not_affect_other_operations() {
    let error = fail_in_batch(|connection| {
        insert(100)(connection).unwrap();
        panic!("on purpose");
    });
    assert_eq!(cause(&error), SqlError::Panicked);
    assert!(!error.is_transient());
}

#[test]
fn an_operation_that_ends_the_transaction_does_not_affect_others() {
    let error = fail_in_batch(|connection| {
        connection.batch_execute("ROLLBACK").unwrap();
        Err(SqlError::Io.before_commit())
    });
    assert_eq!(cause(&error), SqlError::Io);
    assert!(error.is_transient() && !error.is_unknown());
}

#[test]
fn a_connection_that_cannot_roll_back_is_replaced() {
    let writer = TestWriter::new(LONG);
    run(async {
        let corrupt = |connection: &mut SqliteConnection| -> Result<(), StoreError> {
            connection.batch_execute("ROLLBACK; PRAGMA query_only = ON").unwrap();
            Err(SqlError::Io.before_commit())
        };
        assert!(writer.writer.run(LONG, corrupt).await.is_err());
        writer.add(1).await.unwrap();
    });
    assert_eq!(writer.numbers(), [1]);
}

#[test]
fn a_full_disk_rejects_writes_until_there_is_room() {
    let writer = Arc::new(TestWriter::new(LONG));
    run(async {
        let fill = |connection: &mut SqliteConnection| {
            store_result(connection.batch_execute("PRAGMA max_page_count = 4"))?;
            store_result(connection.batch_execute("INSERT INTO t VALUES (1, zeroblob(1000000))"))
        };
        let error = writer.writer.run(LONG, fill).await.unwrap_err();
        assert_eq!(cause(&error), SqlError::DiskFull);
        assert!(!error.is_transient() && !error.is_unknown());
        let room = |connection: &mut SqliteConnection| {
            store_result(connection.batch_execute("PRAGMA max_page_count = 1000000"))
        };
        writer.writer.run(LONG, room).await.unwrap();
        writer.add(2).await.unwrap();
    });
    assert_eq!(writer.numbers(), [2]);
}

#[test]
fn writes_to_a_read_only_file_are_rejected() {
    let writer = TestWriter::new(LONG);
    run(async {
        let operation = |connection: &mut SqliteConnection| {
            store_result(connection.batch_execute("PRAGMA query_only = ON"))?;
            insert(1)(connection)
        };
        let error = writer.writer.run(LONG, operation).await.unwrap_err();
        assert_eq!(cause(&error), SqlError::ReadOnly);
        assert!(!error.is_transient());
    });
}

#[test]
fn callers_are_answered_only_after_the_commit() {
    let writer = Arc::new(TestWriter::new(LONG));
    run(async {
        let held = writer.hold().await;
        let first = spawn(&writer, insert(1));
        // Runs after the first operation, in the same transaction.
        let (started, has_started) = channel();
        let (release, released) = channel::<()>();
        let second = spawn(&writer, move |_| {
            let _ = started.send(());
            let _ = released.recv();
            Ok(())
        });
        until_queued(&writer, 2).await;
        drop(held);
        has_started.recv().unwrap();
        tokio::task::yield_now().await;
        assert!(!first.is_finished(), "executed, but not yet committed");
        assert_eq!(writer.numbers(), [0; 0]);
        drop(release);
        first.await.unwrap().unwrap();
        second.await.unwrap().unwrap();
        assert_eq!(writer.numbers(), [1]);
    });
}

#[test]
fn a_commit_has_at_most_256_operations() {
    let writer = Arc::new(TestWriter::new(LONG));
    run(async {
        let held = writer.hold().await;
        let answers: Vec<Answer> = (0..600).map(|n| spawn(&writer, insert(n))).collect();
        until_queued(&writer, 600).await;
        drop(held);
        for answer in answers {
            answer.await.unwrap().unwrap();
        }
        assert_eq!(writer.writer.counts(), WriteCounts { commits: 1 + 3, operations: 1 + 600 });
    });
}

#[test]
fn an_operation_that_waits_too_long_for_the_lock_changes_nothing() {
    let writer = TestWriter::new(Duration::from_millis(20));
    let mut other = writer.connect();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    run(async {
        let error = writer.add(1).await.unwrap_err();
        assert_eq!(cause(&error), SqlError::Locked);
        assert!(error.is_transient() && !error.is_unknown());
        other.batch_execute("COMMIT").unwrap();
        writer.add(2).await.unwrap();
    });
    assert_eq!(writer.numbers(), [2]);
}

#[test]
fn a_failed_commit_is_reported_to_every_caller() {
    let writer = Arc::new(TestWriter::new(LONG));
    run(async {
        let held = writer.hold().await;
        let first = spawn(&writer, insert(1));
        // The commit fails because the transaction has ended.
        let second =
            spawn(&writer, |connection| store_result(connection.batch_execute("ROLLBACK")));
        until_queued(&writer, 2).await;
        drop(held);
        for answer in [first, second] {
            let error = answer.await.unwrap().unwrap_err();
            assert!(error.is_unknown(), "{error}");
        }
        writer.add(3).await.unwrap();
    });
    assert_eq!(writer.numbers(), [3]);
}

#[test]
fn a_timeout_after_queueing_is_an_unknown_outcome() {
    let writer = Arc::new(TestWriter::new(LONG));
    run(async {
        let held = writer.hold().await;
        let error = writer.writer.run(Duration::from_millis(20), insert(1)).await.unwrap_err();
        assert_eq!(cause(&error), SqlError::Timeout);
        assert!(error.is_unknown());
        drop(held);
        writer.add(2).await.unwrap();
    });
    assert_eq!(writer.numbers(), [1, 2], "it was committed after the timeout");
}

#[test]
fn a_timeout_before_queueing_means_that_nothing_happened() {
    let writer = Arc::new(TestWriter::new(LONG));
    run(async {
        let held = writer.hold().await;
        let many = i64::try_from(QUEUE_SIZE).unwrap();
        let answers: Vec<Answer> = (0..many).map(|n| spawn(&writer, insert(n))).collect();
        until_queued(&writer, QUEUE_SIZE).await;
        let error = writer.writer.run(Duration::from_millis(20), insert(-1)).await.unwrap_err();
        assert_eq!(cause(&error), SqlError::QueueFull);
        assert!(error.is_transient() && !error.is_unknown());
        drop(held);
        for answer in answers {
            answer.await.unwrap().unwrap();
        }
        assert_eq!(writer.numbers(), (0..many).collect::<Vec<_>>());
    });
}

#[test]
fn a_dropped_caller_does_not_affect_other_operations() {
    let writer = Arc::new(TestWriter::new(LONG));
    run(async {
        let held = writer.hold().await;
        let answers: Vec<Answer> = (0..10).map(|n| spawn(&writer, insert(n))).collect();
        until_queued(&writer, 10).await;
        for answer in answers.iter().step_by(2) {
            answer.abort();
        }
        drop(held);
        for (index, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.await.is_err(), index % 2 == 0);
        }
        writer.add(10).await.unwrap();
    });
    assert_eq!(writer.numbers(), (0..=10).collect::<Vec<_>>(), "queued operations are committed");
}

#[test]
fn dropping_the_writer_waits_for_queued_operations() {
    let writer = TestWriter::new(LONG);
    let directory = run(async {
        let held = writer.hold().await;
        let queue = writer.writer.queue.as_ref().unwrap();
        for n in 0..300 {
            let (reply, _) = oneshot::channel();
            let operation = Box::new(QueuedOperation::new(insert(n), reply));
            assert!(queue.send(operation).await.is_ok());
        }
        drop(held);
        let TestWriter { directory, writer } = writer;
        drop(writer);
        directory
    });
    let files: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "a log is left: {files:?}");
    let path = directory.path().join("a.db");
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    let number: Number =
        diesel::sql_query("SELECT count(*) AS n FROM t").get_result(&mut connection).unwrap();
    assert_eq!(number.n, 300);
}
