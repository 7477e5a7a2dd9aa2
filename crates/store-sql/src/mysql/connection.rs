//! A connection to MySQL or MariaDB. It is opened here and not by diesel, which does not use TLS and
//! reports less about why a connection failed.

use std::fmt;
use std::time::Duration;

use diesel::result::{ConnectionError, Error as DieselError};
use diesel_async::AsyncMysqlConnection;
use mysql_async::Conn;

use super::address::MysqlConfig;
use super::error::{NO_TLS, connect_error, statement_error};
use crate::error::SqlError;
use crate::server::{Access, Connection, SqlConnection, StatementError, TlsMode};

/// A connection to MySQL or MariaDB.
pub struct MysqlConnection {
    connection: AsyncMysqlConnection,
    /// Whether a statement that can change something may have been sent.
    has_sent: bool,
    encrypted: bool,
}

impl MysqlConnection {
    pub(super) const fn is_encrypted(&self) -> bool {
        self.encrypted
    }
}

impl fmt::Debug for MysqlConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MysqlConnection")
            .field("encrypted", &self.encrypted)
            .finish_non_exhaustive()
    }
}

impl Connection for MysqlConnection {
    type Config = MysqlConfig;

    async fn connect(config: &MysqlConfig) -> Result<Self, StatementError> {
        connect_to(config).await.map_err(StatementError::not_sent)
    }

    async fn is_closed(&mut self) -> bool {
        // The driver reads nothing while the connection is idle, and does not expose its socket.
        false
    }

    async fn ping(&mut self) -> Result<(), StatementError> {
        self.run_script("DO 0").await
    }

    fn begin_operation(&mut self) {
        self.has_sent = false;
    }

    fn has_sent(&self) -> bool {
        self.has_sent
    }

    fn abandon(&mut self) {}
}

impl SqlConnection for MysqlConnection {
    type Raw = AsyncMysqlConnection;

    fn raw(&mut self, access: Access) -> &mut AsyncMysqlConnection {
        self.has_sent |= access == Access::Write;
        &mut self.connection
    }

    fn classify(&self, error: &DieselError) -> StatementError {
        statement_error(error, self.has_sent)
    }
}

async fn connect_to(config: &MysqlConfig) -> Result<MysqlConnection, SqlError> {
    let (driver, encrypted) = match Conn::new(config.options.clone()).await {
        Ok(driver) => (driver, config.mode != TlsMode::Off),
        Err(error) => match connect_error(&error) {
            SqlError::Tls(NO_TLS) if config.mode == TlsMode::Prefer => {
                let driver = Conn::new(config.without_tls.clone()).await;
                (driver.map_err(|error| connect_error(&error))?, false)
            }
            error => return Err(error),
        },
    };
    let connection = AsyncMysqlConnection::try_from(driver).await.map_err(|error| match error {
        ConnectionError::CouldntSetupConfiguration(error) => {
            statement_error(&error, false).sql_error()
        }
        _ => SqlError::ConnectionLost,
    })?;
    let mut connection = MysqlConnection { connection, has_sent: false, encrypted };
    connection.run_script(&settings(config.timeout)).await.map_err(|error| error.sql_error())?;
    Ok(connection)
}

/// The server gives up before the caller does where it can, and no statement outlives this
/// connection. Errors are in English, because they are recognised by their text. A value that does
/// not fit is an error instead of being cut. Read committed is enough: the second of two updates
/// must see what the first one changed, and no lock covers more than the rows that are changed.
fn settings(timeout: Duration) -> String {
    let patience = timeout.mul_f64(0.75);
    let (seconds, whole) = (patience.as_secs_f64(), patience.as_secs().max(1));
    let idle = timeout.as_secs().max(1) * 2;
    let millis = patience.as_millis();
    // Only MariaDB executes the first comment, and only MySQL the second.
    format!(
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;
         SET SESSION autocommit = 1, lc_messages = 'en_US',
             sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',
             innodb_lock_wait_timeout = {whole}, lock_wait_timeout = {whole}
             /*M!100300 , max_statement_time = {seconds:.3}, idle_transaction_timeout = {idle} */
             /*!50708 , max_execution_time = {millis} */"
    )
}
