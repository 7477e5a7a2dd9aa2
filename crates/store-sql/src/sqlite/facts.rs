//! What an SQLite file says of itself.

use std::time::Instant;

use aquaware_core::store::{Setting, StoreError, StoreFacts};
use diesel::prelude::*;
use diesel::sql_types::{Integer, Text};

use super::SqliteStore;
use super::failure::asked;

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = Text)]
    version: String,
}

#[derive(QueryableByName)]
struct Synchronous {
    #[diesel(sql_type = Integer)]
    synchronous: i32,
}

#[derive(QueryableByName)]
struct JournalMode {
    #[diesel(sql_type = Text)]
    journal_mode: String,
}

impl SqliteStore {
    /// What the engine and the file are like, by the connection that writes.
    ///
    /// # Errors
    /// As any step's.
    pub async fn facts(&self) -> Result<StoreFacts, StoreError> {
        self.write(ask).await
    }
}

fn ask(connection: &mut SqliteConnection) -> Result<StoreFacts, StoreError> {
    let start = Instant::now();
    let version: Version =
        asked(diesel::sql_query("SELECT sqlite_version() AS version").get_result(connection))?;
    let round_trip = start.elapsed();
    let synchronous: Synchronous =
        asked(diesel::sql_query("PRAGMA synchronous").get_result(connection))?;
    let journal: JournalMode =
        asked(diesel::sql_query("PRAGMA journal_mode").get_result(connection))?;
    let level = match synchronous.synchronous {
        0 => "off",
        1 => "normal",
        2 => "full",
        _ => "extra",
    };
    Ok(StoreFacts {
        engine: "SQLite",
        version: version.version,
        // An open store is.
        migrated: true,
        read_only: false,
        encrypted: None,
        durability: vec![
            Setting::new("synchronous", level.to_owned(), &["full", "extra"]),
            Setting::new("journal_mode", journal.journal_mode, &["wal"]),
        ],
        clock: None,
        round_trip,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SqliteOptions;

    #[test]
    fn an_open_store_says_that_it_is_durable() {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(SqliteOptions::new(directory.path().join("a.db"))).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let facts = runtime.block_on(store.facts()).unwrap();
        assert!(facts.migrated && facts.version.starts_with("3."), "{facts:?}");
        let told: Vec<_> = facts.durability.iter().map(|it| (it.name, it.value.as_str())).collect();
        assert_eq!(told, [("synchronous", "full"), ("journal_mode", "wal")]);
        assert!(facts.durability.iter().all(|it| it.durable));
    }
}
