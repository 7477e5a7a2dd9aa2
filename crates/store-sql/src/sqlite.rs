//! The embedded engine: one file, one thread that writes, a few that read.
//!
//! SQLite lets one connection write at a time, and what a write costs is the wait for the disk. So
//! there is one writer, which commits whatever waits together: the more callers, the more steps
//! share one wait. Readers never wait for it (write-ahead log). The threads are our own, so the
//! ports work on any runtime with a timer, a single-threaded one too.

mod accounts;
mod connection;
mod facts;
mod failure;
mod file;
mod migrate;
mod purge;
mod readers;
mod release;
mod sessions;
mod statements;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aquaware_core::store::StoreError;
use diesel::SqliteConnection;

use self::connection::Place;
use self::readers::Readers;
pub use self::writer::WriteCounts;
use self::writer::Writer;
use crate::error::{Failure, OpenError};

/// How to open an SQLite store.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The file. It is made, readable by its owner only, if it isn't there; its directory is not.
    pub path: PathBuf,
    /// How long a step may take, waiting included. More than zero.
    pub timeout: Duration,
    /// How many threads read: 1 to 64.
    pub readers: usize,
    /// Whether to bring the tables up to date. Without it, a file that needs that is an error.
    pub migrate: bool,
}

impl SqliteOptions {
    /// The file at `path` with two seconds a step, two readers, and migrations run.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), timeout: Duration::from_secs(2), readers: 2, migrate: true }
    }

    fn check(&self) -> Result<(), OpenError> {
        if self.timeout.is_zero() {
            return Err(OpenError::Option("the timeout of a store must be more than zero"));
        }
        if !(1..=64).contains(&self.readers) {
            return Err(OpenError::Option("a store needs 1 to 64 readers"));
        }
        Ok(())
    }
}

/// Sessions and accounts in one SQLite file.
///
/// What a step acknowledged is on the disk: it survives `kill -9` and a power cut. Any number of
/// stores, in this process and others, may have the same file open. A caller that is dropped
/// before its answer came leaves its step to be done or not, as one whose connection broke.
/// Dropping the store waits for the steps it has taken and leaves one file, its log folded in.
pub struct SqliteStore {
    place: Place,
    // In the order of their end: whoever closes last folds the log into the file, and a reader may
    // not.
    readers: Readers,
    writer: Writer,
}

/// Opening is one at a time in this process. Closing any descriptor of a file drops all of its
/// POSIX locks this process holds, so the file must not be made here while SQLite opens it there;
/// and of two connections that switch a new file to the write-ahead log, one fails.
static OPENING: Mutex<()> = Mutex::new(());

impl SqliteStore {
    /// Opens the store, and makes and migrates its file if need be. Blocks for as long as that
    /// takes; needs no runtime.
    ///
    /// # Errors
    /// [`OpenError`], whose text tells an operator what to do.
    pub fn open(options: SqliteOptions) -> Result<Self, OpenError> {
        options.check()?;
        let _alone = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        let place = Place::new(options.path, options.timeout)?;
        file::prepare(place.path(), options.migrate)?;
        let writing = connection::open(&place, options.migrate)?;
        let readers = Readers::start(&place, options.readers)?;
        let writer = Writer::start(&place, writing)?;
        Ok(Self { place, readers, writer })
    }

    /// The file, as an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.place.path()
    }

    /// How much has been written since the store was opened.
    #[must_use]
    pub fn write_counts(&self) -> WriteCounts {
        self.writer.counts()
    }

    /// Runs `step` in the writer's transaction. `Err` from it undoes what it did.
    async fn write<T: Send + 'static>(
        &self,
        step: impl FnMut(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.run(self.place.timeout(), step).await
    }

    /// Runs `question` on a reader.
    async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.run(self.place.timeout(), question).await
    }

    /// Whether the file answers and the writer is there.
    async fn answers(&self) -> Result<(), StoreError> {
        if self.writer.is_gone() {
            return Err(Failure::Stopped.before_commit());
        }
        self.read(statements::look).await
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.place.path()).finish_non_exhaustive()
    }
}
