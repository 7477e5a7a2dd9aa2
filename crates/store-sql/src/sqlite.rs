//! The embedded engine: one file, one thread that writes, and a few that read.
//!
//! SQLite lets one connection write at a time, and the cost of a write is the wait for the disk. One
//! writer therefore commits everything that is queued at once: the more callers there are, the more
//! operations share one wait. Readers never wait for the writer (write-ahead log). The threads belong
//! to the store, so the ports work on any runtime with a timer, even a single-threaded one.

mod accounts;
mod connection;
mod error;
mod facts;
mod file;
mod maintenance;
mod migrate;
mod outbox;
mod readers;
mod sessions;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aquaware_core::store::StoreError;
use diesel::connection::SimpleConnection as _;
use diesel::deserialize::QueryableByName;
use diesel::sql_types::Integer;
use diesel::{RunQueryDsl as _, SqliteConnection, sql_query};

use self::error::store_result;
use self::file::{DatabaseFile, OpenFiles};
use self::readers::Readers;
pub use self::writer::WriteCounts;
use self::writer::Writer;
use crate::error::OpenError;
use crate::statements;

/// How to open an SQLite store.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// The file. If it does not exist, it is created, readable by its owner only; its directory is
    /// not created.
    pub path: PathBuf,
    /// Maximum duration of an operation, including the wait in the queue. More than zero.
    pub timeout: Duration,
    /// Number of threads that read: 1 to 64.
    pub readers: usize,
    /// Whether to migrate the tables. Without it, a file that needs migrations is an error.
    pub migrate: bool,
}

impl SqliteOptions {
    /// The file at `path`, with a timeout of two seconds, two readers, and migrations.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), timeout: Duration::from_secs(2), readers: 2, migrate: true }
    }

    fn check(&self) -> Result<(), OpenError> {
        if self.timeout.is_zero() {
            return Err(OpenError::InvalidOption("the timeout of a store must be more than zero"));
        }
        if !(1..=64).contains(&self.readers) {
            return Err(OpenError::InvalidOption("a store must have 1 to 64 readers"));
        }
        Ok(())
    }
}

/// Sessions and accounts in one SQLite file.
///
/// An acknowledged operation is on the disk: it survives `kill -9` and a power failure. Any number of
/// stores, in this process and in others, may have the same file open. If a caller is dropped before
/// it gets its result, the operation may or may not happen, as if a connection had been lost.
/// Dropping the store waits for the operations it has accepted and leaves a single file, with the
/// write-ahead log merged into it.
pub struct SqliteStore {
    file: DatabaseFile,
    files: OpenFiles,
    // Dropped in this order: the last connection that is closed merges the log into the file, and a
    // reader is not allowed to.
    readers: Readers,
    writer: Writer,
}

/// Stores are opened one at a time in this process. Closing any descriptor of a file releases all
/// POSIX locks of the process on it, so the file must not be created here while SQLite opens it in
/// another thread. And of two connections that switch a new file to the write-ahead log, one fails.
static OPENING: Mutex<()> = Mutex::new(());

impl SqliteStore {
    /// Opens the store, and creates and migrates its file if necessary. Blocks until that is done;
    /// needs no runtime.
    ///
    /// # Errors
    /// [`OpenError`]; its text names the remedy.
    pub fn open(options: SqliteOptions) -> Result<Self, OpenError> {
        options.check()?;
        let _opening = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        let file = DatabaseFile::new(options.path, options.timeout)?;
        file.prepare(options.migrate)?;
        let connection = connection::open(&file, options.migrate)?;
        let readers = Readers::start(&file, options.readers)?;
        let writer = Writer::start(&file, connection)?;
        let files = OpenFiles::of(&file);
        Ok(Self { file, files, readers, writer })
    }

    /// The file, as an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The number of commits and operations since the store was opened.
    #[must_use]
    pub fn write_counts(&self) -> WriteCounts {
        self.writer.counts()
    }

    /// Runs `operation` in a transaction of the writer. An `Err` from it undoes its changes.
    async fn write<T: Send + 'static>(
        &self,
        operation: impl FnMut(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.files.check()?;
        self.writer.run(self.file.timeout(), operation).await
    }

    /// Runs `query` on a reader.
    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.files.check()?;
        self.readers.run(self.file.timeout(), query).await
    }

    /// Whether the file can be read and written. Writes a value of the file's header that is there
    /// already: this reaches the disk like any other change, so a full disk is noticed too.
    async fn probe(&self) -> Result<(), StoreError> {
        self.read(|connection| {
            store_result(statements::probe_sessions().load::<i64>(connection)).map(|_| ())
        })
        .await?;
        self.write(|connection| {
            let version = sql_query("SELECT user_version FROM pragma_user_version");
            let UserVersion { user_version } = store_result(version.get_result(connection))?;
            let write = format!("PRAGMA user_version = {user_version}");
            store_result(connection.batch_execute(&write))
        })
        .await
    }
}

#[derive(QueryableByName)]
struct UserVersion {
    #[diesel(sql_type = Integer)]
    user_version: i32,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.file.path()).finish_non_exhaustive()
    }
}
