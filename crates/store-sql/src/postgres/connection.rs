//! A connection to PostgreSQL. It is opened here and not by diesel, which neither uses TLS nor
//! reports why a connection failed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use diesel::result::{ConnectionError, Error as DieselError};
use diesel_async::AsyncPgConnection;
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
}

impl PostgresConnection {
    pub(super) const fn is_encrypted(&self) -> bool {
        self.encrypted
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
    let connection = AsyncPgConnection::try_from(client).await.map_err(|error| match error {
        ConnectionError::CouldntSetupConfiguration(error) => {
            statement_error(&error, &wire).sql_error()
        }
        _ => SqlError::ConnectionLost,
    })?;
    let mut connection = PostgresConnection { connection, wire, driver, probe, encrypted };
    connection.run_script(&settings(config.timeout)).await.map_err(|error| error.sql_error())?;
    Ok(connection)
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
    let millis = timeout.as_millis();
    let statement = millis.saturating_mul(3) / 4;
    format!(
        "SET statement_timeout = {statement};
         SET lock_timeout = {statement};
         SET idle_in_transaction_session_timeout = {millis};
         SET default_transaction_isolation = 'read committed'"
    )
}
