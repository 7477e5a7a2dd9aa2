//! The conformance suite of all stores.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aquaware_core::id::{SessionId, Subject};
use aquaware_store_sql::{SqliteOptions, SqliteStore};
use aquaware_store_testkit::{Harness, conformance};
use async_trait::async_trait;
use diesel::sql_types::{Binary, Text};
use diesel::{Connection as _, RunQueryDsl as _, SqliteConnection};
use tempfile::TempDir;

/// Stores in the files of one directory.
struct Files {
    directory: TempDir,
    made: AtomicU32,
}

impl Files {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), made: AtomicU32::new(0) }
    }
}

fn open(path: impl Into<std::path::PathBuf>) -> SqliteStore {
    let mut options = SqliteOptions::new(path);
    options.timeout = Duration::from_secs(60);
    SqliteStore::open(options).unwrap()
}

fn connect(store: &SqliteStore) -> SqliteConnection {
    let mut connection = SqliteConnection::establish(store.path().to_str().unwrap()).unwrap();
    diesel::sql_query("PRAGMA busy_timeout = 60000").execute(&mut connection).unwrap();
    connection
}

#[async_trait]
impl Harness for Files {
    type Store = SqliteStore;

    async fn fresh(&self) -> SqliteStore {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        open(self.directory.path().join(format!("{number}.db")))
    }

    async fn replica(&self, store: &SqliteStore) -> Option<SqliteStore> {
        Some(open(store.path()))
    }

    async fn reopen(&self, store: SqliteStore) -> Option<SqliteStore> {
        let path = store.path().to_owned();
        drop(store);
        Some(open(path))
    }

    async fn corrupt_session(&self, store: &SqliteStore, id: &SessionId) -> bool {
        diesel::sql_query("UPDATE sessions SET generation = 0 WHERE id = ?")
            .bind::<Binary, _>(id.as_bytes().as_slice())
            .execute(&mut connect(store))
            .is_ok_and(|rows| rows == 1)
    }

    async fn corrupt_account(&self, store: &SqliteStore, id: &Subject) -> bool {
        diesel::sql_query("UPDATE accounts SET claims = '[]' WHERE id = ?")
            .bind::<Text, _>(id.as_str())
            .execute(&mut connect(store))
            .is_ok_and(|rows| rows == 1)
    }
}

conformance!(Files::new());

mod outbox {
    use super::Files;

    aquaware_store_testkit::outbox_conformance!(Files::new());
}
