//! What a PostgreSQL server reports about itself.

use aquaware_core::store::{Setting, StoreError, StoreFacts};
use aquaware_core::time::Timestamp;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use tokio::time::Instant;

use super::PostgresStore;
use super::connection::PostgresConnection;
use crate::error::SqlError;
use crate::server::{Access, SqlConnection as _, StatementError, is_migrated};

#[derive(QueryableByName)]
struct Server {
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(sql_type = Bool)]
    read_only: bool,
    #[diesel(sql_type = Text)]
    synchronous_commit: String,
    #[diesel(sql_type = Text)]
    fsync: String,
    #[diesel(sql_type = Text)]
    full_page_writes: String,
    #[diesel(sql_type = BigInt)]
    clock: i64,
}

impl PostgresStore {
    /// The facts about the server and the tables.
    ///
    /// # Errors
    /// [`StoreError`] as from any read.
    pub async fn facts(&self) -> Result<StoreFacts, StoreError> {
        self.read((), |connection, ()| Box::pin(query_facts(connection))).await
    }
}

async fn query_facts(connection: &mut PostgresConnection) -> Result<StoreFacts, StatementError> {
    let migrated = is_migrated(connection).await?;
    let query = diesel::sql_query(
        "SELECT current_setting('server_version') AS version, \
         current_setting('transaction_read_only') = 'on' AS read_only, \
         current_setting('synchronous_commit') AS synchronous_commit, \
         current_setting('fsync') AS fsync, \
         current_setting('full_page_writes') AS full_page_writes, \
         (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS clock",
    );
    let start = Instant::now();
    let mut rows: Vec<Server> = connection.load(Access::Read, query).await?;
    let round_trip = start.elapsed();
    let missing = StatementError::rolled_back(SqlError::Unexpected("a row is missing"));
    let server = rows.pop().ok_or(missing)?;
    Ok(StoreFacts {
        engine: match connection.is_pooled() {
            true => "PostgreSQL through a connection pooler",
            false => "PostgreSQL",
        },
        version: server.version,
        migrated,
        read_only: server.read_only,
        encrypted: Some(connection.is_encrypted()),
        durability: vec![
            Setting::new(
                "synchronous_commit",
                server.synchronous_commit,
                &["on", "local", "remote_write", "remote_apply"],
            ),
            Setting::new("fsync", server.fsync, &["on"]),
            Setting::new("full_page_writes", server.full_page_writes, &["on"]),
        ],
        clock: Some(Timestamp::from_millis(server.clock)),
        round_trip,
    })
}
