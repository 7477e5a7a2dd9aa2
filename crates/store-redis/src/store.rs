//! The store: connecting, and the requests that both ports make.

use std::fmt;
use std::time::Duration;

use aquaware_core::store::{StoreError, StoreFacts};
use redis::{Cmd, Value};
use tokio::time::{Instant, timeout};

use crate::checks::{self, Mode};
use crate::connection::{RequestError, SharedConnection};
use crate::connector::Connector;
use crate::error::{ConnectError, RedisStoreError, Rejection};
use crate::keys::Keys;
use crate::options::{RedisOptions, Topology};
use crate::scripts::{self, LuaScript};

/// Sessions and accounts in Redis or Valkey. Cheap to clone; clones share one connection.
///
/// Every call of a port ends within the timeout of the options, including connecting. If a caller is
/// dropped before the response, its step may or may not be applied, as after a lost connection. A
/// write that may have been applied is never repeated, except for publishing a revocation, which is
/// idempotent.
#[derive(Clone)]
pub struct RedisStore {
    pub(crate) connection: SharedConnection,
    pub(crate) keys: Keys,
    timeout: Duration,
    tls: bool,
}

impl RedisStore {
    /// Connects, and checks that the server keeps what it acknowledges: version, role, eviction.
    ///
    /// Call it in a tokio runtime that lives as long as the store: the connection belongs to that
    /// runtime, even if the store is used in another one. With TLS, the process-wide provider of
    /// rustls is set to aws-lc-rs if none is set.
    ///
    /// # Errors
    /// [`ConnectError`], with the remedy in its text. [`ConnectError::is_configuration`] tells whether
    /// trying again can help.
    pub async fn connect(options: RedisOptions) -> Result<Self, ConnectError> {
        if options.timeout.is_zero() {
            return Err(ConnectError::Option("the timeout of a store must be more than zero"));
        }
        if options.tls && rustls::crypto::CryptoProvider::get_default().is_none() {
            // Fails only if another thread has set a provider in between.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        let connector = Connector::new(&options)?;
        // The checks take a few requests in addition to connecting.
        let limit = options.timeout * 3;
        let late = ConnectError::Unreachable(RedisStoreError::ConnectTimeout);
        timeout(limit, check(&connector, &options)).await.unwrap_or(Err(late))?;
        let RedisOptions { timeout, prefix, tls, .. } = options;
        let connection = SharedConnection::new(connector, timeout);
        let store = Self { connection, keys: Keys::new(prefix), timeout, tls };
        store.connection.get(store.deadline()).await.map_err(ConnectError::Unreachable)?;
        Ok(store)
    }

    /// Version, durability and clock of the server, or of the first master of a Cluster.
    ///
    /// # Errors
    /// [`ConnectError::Unreachable`] if the server does not answer.
    pub async fn facts(&self) -> Result<StoreFacts, ConnectError> {
        let connection = self.connection.get(self.deadline()).await;
        let connection = connection.map_err(ConnectError::Unreachable)?;
        let late = ConnectError::Unreachable(RedisStoreError::ConnectTimeout);
        timeout(self.timeout, checks::facts(&connection, self.tls)).await.unwrap_or(Err(late))
    }

    /// When a call that starts now must end.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// Runs a script on `key`.
    pub(crate) async fn run(
        &self,
        script: &LuaScript,
        key: &str,
        arguments: &[&[u8]],
        deadline: Instant,
    ) -> Result<Value, StoreError> {
        self.run_on(script, &[key], arguments, deadline).await
    }

    /// Runs a script on `keys`, which are on one node of a Cluster.
    pub(crate) async fn run_on(
        &self,
        script: &LuaScript,
        keys: &[&str],
        arguments: &[&[u8]],
        deadline: Instant,
    ) -> Result<Value, StoreError> {
        let first = self.connection.send(&script.by_hash(keys, arguments), deadline).await;
        let response = match first {
            Err(RequestError::Rejected(Rejection::UnknownScript)) => {
                self.connection.send(&script.by_text(keys, arguments), deadline).await
            }
            other => other,
        };
        response.map_err(|error| store_error(error, keys.first().copied().unwrap_or_default()))
    }

    /// Sends a single command on `key`.
    pub(crate) async fn send(
        &self,
        request: &Cmd,
        key: &str,
        deadline: Instant,
    ) -> Result<Value, StoreError> {
        self.connection.send(request, deadline).await.map_err(|error| store_error(error, key))
    }

    /// All fields of `key`.
    pub(crate) async fn fields(&self, key: &str, deadline: Instant) -> Result<Value, StoreError> {
        self.send(redis::cmd("HGETALL").arg(key), key, deadline).await
    }

    /// Whether the store responds and accepts writes.
    pub(crate) async fn check_writable(&self) -> Result<(), StoreError> {
        self.run(&scripts::WRITE_CHECK, &self.keys.write_check(), &[], self.deadline())
            .await
            .map(drop)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("keys", &self.keys).finish_non_exhaustive()
    }
}

fn store_error(error: RequestError, key: &str) -> StoreError {
    match error {
        RequestError::NotSent(error) | RequestError::Rejected(Rejection::Other(error)) => {
            error.not_applied()
        }
        RequestError::UnknownOutcome(error) => error.unknown_outcome(),
        RequestError::Rejected(Rejection::WrongType) => {
            StoreError::corrupt(key.escape_debug().to_string(), "the key has another type")
        }
        RequestError::Rejected(Rejection::UnknownScript) => {
            RedisStoreError::Unexpected("NOSCRIPT".to_owned()).not_applied()
        }
    }
}

/// The error for a response of a type that no script of this crate returns.
pub(crate) fn unexpected() -> StoreError {
    RedisStoreError::Unexpected("a response of another type".to_owned()).not_applied()
}

async fn check(connector: &Connector, options: &RedisOptions) -> Result<(), ConnectError> {
    let connect_error = |error| connect_error(error, options);
    let Connector::Cluster { seeds, .. } = connector else {
        let connection = connector.connect().await.map_err(connect_error)?;
        return checks::check(&connection, Mode::Single).await;
    };
    // The library does not report why connecting to a Cluster fails. Connecting to a seed does.
    let mut last = RedisStoreError::NoNode;
    for seed in seeds {
        match seed.connect().await {
            Ok(connection) => {
                checks::check_seed(&connection).await?;
                let connection = connector.connect().await.map_err(connect_error)?;
                return checks::check(&connection, Mode::Cluster).await;
            }
            Err(error) => last = error,
        }
    }
    Err(connect_error(last))
}

fn connect_error(error: RedisStoreError, options: &RedisOptions) -> ConnectError {
    match (error, &options.topology) {
        (RedisStoreError::LoginRejected, _) => ConnectError::LoginRejected,
        (RedisStoreError::NoDatabase, _) => ConnectError::NoDatabase(options.database),
        (RedisStoreError::Loading, _) => ConnectError::Loading,
        (RedisStoreError::UnknownMaster, Topology::Sentinel { master, .. }) => {
            ConnectError::UnknownMaster(master.clone())
        }
        (error, _) if error.is_transient() => ConnectError::Unreachable(error),
        (error, _) => ConnectError::Rejected(error),
    }
}
