//! What a PostgreSQL server says of itself.

use aquaware_core::store::StoreError;
use aquaware_core::time::Timestamp;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel_async::RunQueryDsl;
use tokio::time::Instant;

use super::PostgresStore;
use super::connection::PgLink;
use super::migrate::is_current;
use crate::error::Failure;
use crate::facts::{Setting, StoreFacts};
use crate::server::Trouble;

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
    /// What the server and the tables are like.
    ///
    /// # Errors
    /// As any step's.
    pub async fn facts(&self) -> Result<StoreFacts, StoreError> {
        self.read((), |link, ()| Box::pin(ask(link))).await
    }
}

async fn ask(link: &mut PgLink) -> Result<StoreFacts, Trouble> {
    let migrated = is_current(link).await?;
    let question = diesel::sql_query(
        "SELECT current_setting('server_version') AS version, \
         current_setting('transaction_read_only') = 'on' AS read_only, \
         current_setting('synchronous_commit') AS synchronous_commit, \
         current_setting('fsync') AS fsync, \
         current_setting('full_page_writes') AS full_page_writes, \
         (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS clock",
    );
    let start = Instant::now();
    let answer = question.load::<Server>(&mut link.connection).await;
    let round_trip = start.elapsed();
    let missing = Trouble::undone(Failure::Unexpected("a missing row"));
    let server = link.asked(answer)?.pop().ok_or(missing)?;
    Ok(StoreFacts {
        engine: "PostgreSQL",
        version: server.version,
        migrated,
        read_only: server.read_only,
        encrypted: Some(link.is_encrypted()),
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
