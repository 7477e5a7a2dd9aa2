//! The conformance checks of the test kit, each on a separate SQLite file.

#![allow(clippy::unwrap_used, reason = "a harness that fails must panic")]

use aquaware_core::id::{SessionId, Subject};
use aquaware_store_testkit::{Harness, Settings, conformance};
use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use store_sqlx::SqlxStore;
use tempfile::TempDir;

#[derive(Default)]
struct Files(std::sync::Mutex<Vec<TempDir>>);

impl Files {
    fn path(&self) -> std::path::PathBuf {
        self.0.lock().unwrap().last().unwrap().path().join("aquaware.db")
    }

    async fn execute(&self, statement: &'static str, id: &str) -> bool {
        let options = SqliteConnectOptions::new().filename(self.path());
        let pool = SqlitePool::connect_with(options).await.unwrap();
        let done = sqlx::query(statement).bind(id).execute(&pool).await.unwrap();
        done.rows_affected() == 1
    }
}

#[async_trait]
impl Harness for Files {
    type Store = SqlxStore;

    async fn fresh(&self) -> SqlxStore {
        self.0.lock().unwrap().push(tempfile::tempdir().unwrap());
        SqlxStore::open(&self.path()).await.unwrap()
    }

    async fn replica(&self, _: &SqlxStore) -> Option<SqlxStore> {
        Some(SqlxStore::open(&self.path()).await.unwrap())
    }

    async fn reopen(&self, store: SqlxStore) -> Option<SqlxStore> {
        drop(store);
        Some(SqlxStore::open(&self.path()).await.unwrap())
    }

    async fn corrupt_session(&self, _: &SqlxStore, id: &SessionId) -> bool {
        let update = "UPDATE sessions SET record = json_set(record, '$.client', '?!') WHERE id = ?";
        self.execute(update, &id.to_string()).await
    }

    async fn corrupt_account(&self, _: &SqlxStore, id: &Subject) -> bool {
        let update = "UPDATE accounts SET record = json_set(record, '$.claims', '[]') WHERE id = ?";
        self.execute(update, id.as_str()).await
    }

    fn settings(&self) -> Settings {
        Settings { concurrency: 16, generations: 500, sequences: 16, ..Settings::default() }
    }
}

conformance!(Files::default());
