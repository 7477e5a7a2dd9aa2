//! The connection pool. An operation runs on one connection within its deadline; it is retried on
//! another only when the first one provably never executed it.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aquaware_core::store::StoreError;
use deadpool::managed::{Manager, Metrics, Object, PoolError, RecycleError, RecycleResult};
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::connection::Connection;
use super::error::{Access, StatementError};
use super::runtime::StoreRuntime;
use crate::error::{OpenError, SqlError};

/// Connections idle for longer than this are pinged before use. Busy connections are never pinged.
const MAX_IDLE: Duration = Duration::from_millis(500);
/// Maximum number of retries after the server rolled an operation back because of a concurrent one.
const MAX_CONFLICTS: u32 = 8;
/// The pause before the first of them, doubled each time: operations that conflicted and are retried
/// at once conflict again.
const CONFLICT_PAUSE: Duration = Duration::from_millis(1);

/// An operation on a connection with its input. It is a plain function, so that it can be run again
/// on another connection, and captures nothing.
pub(crate) type Operation<C, I, T> =
    for<'a> fn(&'a mut C, &'a I) -> BoxFuture<'a, Result<T, StatementError>>;

/// A pool of connections, and the runtime they live on.
pub(crate) struct Pool<C: Connection> {
    runtime: StoreRuntime,
    shared: Arc<Shared<C>>,
}

struct Shared<C: Connection> {
    connections: deadpool::managed::Pool<ConnectionManager<C>>,
    timeout: Duration,
}

impl<C: Connection> Pool<C> {
    /// A pool of up to `size` connections on threads named `name`. Does not connect yet.
    pub(crate) fn new(
        name: &'static str,
        config: C::Config,
        size: usize,
        timeout: Duration,
    ) -> Result<Self, OpenError> {
        let runtime = StoreRuntime::start(name).map_err(OpenError::Threads)?;
        let connections = deadpool::managed::Pool::builder(ConnectionManager { config })
            .max_size(size)
            .build()
            // It needs a runtime only for its timeouts, and has none.
            .map_err(|_| OpenError::InvalidOption("the connection pool cannot be created"))?;
        Ok(Self { runtime, shared: Arc::new(Shared { connections, timeout }) })
    }

    /// Runs `work` on the pool's runtime and blocks the caller's thread. `None` if it panicked.
    pub(crate) fn block_on<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        self.runtime.block_on(work)
    }

    /// Runs `operation` with `input`.
    pub(crate) async fn run<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        access: Access,
        input: I,
        operation: Operation<C, I, T>,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        let work = async move { shared.run(access, &input, operation).await };
        let Some(handle) = self.runtime.spawn(work) else {
            return Err(SqlError::Stopped.before_commit());
        };
        handle.await.unwrap_or_else(|error| {
            let error = if error.is_panic() { SqlError::Panicked } else { SqlError::Stopped };
            Err(StatementError::unknown(error).into_store_error(access))
        })
    }
}

impl<C: Connection> Shared<C> {
    async fn run<I, T>(
        &self,
        access: Access,
        input: &I,
        operation: Operation<C, I, T>,
    ) -> Result<T, StoreError> {
        let deadline = Instant::now() + self.timeout;
        let (mut fresh, mut conflicts) = (false, 0);
        loop {
            let connection = match timeout_at(deadline, self.connection(fresh)).await {
                Ok(connection) => connection.map_err(|error| error.into_store_error(access))?,
                Err(_) => return Err(SqlError::NoConnection.before_commit()),
            };
            let error = match run_once(connection, deadline, input, operation).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if error.allows_new_connection(access) && !fresh {
                fresh = true;
                continue;
            }
            let next = Instant::now() + CONFLICT_PAUSE * 2_u32.pow(conflicts);
            if !error.is_conflict() || conflicts == MAX_CONFLICTS || next >= deadline {
                return Err(error.into_store_error(access));
            }
            conflicts += 1;
            sleep_until(next).await;
        }
    }

    /// A connection; a new one if `fresh`, because whatever broke one idle connection has usually
    /// broken the others too.
    async fn connection(
        &self,
        fresh: bool,
    ) -> Result<Object<ConnectionManager<C>>, StatementError> {
        loop {
            let connection = self.connections.get().await.map_err(|error| match error {
                PoolError::Backend(error) => StatementError::not_sent(error.sql_error()),
                _ => StatementError::not_sent(SqlError::NoConnection),
            })?;
            if !fresh || Object::metrics(&connection).recycle_count == 0 {
                return Ok(connection);
            }
            drop(Object::take(connection));
        }
    }
}

async fn run_once<C: Connection, I, T>(
    mut connection: Object<ConnectionManager<C>>,
    deadline: Instant,
    input: &I,
    operation: Operation<C, I, T>,
) -> Result<T, StatementError> {
    connection.begin_operation();
    let error = match timeout_at(deadline, operation(&mut connection, input)).await {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error,
        Err(_) if connection.has_sent() => StatementError::unknown(SqlError::Timeout),
        // Not retried, although nothing was sent: the time is used up.
        Err(_) => StatementError::rolled_back(SqlError::Timeout),
    };
    if !error.keeps_connection() || matches!(error.sql_error(), SqlError::Timeout) {
        let mut connection = Object::take(connection);
        connection.abandon();
    }
    Err(error)
}

/// Opens connections for the pool, and checks them before they are used again.
struct ConnectionManager<C: Connection> {
    config: C::Config,
}

impl<C: Connection> Manager for ConnectionManager<C> {
    type Type = C;
    type Error = StatementError;

    async fn create(&self) -> Result<C, StatementError> {
        C::connect(&self.config).await
    }

    async fn recycle(
        &self,
        connection: &mut C,
        metrics: &Metrics,
    ) -> RecycleResult<StatementError> {
        if connection.is_closed().await {
            return Err(RecycleError::message("closed"));
        }
        if metrics.last_used() > MAX_IDLE {
            connection.ping().await?;
        }
        Ok(())
    }
}

impl<C: Connection> fmt::Debug for ConnectionManager<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionManager").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
