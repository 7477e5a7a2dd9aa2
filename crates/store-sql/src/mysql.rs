//! MySQL and MariaDB: a pool of connections, and each step one statement, or a short transaction
//! around one.
//!
//! Neither gives the rows that an `UPDATE` changed. So a step on one session is `BEGIN`, the
//! conditional `UPDATE`, the row as it is then, `COMMIT`: the row's lock is held from the change to
//! the commit, and what is read is what the step left and nothing later. It is four messages where
//! one procedure call would do; but a procedure is code that lives in the database, needs a right
//! to be made, and stands between two releases. `BEGIN` earns its keep: when it fails, nothing has
//! happened yet, and the step goes to another connection.
//!
//! How many rows a change "affected" counts rows found or rows changed, by a flag of the
//! connection. No statement here can tell: where its condition holds, it changes something.

mod accounts;
mod address;
mod connection;
mod facts;
mod failure;
mod migrate;
mod release;
mod sessions;

use std::fmt;
use std::time::Duration;

use aquaware_core::store::StoreError;

use self::address::Plan;
use self::connection::MysqlLink;
use crate::error::{Failure, OpenError};
use crate::server::{Access, Pool, Running, check};

/// How to open a MySQL or MariaDB store.
#[derive(Clone)]
pub struct MysqlOptions {
    /// `mysql://user:password@host:port/database?ssl-mode=…`, parts percent-encoded where need be.
    ///
    /// `ssl-mode` is `DISABLED`, `PREFERRED` (the default), `REQUIRED`, `VERIFY_CA` or
    /// `VERIFY_IDENTITY`, and `ssl-ca` a file; the system's authorities count without it. The
    /// driver checks the server's name whenever it checks its authority, with `VERIFY_CA` too. An
    /// `ssl-ca` is used whatever the mode, short of `DISABLED`.
    pub url: String,
    /// How many connections there may be: 1 to 1024. Each is a thread there.
    pub pool_size: usize,
    /// How long a step may take, waiting for a connection included. At least 10 ms; the server's
    /// own patience has whole seconds.
    pub timeout: Duration,
    /// Whether to bring the tables up to date. Without it, a database that needs that is an error.
    pub migrate: bool,
}

impl MysqlOptions {
    /// The server at `url` with sixteen connections, two seconds a step, and migrations run.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        let timeout = Duration::from_secs(2);
        Self { url: url.into(), pool_size: 16, timeout, migrate: true }
    }
}

impl fmt::Debug for MysqlOptions {
    /// Without the URL, which holds the password.
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
/// What a step acknowledged is as safe as the server's settings make it:
/// [`facts`](Self::facts) tells. Any number of stores, here and elsewhere, may share a database.
/// A step runs on the store's own threads and ends within the timeout, whether its caller waits
/// for it or not. [`purge`](aquaware_core::store::SessionStore::purge) is many steps, and each of
/// them ends so. Dropping the store waits for nothing.
pub struct MysqlStore {
    pool: Pool<MysqlLink>,
    /// What it is called where somebody may read it.
    name: String,
}

impl MysqlStore {
    /// Opens the store, and makes and migrates its tables if need be. Blocks for as long as that
    /// takes; may be called inside a runtime or without one.
    ///
    /// # Errors
    /// [`OpenError`], whose text tells an operator what to do.
    pub fn open(options: MysqlOptions) -> Result<Self, OpenError> {
        check(options.pool_size, options.timeout)?;
        let plan = Plan::of(&options.url, options.timeout)?;
        let name = plan.to_string();
        let pool = Pool::new("aquaware-mysql", plan.clone(), options.pool_size, options.timeout)?;
        pool.wait(migrate::check(plan, options.migrate))
            .unwrap_or(Err(Failure::Panicked.into()))
            .map_err(|why| OpenError::Server { server: name.clone(), why })?;
        Ok(Self { pool, name })
    }

    async fn write<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        input: I,
        step: Running<MysqlLink, I, T>,
    ) -> Result<T, StoreError> {
        self.pool.run(Access::Write, input, step).await
    }

    async fn read<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        input: I,
        step: Running<MysqlLink, I, T>,
    ) -> Result<T, StoreError> {
        self.pool.run(Access::Read, input, step).await
    }
}

impl fmt::Debug for MysqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MysqlStore").field("name", &self.name).finish_non_exhaustive()
    }
}
