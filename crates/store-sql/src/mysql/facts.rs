//! What a MySQL or MariaDB server reports about itself.

use aquaware_core::store::{Setting, StoreError, StoreFacts};
use aquaware_core::time::Timestamp;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use tokio::time::Instant;

use super::MysqlStore;
use super::connection::MysqlConnection;
use crate::error::SqlError;
use crate::server::{Access, SqlConnection as _, StatementError, is_migrated};

#[derive(QueryableByName)]
struct Server {
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(sql_type = BigInt)]
    read_only: i64,
    #[diesel(sql_type = Text)]
    flush: String,
    #[diesel(sql_type = BigInt)]
    has_log: i64,
    #[diesel(sql_type = Text)]
    sync_log: String,
    #[diesel(sql_type = BigInt)]
    clock: i64,
}

impl MysqlStore {
    /// The facts about the server and the tables.
    ///
    /// # Errors
    /// [`StoreError`] as from any read.
    pub async fn facts(&self) -> Result<StoreFacts, StoreError> {
        self.read((), |connection, ()| Box::pin(query_facts(connection))).await
    }
}

async fn query_facts(connection: &mut MysqlConnection) -> Result<StoreFacts, StatementError> {
    let migrated = is_migrated(connection).await?;
    let query = diesel::sql_query(
        "SELECT VERSION() AS version, CAST(@@global.read_only AS SIGNED) AS read_only, \
         CAST(@@global.innodb_flush_log_at_trx_commit AS CHAR) AS flush, \
         CAST(@@global.log_bin AS SIGNED) AS has_log, \
         CAST(@@global.sync_binlog AS CHAR) AS sync_log, \
         CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) AS clock",
    );
    let start = Instant::now();
    let mut rows: Vec<Server> = connection.load(Access::Read, query).await?;
    let round_trip = start.elapsed();
    let missing = StatementError::rolled_back(SqlError::Unexpected("a row is missing"));
    let server = rows.pop().ok_or(missing)?;
    let mut durability = vec![Setting::new("innodb_flush_log_at_trx_commit", server.flush, &["1"])];
    if server.has_log != 0 {
        // Without a binary log the setting has no effect.
        durability.push(Setting::new("sync_binlog", server.sync_log, &["1"]));
    }
    Ok(StoreFacts {
        engine: if server.version.contains("MariaDB") { "MariaDB" } else { "MySQL" },
        version: server.version,
        migrated,
        read_only: server.read_only != 0,
        encrypted: Some(connection.is_encrypted()),
        durability,
        clock: Some(Timestamp::from_millis(server.clock)),
        round_trip,
    })
}
