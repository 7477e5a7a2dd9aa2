//! PostgreSQL, and databases that speak its protocol. Each operation is one statement, which commits
//! on its own.

mod address;
mod connection;
mod engine;
mod error;
mod facts;
mod migrate;
mod probe;
mod transport;
mod wire;

use std::fmt;
use std::time::Duration;

use self::address::PostgresConfig;
use self::connection::PostgresConnection;
use crate::error::OpenError;
use crate::server::ServerStore;

/// How to open a PostgreSQL store.
#[derive(Clone)]
#[non_exhaustive]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database?sslmode=…`, with reserved characters
    /// percent-encoded.
    ///
    /// The parameters are those of libpq: `sslmode` (`disable`, `prefer`, `require`, `verify-ca`,
    /// `verify-full`; the default is `prefer`), `sslrootcert` (a file, used with every mode except
    /// `disable`; without it, or with `system`, the system's authorities), `target_session_attrs`,
    /// `options`, `application_name`, and several hosts.
    pub url: String,
    /// Maximum number of connections: 1 to 1024. Each is a process on the server; more than 16
    /// rarely help.
    pub pool_size: usize,
    /// Maximum duration of an operation, including the wait for a connection. At least 10 ms.
    pub timeout: Duration,
    /// Whether to migrate the tables. Without it, a database that needs migrations is an error.
    pub migrate: bool,
}

impl PostgresOptions {
    /// The database at `url`, with sixteen connections, a timeout of two seconds, and migrations.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        let timeout = Duration::from_secs(2);
        Self { url: url.into(), pool_size: 16, timeout, migrate: true }
    }
}

impl fmt::Debug for PostgresOptions {
    /// Without the URL, which contains the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("pool_size", &self.pool_size)
            .field("timeout", &self.timeout)
            .field("migrate", &self.migrate)
            .finish_non_exhaustive()
    }
}

/// Sessions and accounts in a PostgreSQL database.
///
/// Any number of stores, in this process and in others, may share a database. An operation runs on
/// the store's own threads and ends within the timeout, even if its caller is dropped. What was
/// acknowledged is as durable as the server's settings make it; `facts` reports them.
pub type PostgresStore = ServerStore<PostgresConnection>;

impl PostgresStore {
    /// Opens the store, and creates or migrates its tables if necessary. Blocks until that is done;
    /// works with and without a runtime around the caller.
    ///
    /// # Errors
    /// [`OpenError`]; its text names the remedy.
    pub fn open(options: PostgresOptions) -> Result<Self, OpenError> {
        let PostgresOptions { url, pool_size, timeout, migrate } = options;
        let config = PostgresConfig::parse(&url, timeout)?;
        Self::open_with("aquaware-postgres", config, pool_size, timeout, migrate)
    }
}
