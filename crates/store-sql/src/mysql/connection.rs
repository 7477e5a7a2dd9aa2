//! A connection to MySQL or MariaDB: made here and not by diesel, which speaks no TLS and says
//! less of what went wrong.

use std::time::Duration;

use diesel::QueryResult;
use diesel::result::ConnectionError;
use diesel_async::{
    AnsiTransactionManager, AsyncMysqlConnection, SimpleAsyncConnection as _,
    TransactionManager as _,
};
use mysql_async::Conn;

use super::address::Plan;
use super::failure::{NO_TLS, of_connecting, trouble};
use crate::error::Failure;
use crate::server::{Link, Security, Trouble};

/// A connection, and how far the step on it has come.
pub(super) struct MysqlLink {
    pub(super) connection: AsyncMysqlConnection,
    /// Whether a statement that can change something may have left.
    has_sent: bool,
    encrypted: bool,
}

impl MysqlLink {
    /// What a query came to.
    pub(super) fn asked<T>(&self, result: QueryResult<T>) -> Result<T, Trouble> {
        result.map_err(|error| trouble(&error, self.has_sent))
    }

    /// The connection, for a statement that changes something.
    pub(super) fn changing(&mut self) -> &mut AsyncMysqlConnection {
        self.has_sent = true;
        &mut self.connection
    }

    /// Whether nobody on the way can read along.
    pub(super) const fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Begins a transaction. Until it has begun, nothing can have happened.
    pub(super) async fn begin_transaction(&mut self) -> Result<(), Trouble> {
        let begun = AnsiTransactionManager::begin_transaction(&mut self.connection).await;
        self.asked(begun)
    }

    /// Ends the transaction: with a commit if `result` is good, and as if it had never been if
    /// not.
    pub(super) async fn end_transaction<T>(
        &mut self,
        result: Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        match result {
            Ok(value) => {
                let done = AnsiTransactionManager::commit_transaction(&mut self.connection).await;
                self.asked(done)?;
                Ok(value)
            }
            Err(trouble) if trouble.spares_the_link() => {
                let undone =
                    AnsiTransactionManager::rollback_transaction(&mut self.connection).await;
                self.asked(undone)?;
                Err(trouble)
            }
            // The transaction goes with its connection.
            Err(trouble) => Err(trouble),
        }
    }

    /// Carries out statements that give nothing.
    pub(super) async fn execute(&mut self, sql: &str) -> Result<(), Trouble> {
        let done = self.connection.batch_execute(sql).await;
        self.asked(done)
    }
}

impl Link for MysqlLink {
    type Plan = Plan;

    async fn connect(plan: &Plan) -> Result<Self, Trouble> {
        reach(plan).await.map_err(Trouble::unsent)
    }

    async fn is_closed(&mut self) -> bool {
        // The driver reads nothing while the connection is idle, and keeps its socket to itself.
        false
    }

    async fn check(&mut self) -> Result<(), Trouble> {
        self.execute("DO 0").await
    }

    fn begin(&mut self) {
        self.has_sent = false;
    }

    fn has_sent(&self) -> bool {
        self.has_sent
    }

    fn abandon(&mut self) {}
}

async fn reach(plan: &Plan) -> Result<MysqlLink, Failure> {
    let (raw, encrypted) = match Conn::new(plan.options.clone()).await {
        Ok(raw) => (raw, plan.security != Security::Off),
        Err(error) => match of_connecting(&error) {
            Failure::Tls(NO_TLS) if plan.security == Security::Prefer => {
                let raw = Conn::new(plan.in_clear.clone()).await;
                (raw.map_err(|error| of_connecting(&error))?, false)
            }
            failure => return Err(failure),
        },
    };
    let connection = AsyncMysqlConnection::try_from(raw).await.map_err(|error| match error {
        ConnectionError::CouldntSetupConfiguration(error) => trouble(&error, false).failure(),
        _ => Failure::Broken,
    })?;
    let mut link = MysqlLink { connection, has_sent: false, encrypted };
    link.execute(&settings(plan.timeout)).await.map_err(|trouble| trouble.failure())?;
    Ok(link)
}

/// The server gives up before the caller does where it can, and nothing lingers there when this
/// side is gone. Errors are in English, to be known by their text. What doesn't fit is an error
/// and not cut. The isolation is the weakest that commits: whoever is second must see what the
/// first left, and no lock reaches past the rows that are changed.
fn settings(timeout: Duration) -> String {
    let patience = timeout.mul_f64(0.75);
    let (seconds, whole) = (patience.as_secs_f64(), patience.as_secs().max(1));
    let idle = timeout.as_secs().max(1) * 2;
    let millis = patience.as_millis();
    // The comments are carried out by MariaDB alone, and by MySQL alone.
    format!(
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;
         SET SESSION autocommit = 1, lc_messages = 'en_US',
             sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',
             innodb_lock_wait_timeout = {whole}, lock_wait_timeout = {whole}
             /*M!100300 , max_statement_time = {seconds:.3}, idle_transaction_timeout = {idle} */
             /*!50708 , max_execution_time = {millis} */"
    )
}
