//! Sample records, a store in a temporary directory, and a runtime like those of the server's workers.

use std::path::PathBuf;
use std::time::Duration;

use aquaware_core::claims::Scope;
use aquaware_core::id::Generation;
use aquaware_core::retry::Mark;
use aquaware_core::secret::PasswordHash;
use aquaware_core::session::{Device, EndReason, Ended, ExtraClaims, Session};
use aquaware_core::status::StatusIndex;
use aquaware_core::store::Outcome;
use aquaware_store_sql::{SqliteOptions, SqliteStore};
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use tempfile::TempDir;

pub(crate) use crate::records::*;

/// A store in a temporary directory.
pub(crate) struct TempStore {
    directory: TempDir,
}

impl TempStore {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("aquaware.db")
    }

    /// Options with a long timeout: the tests share their machine.
    pub(crate) fn options(&self) -> SqliteOptions {
        let mut options = SqliteOptions::new(self.path());
        options.timeout = Duration::from_secs(60);
        options
    }

    pub(crate) fn open(&self) -> SqliteStore {
        SqliteStore::open(self.options()).unwrap()
    }

    /// Another connection to the same file.
    pub(crate) fn connect(&self) -> SqliteConnection {
        SqliteConnection::establish(self.path().to_str().unwrap()).unwrap()
    }

    pub(crate) fn execute(&self, sql: &str) {
        self.connect().batch_execute(sql).unwrap();
    }

    /// The names of the files, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// Runs `future` on a single-threaded runtime that has only a timer.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

pub(crate) fn index(number: u32) -> StatusIndex {
    StatusIndex::from_number(number)
}

pub(crate) fn claims(json: &serde_json::Value) -> ExtraClaims {
    json.as_object().unwrap().clone()
}

/// A session with a value in every field.
pub(crate) fn full_session(number: u16) -> Session {
    Session {
        scope: Scope::parse("read write").unwrap(),
        claims: claims(&serde_json::json!({"roles": ["a\u{0}b", "\u{1F41F}"], "share": 0.1})),
        device: Device {
            name: Some("kitchen\u{0}tablet'; DROP TABLE sessions; --".to_owned()),
            ip: Some("2001:db8::1".to_owned()),
            user_agent: Some("\u{1F41F} \u{FFFD} \u{202E} e\u{301}".to_owned()),
        },
        generation: Generation::MAX,
        mark: Some(Mark::from_bytes([0; 16])),
        used_from: None,
        shown_use: None,
        ended: Some(Ended { at: at(-5), reason: EndReason::Reuse }),
        status: Some(index(u32::MAX - u32::from(number))),
        ..session(number)
    }
}

pub(crate) fn ended(millis: i64, reason: EndReason) -> Ended {
    Ended { at: at(millis), reason }
}

pub(crate) fn refused(outcome: Outcome) -> Session {
    match outcome {
        Outcome::Refused(session) => session,
        other => panic!("not refused: {other:?}"),
    }
}

pub(crate) fn hash(text: &str) -> PasswordHash {
    PasswordHash::new(text.to_owned())
}
