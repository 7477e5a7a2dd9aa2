//! What a MySQL or MariaDB server says of itself.

use aquaware_core::store::StoreError;
use aquaware_core::time::Timestamp;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use tokio::time::Instant;

use super::MysqlStore;
use super::connection::MysqlLink;
use super::migrate::is_current;
use crate::error::Failure;
use crate::facts::{Setting, StoreFacts};
use crate::server::Trouble;

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
    /// What the server and the tables are like.
    ///
    /// # Errors
    /// As any step's.
    pub async fn facts(&self) -> Result<StoreFacts, StoreError> {
        self.read((), |link, ()| Box::pin(ask(link))).await
    }
}

async fn ask(link: &mut MysqlLink) -> Result<StoreFacts, Trouble> {
    let migrated = is_current(link).await?;
    let question = diesel::sql_query(
        "SELECT VERSION() AS version, CAST(@@global.read_only AS SIGNED) AS read_only, \
         CAST(@@global.innodb_flush_log_at_trx_commit AS CHAR) AS flush, \
         CAST(@@global.log_bin AS SIGNED) AS has_log, \
         CAST(@@global.sync_binlog AS CHAR) AS sync_log, \
         CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) AS clock",
    );
    let start = Instant::now();
    let answer = question.load::<Server>(&mut link.connection).await;
    let round_trip = start.elapsed();
    let missing = Trouble::undone(Failure::Unexpected("a missing row"));
    let server = link.asked(answer)?.pop().ok_or(missing)?;
    let mut durability = vec![Setting::new("innodb_flush_log_at_trx_commit", server.flush, &["1"])];
    if server.has_log != 0 {
        // Without a binary log there is nothing to keep in step with.
        durability.push(Setting::new("sync_binlog", server.sync_log, &["1"]));
    }
    Ok(StoreFacts {
        engine: if server.version.contains("MariaDB") { "MariaDB" } else { "MySQL" },
        version: server.version,
        migrated,
        read_only: server.read_only != 0,
        encrypted: Some(link.is_encrypted()),
        durability,
        clock: Some(Timestamp::from_millis(server.clock)),
        round_trip,
    })
}
