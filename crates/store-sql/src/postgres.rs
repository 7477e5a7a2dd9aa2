//! PostgreSQL, and what speaks its protocol: a pool of connections, and each step one statement
//! that commits by itself.
//!
//! diesel's `get_result` takes the first row and looks no further, so it would acknowledge a step
//! before its commit, and never learn that the commit failed. Whatever changes something is
//! therefore read to the end, with `load` or `execute`.

mod accounts;
mod address;
mod connection;
mod dial;
mod facts;
mod failure;
mod migrate;
mod probe;
mod release;
mod sessions;
mod wire;

use std::fmt;
use std::time::Duration;

use aquaware_core::store::StoreError;

use self::address::Plan;
use self::connection::PgLink;
use crate::error::OpenError;
use crate::server::{Access, Pool, Running, check};

/// How to open a PostgreSQL store.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database?sslmode=…`, parts percent-encoded where need
    /// be.
    ///
    /// The parameters are libpq's: `sslmode` (`disable`, `prefer` as the default, `require`,
    /// `verify-ca`, `verify-full`), `sslrootcert` (a file, used whatever the mode short of
    /// `disable`; the system's authorities without it or with `system`), `target_session_attrs`, `options`, `application_name`, several hosts.
    pub url: String,
    /// How many connections there may be: 1 to 1024. Each is a process there; more than 16 rarely
    /// gain.
    pub pool_size: usize,
    /// How long a step may take, waiting for a connection included. At least 10 ms.
    pub timeout: Duration,
    /// Whether to bring the tables up to date. Without it, a database that needs that is an error.
    pub migrate: bool,
}

impl PostgresOptions {
    /// The server at `url` with sixteen connections, two seconds a step, and migrations run.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        let timeout = Duration::from_secs(2);
        Self { url: url.into(), pool_size: 16, timeout, migrate: true }
    }
}

impl fmt::Debug for PostgresOptions {
    /// Without the URL, which holds the password.
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
/// What a step acknowledged is as safe as the server's settings make it:
/// [`facts`](Self::facts) tells. Any number of stores, here and elsewhere, may share a database.
/// A step runs on the store's own threads and ends within the timeout, whether its caller waits
/// for it or not. [`purge`](aquaware_core::store::SessionStore::purge) is many steps, and each of
/// them ends so. Dropping the store waits for nothing.
pub struct PostgresStore {
    pool: Pool<PgLink>,
    /// What it is called where somebody may read it.
    name: String,
}

impl PostgresStore {
    /// Opens the store, and makes and migrates its tables if need be. Blocks for as long as that
    /// takes; may be called inside a runtime or without one.
    ///
    /// # Errors
    /// [`OpenError`], whose text tells an operator what to do.
    pub fn open(options: PostgresOptions) -> Result<Self, OpenError> {
        check(options.pool_size, options.timeout)?;
        let plan = Plan::of(&options.url, options.timeout)?;
        let name = plan.to_string();
        let pool =
            Pool::new("aquaware-postgres", plan.clone(), options.pool_size, options.timeout)?;
        pool.wait(migrate::check(plan, options.migrate))
            .unwrap_or(Err(crate::error::Failure::Panicked.into()))
            .map_err(|why| OpenError::Server { server: name.clone(), why })?;
        Ok(Self { pool, name })
    }

    async fn write<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        input: I,
        step: Running<PgLink, I, T>,
    ) -> Result<T, StoreError> {
        self.pool.run(Access::Write, input, step).await
    }

    async fn read<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        input: I,
        step: Running<PgLink, I, T>,
    ) -> Result<T, StoreError> {
        self.pool.run(Access::Read, input, step).await
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("name", &self.name).finish_non_exhaustive()
    }
}
