//! How opening a store fails, and what stands behind a step that failed.
//!
//! No text here holds a statement, a value or anything else from a record: causes go to logs, and
//! logs are read by more people than the database is.

use std::fmt;
use std::io;
use std::path::PathBuf;

use aquaware_core::store::StoreError;
use thiserror::Error;

/// Why a store can't be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// An option is out of its range.
    #[error("{0}")]
    Option(&'static str),
    /// The path can't be handed to the engine.
    #[error("the path {} {what}", path.display())]
    Path {
        /// The path as given.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// There is something else under that name, a directory for example.
    #[error("{} is not a file", path.display())]
    NotAFile {
        /// Where.
        path: PathBuf,
    },
    /// The file or its directory may not be read and written.
    #[error("{} and its directory must be readable and writable for this user", path.display())]
    NoPermission {
        /// Where.
        path: PathBuf,
    },
    /// The file is there but something other than a database, or damaged.
    #[error("{} is not an SQLite database, or a damaged one", path.display())]
    NotADatabase {
        /// Where.
        path: PathBuf,
    },
    /// The tables aren't there, or older than this program, and it was told to leave them.
    #[error("{} is not migrated: run `aquaware store migrate` first", path.display())]
    NotMigrated {
        /// Where.
        path: PathBuf,
    },
    /// The tables are newer than this program.
    #[error(
        "{} was migrated by a newer version of this program (step {version}): use that one",
        path.display()
    )]
    Newer {
        /// Where.
        path: PathBuf,
        /// The first step this program doesn't know.
        version: String,
    },
    /// The file system can't carry a write-ahead log: it has no shared memory, as most network
    /// file systems.
    #[error(
        "{} lies on a file system without write-ahead logging: use a local disk",
        path.display()
    )]
    NoWriteAheadLog {
        /// Where.
        path: PathBuf,
    },
    /// The engine said no.
    #[error("{} cannot be opened", path.display())]
    Engine {
        /// Where.
        path: PathBuf,
        /// What it said.
        #[source]
        source: Failure,
    },
    /// The operating system said no.
    #[error("{} cannot be opened", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// The URL says something that can't be, or doesn't say enough.
    #[error("the URL of the store {0}")]
    Url(String),
    /// Certificates to trust can't be had.
    #[error("the certificates of {place} cannot be used: {what}")]
    Certificates {
        /// Which.
        place: String,
        /// What is wrong with them.
        what: &'static str,
    },
    /// The operating system gives no thread.
    #[error("the store cannot start its threads")]
    Threads(#[source] io::Error),
    /// A server is not there, or not as it must be.
    #[error("{server} {why}")]
    Server {
        /// Which, without user name and password.
        server: String,
        /// What is wrong, and what to do.
        why: Refusal,
    },
}

/// Why a server can't be used, in words that follow its name and say what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No connection.
    #[error("can't be reached ({0}): is it running, and may this machine connect to it?")]
    Unreachable(io::ErrorKind),
    /// Silence.
    #[error("doesn't answer within the timeout: is it overloaded, or behind a firewall?")]
    Silent,
    /// A wrong name, a wrong password, or a user who may not come from here.
    #[error("refuses the user name or the password: check both in the store's URL")]
    Login,
    /// There is no such database.
    #[error("has no such database that this user may use: create it, or correct the URL")]
    NoDatabase,
    /// It can be read only.
    #[error("takes no changes, as a replica or by its settings: give the URL of the primary")]
    ReadOnly,
    /// The tables aren't there, or older than this program, and it was told to leave them.
    #[error("is not migrated: run `aquaware store migrate` first")]
    NotMigrated,
    /// The tables are newer than this program.
    #[error("was migrated by a newer version of this program (step {version}): use that one")]
    Newer {
        /// The first step this program doesn't know.
        version: String,
    },
    /// The user lacks a right.
    #[error(
        "doesn't let this user make or use the tables: grant it, or run \
         `aquaware store migrate` as another user"
    )]
    NotAllowed,
    /// It can't keep every text.
    #[error("keeps text in an encoding other than UTF-8: make a database that is in UTF-8")]
    Encoding,
    /// All of its connections are taken.
    #[error("has no connection left: raise its max_connections, or lower pool_size here")]
    Crowded,
    /// It can't be spoken to in private.
    #[error("can't be spoken to through TLS: {0}")]
    Tls(&'static str),
    /// Anything else.
    #[error("can't be used: {0}")]
    Other(Failure),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Connect(kind) => Self::Unreachable(kind),
            Failure::Broken => Self::Unreachable(io::ErrorKind::ConnectionReset),
            Failure::Elapsed | Failure::NoConnection | Failure::Slow => Self::Silent,
            Failure::Login => Self::Login,
            Failure::NoDatabase => Self::NoDatabase,
            Failure::Replica => Self::ReadOnly,
            Failure::NotMigrated => Self::NotMigrated,
            Failure::NotAllowed => Self::NotAllowed,
            Failure::TooMany => Self::Crowded,
            Failure::Tls(what) => Self::Tls(what),
            other => Self::Other(other),
        }
    }
}

/// What lies behind a failed step: the cause inside a [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Failure {
    /// Somebody else has held the database for longer than the timeout.
    #[error("another connection kept the database locked")]
    Busy,
    /// Reading or writing failed.
    #[error("the disk reported an error")]
    Io,
    /// No room.
    #[error("the disk or the quota is full: make room on the database's file system")]
    Full,
    /// The file may not be written.
    #[error("the database is read-only: check owner, mode and mount of the file and its directory")]
    ReadOnly,
    /// The file is damaged.
    #[error("the database file is damaged: stop the server and put back a copy")]
    Damaged,
    /// The file is something else.
    #[error("the file is not a database")]
    NotADatabase,
    /// The file, or the log beside it, can't be opened.
    #[error("the database file, or the log beside it, cannot be opened")]
    CannotOpen,
    /// The tables are not those of this program.
    #[error("a table or column is missing: run `aquaware store migrate`")]
    NotMigrated,
    /// The engine got no memory.
    #[error("the engine is out of memory")]
    NoMemory,
    /// More steps are waiting than the queue holds.
    #[error("too many steps are waiting")]
    Crowded,
    /// The step was handed over, and its answer hasn't come within the timeout.
    #[error("no answer within the timeout")]
    Elapsed,
    /// The thread that should have answered is gone.
    #[error("the store has stopped")]
    Stopped,
    /// A mistake of ours ended the step halfway; nothing of it remains.
    #[error("the step broke off by a mistake in this program")]
    Panicked,
    /// There is no way to the server.
    #[error("the server cannot be reached ({0}): is it running, and is its address right?")]
    Connect(io::ErrorKind),
    /// Neither an idle connection nor a new one.
    #[error(
        "no connection to the server within the timeout: it doesn't answer, or pool_size is too \
         small"
    )]
    NoConnection,
    /// The connection ended before the answer.
    #[error("the connection to the server broke")]
    Broken,
    /// A wrong name, a wrong password, or a user who may not come from here.
    #[error("the server refuses the user name or the password: check the store's URL")]
    Login,
    /// There is no such database.
    #[error("the server has no such database that this user may use: check the store's URL")]
    NoDatabase,
    /// The user lacks a right.
    #[error("the server doesn't let this user use the tables: grant it")]
    NotAllowed,
    /// The server has no connection for us.
    #[error("the server has no connection left: raise its max_connections or lower pool_size")]
    TooMany,
    /// The server is starting or stopping.
    #[error("the server is starting or shutting down")]
    ShuttingDown,
    /// Another step was in the way, and this one was undone.
    #[error("another transaction was in the way")]
    Conflict,
    /// The server itself gave up on the step.
    #[error("the server gave up: the step took too long there")]
    Slow,
    /// The server can be read only.
    #[error("the server takes no changes: it is a replica or read-only, give the primary's URL")]
    Replica,
    /// The server can't be spoken to in private.
    #[error("no TLS with the server: {0}")]
    Tls(&'static str),
    /// An error of the server that needs no telling apart, by its SQLSTATE.
    #[error("the server reported an error (SQLSTATE {0})")]
    State(SqlState),
    /// Anything else, by kind.
    #[error("unexpected: {0}")]
    Unexpected(&'static str),
}

/// The code of an error, as SQL has it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SqlState(pub [u8; 5]);

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqlState({self})")
    }
}

impl Failure {
    /// As the answer to a step that surely didn't happen: it failed before its commit, and was
    /// rolled back.
    pub(crate) fn before_commit(self) -> StoreError {
        if self.passes() {
            StoreError::Unreachable(Box::new(self))
        } else {
            StoreError::Rejected(Box::new(self))
        }
    }

    /// As the answer to a step whose commit failed.
    ///
    /// A commit that the disk failed may have left all of it in the log, for a restart to find.
    #[cfg(feature = "sqlite")]
    pub(crate) fn in_commit(self) -> StoreError {
        match self {
            Self::Io | Self::NoMemory | Self::Unexpected(_) => self.after_sending(),
            _ => self.before_commit(),
        }
    }

    /// As the answer to a step that may yet happen.
    pub(crate) fn after_sending(self) -> StoreError {
        StoreError::UnknownOutcome(Box::new(self))
    }

    /// Whether it may be gone soon.
    const fn passes(self) -> bool {
        match self {
            Self::Busy
            | Self::Io
            | Self::CannotOpen
            | Self::NoMemory
            | Self::Crowded
            | Self::Elapsed
            | Self::Stopped
            | Self::Connect(_)
            | Self::NoConnection
            | Self::Broken
            | Self::TooMany
            | Self::ShuttingDown
            | Self::Conflict
            | Self::Slow => true,
            Self::Full
            | Self::ReadOnly
            | Self::Damaged
            | Self::NotADatabase
            | Self::NotMigrated
            | Self::Panicked
            | Self::Login
            | Self::NoDatabase
            | Self::NotAllowed
            | Self::Replica
            | Self::Tls(_)
            | Self::State(_)
            | Self::Unexpected(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_transient_and_the_rest_is_not() {
        for failure in [Failure::Busy, Failure::Io, Failure::Crowded, Failure::Elapsed] {
            assert!(failure.before_commit().is_transient(), "{failure}");
            assert!(!failure.before_commit().is_unknown(), "{failure}");
        }
        for failure in [Failure::Full, Failure::ReadOnly, Failure::Damaged, Failure::NotMigrated] {
            assert!(!failure.before_commit().is_transient(), "{failure}");
        }
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn a_commit_that_the_disk_failed_may_have_happened() {
        assert!(Failure::Io.in_commit().is_unknown());
        assert!(!Failure::Busy.in_commit().is_unknown());
        assert!(!Failure::Full.in_commit().is_unknown());
        assert!(!Failure::Damaged.in_commit().is_transient());
    }
}
