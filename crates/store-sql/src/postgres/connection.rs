//! A connection to PostgreSQL. It is opened here and not by diesel, which neither uses TLS nor
//! reports why a connection failed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use diesel::connection::CacheSize;
use diesel::result::{ConnectionError, Error as DieselError};
use diesel_async::{AsyncConnection as _, AsyncPgConnection};
use tokio::task::{JoinHandle, yield_now};
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::address::{HostAddress, PostgresConfig};
use super::error::{connect_error, statement_error};
use super::probe::{Probe, SocketState};
use super::transport::{NoTls, Transport, open_transport};
use super::wire::{ObservedStream, WireState};
use crate::error::SqlError;
use crate::server::{Access, Connection, SqlConnection, StatementError};

/// How often the driver may run to read what has arrived on an idle connection: the end of the last
/// response, or a notice. A connection that receives more than that is not idle.
const MAX_YIELDS: usize = 16;

/// A connection to PostgreSQL.
pub struct PostgresConnection {
    connection: AsyncPgConnection,
    wire: Arc<WireState>,
    driver: JoinHandle<()>,
    probe: Probe,
    encrypted: bool,
    /// If a pooler is in between, the statement that begins a transaction.
    pooled: Option<String>,
}

impl PostgresConnection {
    pub(super) const fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Whether a connection pooler such as PgBouncer is between this program and the server.
    pub(super) const fn is_pooled(&self) -> bool {
        self.pooled.is_some()
    }

    /// Begins a transaction around the next statement if a pooler is in between; returns whether it
    /// did. A pooler may give each transaction another connection to the server, so only what is in
    /// one transaction has the same settings and knows the same prepared statements.
    async fn begin_if_pooled(&mut self) -> Result<bool, StatementError> {
        let Some(begin) = self.pooled.clone().filter(|_| !self.wire.is_in_transaction()) else {
            return Ok(false);
        };
        self.wire.set_harmless(true);
        let begun = self.run_script(&begin).await;
        self.wire.set_harmless(false);
        begun.map_err(|error| StatementError::not_sent(error.sql_error()))?;
        Ok(true)
    }
}

impl fmt::Debug for PostgresConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConnection")
            .field("encrypted", &self.encrypted)
            .finish_non_exhaustive()
    }
}

impl Connection for PostgresConnection {
    type Config = PostgresConfig;

    /// Like libpq: tries the hosts in order and uses the first one that works.
    async fn connect(config: &PostgresConfig) -> Result<Self, StatementError> {
        let mut last = SqlError::NoConnection;
        for host in &config.hosts {
            match connect_to(config, host).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        Err(StatementError::not_sent(last))
    }

    /// Looks at the socket too: the driver learns of a closed connection only when its task runs,
    /// and a statement sent before that has an unknown outcome.
    async fn is_closed(&mut self) -> bool {
        if self.wire.is_in_transaction() {
            return true;
        }
        for _ in 0..MAX_YIELDS {
            match self.probe.state() {
                SocketState::Quiet => return self.driver.is_finished(),
                SocketState::Closed => return true,
                SocketState::Unread => yield_now().await,
            }
        }
        true
    }

    async fn ping(&mut self) -> Result<(), StatementError> {
        // `is_closed` already detects a closed connection.
        Ok(())
    }

    fn begin_operation(&mut self) {
        self.wire.begin();
    }

    fn has_sent(&self) -> bool {
        self.wire.has_sent()
    }

    fn abandon(&mut self) {
        // Otherwise the driver waits for responses that may never come.
        self.driver.abort();
    }
}

impl SqlConnection for PostgresConnection {
    type Raw = AsyncPgConnection;

    fn raw(&mut self, _: Access) -> &mut AsyncPgConnection {
        &mut self.connection
    }

    fn classify(&self, error: &DieselError) -> StatementError {
        statement_error(error, &self.wire)
    }

    async fn begin_statement(&mut self) -> Result<bool, StatementError> {
        self.begin_if_pooled().await
    }

    async fn end_statement(
        &mut self,
        error: Option<&StatementError>,
    ) -> Result<(), StatementError> {
        if error.is_none() {
            return self.run_script("COMMIT").await;
        }
        // If it fails, `is_closed` discards the connection.
        let _ = self.run_script("ROLLBACK").await;
        Ok(())
    }
}

async fn connect_to(
    config: &PostgresConfig,
    host: &HostAddress,
) -> Result<PostgresConnection, SqlError> {
    let wire = Arc::new(WireState::default());
    let Transport { stream, probe, encrypted } =
        open_transport(host, &config.tls, config.timeout).await?;
    let observed = ObservedStream::new(stream, Arc::clone(&wire));
    let (client, connection) =
        config.driver.connect_raw(observed, NoTls).await.map_err(|error| connect_error(&error))?;
    let driver = tokio::spawn(async move {
        // An error here is reported to every caller that waits for a response.
        let _ = connection.await;
    });
    if config.driver.get_target_session_attrs() == TargetSessionAttrs::ReadWrite {
        check_writable(&client).await?;
    }
    let is_pooled = is_pooled(&client, &wire).await?;
    if is_pooled {
        // diesel prepares statements while it sets up the connection.
        begin(&client).await?;
    }
    let connection = AsyncPgConnection::try_from(client).await.map_err(|error| match error {
        ConnectionError::CouldntSetupConfiguration(error) => {
            statement_error(&error, &wire).sql_error()
        }
        _ => SqlError::ConnectionLost,
    })?;
    let pooled = is_pooled.then(|| begin_with_settings(config.timeout));
    let mut connection = PostgresConnection { connection, wire, driver, probe, encrypted, pooled };
    if is_pooled {
        // Each transaction prepares what it needs, and leaves nothing for others to collide with.
        connection.connection.set_prepared_statement_cache_size(CacheSize::Disabled);
    }
    let last = if is_pooled { "COMMIT".to_owned() } else { settings(config.timeout) };
    connection.run_script(&last).await.map_err(|error| error.sql_error())?;
    Ok(connection)
}

/// Whether the process that executes statements is another one than the server named when the
/// connection began: a pooler names none or an invented one.
async fn is_pooled(client: &Client, wire: &WireState) -> Result<bool, SqlError> {
    let messages = client
        .simple_query("SELECT pg_backend_pid()")
        .await
        .map_err(|error| connect_error(&error))?;
    let process = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
        _ => None,
    });
    Ok(process != wire.process())
}

/// Begins a transaction, which a pooler in statement mode does not allow.
async fn begin(client: &Client) -> Result<(), SqlError> {
    client.batch_execute("BEGIN").await.map_err(|error| match connect_error(&error) {
        SqlError::ConnectionLost => SqlError::StatementPooling,
        other => other,
    })
}

async fn check_writable(client: &Client) -> Result<(), SqlError> {
    let messages = client
        .simple_query("SHOW transaction_read_only")
        .await
        .map_err(|error| connect_error(&error))?;
    let is_off = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => row.get(0) == Some("off"),
        _ => false,
    };
    if messages.iter().any(is_off) { Ok(()) } else { Err(SqlError::ServerReadOnly) }
}

/// The server gives up before the caller does. An operation that took too long is then known to have
/// changed nothing, and no statement outlives this connection. Read committed is enough: each
/// operation is one statement, and the second of two must see what the first one changed.
fn settings(timeout: Duration) -> String {
    let [statement, idle] = limits(timeout);
    format!(
        "SET statement_timeout = {statement};
         SET lock_timeout = {statement};
         SET idle_in_transaction_session_timeout = {idle};
         SET default_transaction_isolation = 'read committed'"
    )
}

/// The same for one transaction: other programs may use the connection after it.
fn begin_with_settings(timeout: Duration) -> String {
    let [statement, idle] = limits(timeout);
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED;
         SET LOCAL statement_timeout = {statement};
         SET LOCAL lock_timeout = {statement};
         SET LOCAL idle_in_transaction_session_timeout = {idle}"
    )
}

/// The milliseconds after which the server gives up a statement, and an idle transaction.
fn limits(timeout: Duration) -> [u128; 2] {
    let millis = timeout.as_millis();
    [millis.saturating_mul(3) / 4, millis]
}
