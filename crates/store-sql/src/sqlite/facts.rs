//! The facts about an SQLite file.

use std::time::Instant;

use aquaware_core::store::{Setting, StoreError, StoreFacts};
use diesel::prelude::*;
use diesel::sql_types::{Integer, Text};

use super::SqliteStore;
use super::error::store_result;

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
    /// The facts about the engine and the file, from the connection that writes.
    ///
    /// # Errors
    /// [`StoreError`] as from any write.
    pub async fn facts(&self) -> Result<StoreFacts, StoreError> {
        self.write(query_facts).await
    }
}

fn query_facts(connection: &mut SqliteConnection) -> Result<StoreFacts, StoreError> {
    let start = Instant::now();
    let version: Version = store_result(
        diesel::sql_query("SELECT sqlite_version() AS version").get_result(connection),
    )?;
    let round_trip = start.elapsed();
    let synchronous: Synchronous =
        store_result(diesel::sql_query("PRAGMA synchronous").get_result(connection))?;
    let journal: JournalMode =
        store_result(diesel::sql_query("PRAGMA journal_mode").get_result(connection))?;
    let level = match synchronous.synchronous {
        0 => "off",
        1 => "normal",
        2 => "full",
        _ => "extra",
    };
    Ok(StoreFacts {
        engine: "SQLite",
        version: version.version,
        // Otherwise the store would not have opened.
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
    fn an_open_store_reports_durable_settings() {
        let directory = tempfile::tempdir().unwrap();
        let mut options = SqliteOptions::new(directory.path().join("a.db"));
        options.timeout = std::time::Duration::from_secs(60);
        let store = SqliteStore::open(options).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let facts = runtime.block_on(store.facts()).unwrap();
        assert!(facts.migrated && facts.version.starts_with("3."), "{facts:?}");
        let settings: Vec<_> =
            facts.durability.iter().map(|it| (it.name, it.value.as_str())).collect();
        assert_eq!(settings, [("synchronous", "full"), ("journal_mode", "wal")]);
        assert!(facts.durability.iter().all(|it| it.durable));
    }
}
