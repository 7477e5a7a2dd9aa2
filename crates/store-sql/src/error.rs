//! Why a store cannot be opened, and why a statement failed.
//!
//! No text here contains a statement, a value or anything else from a record: causes are logged, and
//! more people read the logs than the database.

use std::fmt;
use std::io;
use std::path::PathBuf;

use aquaware_core::store::StoreError;
use thiserror::Error;

/// Why a store cannot be opened. The text names the remedy.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// An option is out of range.
    #[error("{0}")]
    InvalidOption(&'static str),
    /// The engine cannot open such a path.
    #[error("the path {} {what}", path.display())]
    InvalidPath {
        /// The path as given.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The path names something other than a file, for example a directory.
    #[error("{} is not a file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The file or its directory cannot be read and written.
    #[error("{} and its directory must be readable and writable for this user", path.display())]
    PermissionDenied {
        /// The file.
        path: PathBuf,
    },
    /// The file exists, but it is not a database or it is damaged.
    #[error(
        "{} is not an SQLite database, or is damaged: correct the path, or restore a backup",
        path.display()
    )]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file does not exist, and the options do not allow to create it.
    #[error(
        "there is no database {}: correct the path, or create the database with `aquaware store \
         migrate` or by starting the server",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file does not exist, but the write-ahead log beside it does.
    #[error(
        "the database {path} is missing, but its log {path}-wal exists and may contain sessions and \
         accounts: put the database back, or move the log away to start with an empty database",
        path = path.display()
    )]
    LogWithoutDatabase {
        /// The file.
        path: PathBuf,
    },
    /// The tables are missing or older than this program, and migrations are disabled.
    #[error("{} is not migrated: run `aquaware store migrate`", path.display())]
    NotMigrated {
        /// The file.
        path: PathBuf,
    },
    /// The tables are newer than this program.
    #[error(
        "{} was migrated by a newer version of this program (migration {version}): run that version",
        path.display()
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// The first migration that this program does not know.
        version: String,
    },
    /// The file system has no shared memory, which the write-ahead log requires; most network file
    /// systems do not.
    #[error(
        "{} is on a file system without write-ahead logging: move it to a local disk",
        path.display()
    )]
    NoWriteAheadLog {
        /// The file.
        path: PathBuf,
    },
    /// The engine rejected the file.
    #[error("failed to open {}", path.display())]
    Engine {
        /// The file.
        path: PathBuf,
        /// The engine's reason.
        #[source]
        source: SqlError,
    },
    /// The operating system rejected the file.
    #[error("failed to open {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The URL is invalid or incomplete.
    #[error("the URL of the store {0}")]
    InvalidUrl(String),
    /// The trusted certificates cannot be loaded.
    #[error("failed to load the certificates of {origin}: {what}")]
    Certificates {
        /// The file, or the system.
        origin: String,
        /// What is wrong with them.
        what: &'static str,
    },
    /// The operating system cannot start another thread.
    #[error("failed to start the threads of the store")]
    Threads(#[source] io::Error),
    /// A database server cannot be used.
    #[error("{server} {reason}")]
    Server {
        /// The server, without user name and password.
        server: String,
        /// The reason, and the remedy.
        reason: ServerError,
    },
}

impl From<OpenError> for aquaware_core::Error {
    fn from(error: OpenError) -> Self {
        Self::Adapter(error.into())
    }
}

/// Why a database server cannot be used. The text follows the server's name and names the remedy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The connection failed.
    #[error("cannot be reached ({0}): check that it is running and accepts connections from here")]
    Unreachable(io::ErrorKind),
    /// The server did not respond in time.
    #[error("did not respond within the timeout: check its load, and firewalls on the way")]
    Timeout,
    /// The user or the password is wrong, or the user may not connect from this host.
    #[error("rejected the user name or password: check both in the store's URL")]
    Authentication,
    /// The database does not exist, or is closed to this user.
    #[error("has no such database that this user may use: create it, or correct the URL")]
    UnknownDatabase,
    /// The server accepts no changes.
    #[error("is read-only, as a replica or by its settings: give the URL of the primary")]
    ReadOnly,
    /// The tables are missing or older than this program, and migrations are disabled.
    #[error("is not migrated: run `aquaware store migrate`")]
    NotMigrated,
    /// The tables are newer than this program.
    #[error(
        "was migrated by a newer version of this program (migration {version}): run that version"
    )]
    NewerSchema {
        /// The first migration that this program does not know.
        version: String,
    },
    /// The user lacks a privilege.
    #[error(
        "does not allow this user to create or use the tables: grant the privileges, or run \
         `aquaware store migrate` as another user"
    )]
    PermissionDenied,
    /// The database cannot store every text.
    #[error("stores text in an encoding other than UTF-8: create a database with UTF-8")]
    Encoding,
    /// The server's connections are used up.
    #[error("has no connection left: raise its max_connections, or lower pool_size here")]
    TooManyConnections,
    /// A connection pooler in front of the server allows no transactions.
    #[error(
        "is behind a connection pooler that allows no transactions: set its pool_mode to \
         `transaction` or `session`, or connect to the server directly"
    )]
    StatementPooling,
    /// A connection pooler rejected a parameter of the URL.
    #[error(
        "or a connection pooler in front of it rejected a parameter of the connection: remove \
         `options` from the store's URL, and set what it contains in the database instead"
    )]
    StartupParameter,
    /// TLS cannot be used with the server.
    #[error("cannot be used with TLS: {0}")]
    Tls(&'static str),
    /// Any other reason.
    #[error("cannot be used: {0}")]
    Other(SqlError),
}

impl From<SqlError> for ServerError {
    fn from(error: SqlError) -> Self {
        match error {
            SqlError::Connect(kind) => Self::Unreachable(kind),
            SqlError::ConnectionLost => Self::Unreachable(io::ErrorKind::ConnectionReset),
            SqlError::Timeout | SqlError::NoConnection | SqlError::StatementTimeout => {
                Self::Timeout
            }
            SqlError::Authentication => Self::Authentication,
            SqlError::UnknownDatabase => Self::UnknownDatabase,
            SqlError::ServerReadOnly => Self::ReadOnly,
            SqlError::NotMigrated => Self::NotMigrated,
            SqlError::PermissionDenied => Self::PermissionDenied,
            SqlError::TooManyConnections => Self::TooManyConnections,
            SqlError::StatementPooling => Self::StatementPooling,
            SqlError::StartupParameter => Self::StartupParameter,
            SqlError::Tls(what) => Self::Tls(what),
            other => Self::Other(other),
        }
    }
}

/// Why an operation failed: the cause inside a [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SqlError {
    /// Another connection has held a lock for longer than the timeout.
    #[error("another connection kept the database locked")]
    Locked,
    /// Reading or writing failed.
    #[error("the disk reported an error: check it, and the system log")]
    Io,
    /// The disk or the quota is full.
    #[error("the disk or the quota is full: free space on the database's file system")]
    DiskFull,
    /// The file cannot be written.
    #[error("the database is read-only: check owner, mode and mount of the file and its directory")]
    ReadOnly,
    /// The database is damaged.
    #[error("the database is damaged: stop the server and restore a backup")]
    Damaged,
    /// The file is not a database.
    #[error("the file is not a database: check the path")]
    NotADatabase,
    /// The file, or the log beside it, cannot be opened.
    #[error("failed to open the database file or its log: check their owner and mode")]
    CannotOpen,
    /// A table or column of this program is missing.
    #[error("a table or column is missing: run `aquaware store migrate`")]
    NotMigrated,
    /// The engine could not allocate memory.
    #[error("the database is out of memory")]
    OutOfMemory,
    /// The queue of operations, or a limit of the server, is exhausted.
    #[error("too many operations are waiting: the database is too slow for this load")]
    QueueFull,
    /// The operation was sent, and no response arrived within the timeout.
    #[error("no response within the timeout")]
    Timeout,
    /// The store's thread has ended.
    #[error("the store has stopped")]
    Stopped,
    /// An operation panicked and was rolled back.
    #[error("a store operation panicked; this is a bug")]
    Panicked,
    /// No connection to the server can be opened.
    #[error("failed to connect to the server ({0}): check that it is running, and its address")]
    Connect(io::ErrorKind),
    /// Neither an idle nor a new connection was available within the timeout.
    #[error(
        "no connection to the server within the timeout: it does not respond, or pool_size is too \
         small"
    )]
    NoConnection,
    /// The connection was lost before the response.
    #[error("the connection to the server was lost")]
    ConnectionLost,
    /// The user or the password is wrong, or the user may not connect from this host.
    #[error("the server rejected the user name or password: check the store's URL")]
    Authentication,
    /// The database does not exist, or is closed to this user.
    #[error("the server has no such database that this user may use: check the store's URL")]
    UnknownDatabase,
    /// The user lacks a privilege.
    #[error("the server does not allow this user to use the tables: grant the privileges")]
    PermissionDenied,
    /// The server's connections are used up.
    #[error("the server has no connection left: raise its max_connections or lower pool_size")]
    TooManyConnections,
    /// The server is starting or shutting down.
    #[error("the server is starting or shutting down")]
    ShuttingDown,
    /// The server rolled the operation back because of a concurrent one.
    #[error("the operation conflicted with a concurrent one")]
    Conflict,
    /// The server cancelled the statement because it took too long.
    #[error("the server cancelled the statement because it took too long")]
    StatementTimeout,
    /// The server accepts no changes.
    #[error("the server is read-only, as a replica or by its settings: use the primary's URL")]
    ServerReadOnly,
    /// A connection pooler in front of the server allows no transactions.
    #[error("a connection pooler allows no transactions: set its pool_mode to `transaction`")]
    StatementPooling,
    /// A connection pooler rejected a parameter of the URL.
    #[error("a connection pooler rejected a parameter of the connection: remove it from the URL")]
    StartupParameter,
    /// TLS cannot be used with the server.
    #[error("TLS with the server failed: {0}")]
    Tls(&'static str),
    /// A row with the same unique key exists.
    #[error("a unique key is taken")]
    DuplicateKey,
    /// Any other error that the server identified by its SQLSTATE.
    #[error("the server reported an error (SQLSTATE {0})")]
    Other(SqlState),
    /// An error that this crate does not expect.
    #[error("unexpected: {0}")]
    Unexpected(&'static str),
}

/// A file of an open SQLite database is not where it was opened.
#[cfg(feature = "sqlite")]
#[derive(Debug, Error)]
#[error(
    "{} was moved, replaced or deleted while it was in use: put it back, or restart the server",
    .0.display()
)]
pub(crate) struct FileMovedError(pub(crate) PathBuf);

/// An SQLSTATE: the standard code of an error.
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

impl SqlError {
    /// The error of an operation that did not happen: it failed before its commit and was rolled
    /// back.
    pub(crate) fn before_commit(self) -> StoreError {
        if self.is_transient() {
            StoreError::Unreachable(Box::new(self))
        } else {
            StoreError::Rejected(Box::new(self))
        }
    }

    /// The error of an operation after a failed commit.
    ///
    /// When the disk fails during a commit, the whole transaction may be in the log, and a restart
    /// would apply it.
    #[cfg(feature = "sqlite")]
    pub(crate) fn in_commit(self) -> StoreError {
        match self {
            Self::Io | Self::OutOfMemory | Self::Unexpected(_) => self.after_sending(),
            _ => self.before_commit(),
        }
    }

    /// The error of an operation that may have happened, or may still happen.
    pub(crate) fn after_sending(self) -> StoreError {
        StoreError::UnknownOutcome(Box::new(self))
    }

    /// Whether the same operation may succeed soon.
    const fn is_transient(self) -> bool {
        match self {
            Self::Locked
            | Self::Io
            | Self::CannotOpen
            | Self::OutOfMemory
            | Self::QueueFull
            | Self::Timeout
            | Self::Stopped
            | Self::Connect(_)
            | Self::NoConnection
            | Self::ConnectionLost
            | Self::TooManyConnections
            | Self::ShuttingDown
            | Self::Conflict
            | Self::StatementTimeout => true,
            Self::DiskFull
            | Self::ReadOnly
            | Self::Damaged
            | Self::NotADatabase
            | Self::NotMigrated
            | Self::Panicked
            | Self::Authentication
            | Self::UnknownDatabase
            | Self::PermissionDenied
            | Self::ServerReadOnly
            | Self::StatementPooling
            | Self::StartupParameter
            | Self::Tls(_)
            | Self::DuplicateKey
            | Self::Other(_)
            | Self::Unexpected(_) => false,
        }
    }
}

/// An error that diesel itself raised: the engine did not report one.
pub(crate) fn diesel_error(error: &diesel::result::Error) -> SqlError {
    use diesel::result::Error;

    SqlError::Unexpected(match error {
        Error::NotFound => "a row is missing",
        Error::DeserializationError(_) => "a value has another type",
        Error::SerializationError(_) => "a value does not fit its column",
        Error::InvalidCString(_) => "a statement contains a NUL",
        Error::QueryBuilderError(_) => "a statement cannot be built",
        _ => "a transaction is out of order",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_that_may_pass_are_transient() {
        for error in [SqlError::Locked, SqlError::Io, SqlError::QueueFull, SqlError::Timeout] {
            assert!(error.before_commit().is_transient(), "{error}");
            assert!(!error.before_commit().is_unknown(), "{error}");
        }
        for error in
            [SqlError::DiskFull, SqlError::ReadOnly, SqlError::Damaged, SqlError::NotMigrated]
        {
            assert!(!error.before_commit().is_transient(), "{error}");
        }
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn a_commit_during_which_the_disk_failed_may_have_happened() {
        assert!(SqlError::Io.in_commit().is_unknown());
        assert!(!SqlError::Locked.in_commit().is_unknown());
        assert!(!SqlError::DiskFull.in_commit().is_unknown());
        assert!(!SqlError::Damaged.in_commit().is_transient());
    }
}
