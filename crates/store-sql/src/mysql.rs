//! MySQL and MariaDB. Each operation is one statement, or a short transaction around one.
//!
//! Neither engine returns the rows that an `UPDATE` changed. An update of one session is therefore
//! `BEGIN`, the conditional `UPDATE`, a read of the row, `COMMIT`: the row is locked from the change
//! to the commit, so the read sees what this update left. A stored procedure would need one message
//! instead of four, but it is code inside the database, requires a privilege to create, and has to
//! match two releases during an upgrade. `BEGIN` is useful too: if it fails, nothing has been
//! changed, and the operation moves to another connection.
//!
//! Whether an engine counts rows found or rows changed depends on a flag of the connection. No
//! statement here depends on it: where its condition holds, it changes a value.

mod address;
mod connection;
mod engine;
mod error;
mod facts;
mod migrate;

use std::fmt;
use std::time::Duration;

use self::address::MysqlConfig;
use self::connection::MysqlConnection;
use crate::error::OpenError;
use crate::server::ServerStore;

/// How to open a MySQL or MariaDB store.
#[derive(Clone)]
#[non_exhaustive]
pub struct MysqlOptions {
    /// `mysql://user:password@host:port/database?ssl-mode=…`, with reserved characters
    /// percent-encoded.
    ///
    /// `ssl-mode` is `DISABLED`, `PREFERRED` (the default), `REQUIRED`, `VERIFY_CA` or
    /// `VERIFY_IDENTITY`. `ssl-ca` is a file, used with every mode except `DISABLED`; without it the
    /// system's authorities are trusted. Where the driver verifies the authority, it also verifies
    /// the server's name, with `VERIFY_CA` too.
    pub url: String,
    /// Maximum number of connections: 1 to 1024. Each is a thread on the server.
    pub pool_size: usize,
    /// Maximum duration of an operation, including the wait for a connection. At least 10 ms; the
    /// server's own timeouts have whole seconds.
    pub timeout: Duration,
    /// Whether to migrate the tables. Without it, a database that needs migrations is an error.
    pub migrate: bool,
}

impl MysqlOptions {
    /// The database at `url`, with sixteen connections, a timeout of two seconds, and migrations.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        let timeout = Duration::from_secs(2);
        Self { url: url.into(), pool_size: 16, timeout, migrate: true }
    }
}

impl fmt::Debug for MysqlOptions {
    /// Without the URL, which contains the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MysqlOptions")
            .field("pool_size", &self.pool_size)
            .field("timeout", &self.timeout)
            .field("migrate", &self.migrate)
            .finish_non_exhaustive()
    }
}

/// Sessions and accounts in a MySQL or MariaDB database.
///
/// Any number of stores, in this process and in others, may share a database. An operation runs on
/// the store's own threads and ends within the timeout, even if its caller is dropped. What was
/// acknowledged is as durable as the server's settings make it; `facts` reports them.
pub type MysqlStore = ServerStore<MysqlConnection>;

impl MysqlStore {
    /// Opens the store, and creates or migrates its tables if necessary. Blocks until that is done;
    /// works with and without a runtime around the caller.
    ///
    /// # Errors
    /// [`OpenError`]; its text names the remedy.
    pub fn open(options: MysqlOptions) -> Result<Self, OpenError> {
        let MysqlOptions { url, pool_size, timeout, migrate } = options;
        let config = MysqlConfig::parse(&url, timeout)?;
        Self::open_with("aquaware-mysql", config, pool_size, timeout, migrate)
    }
}
