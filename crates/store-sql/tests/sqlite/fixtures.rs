//! Sample records, a store in a temporary directory, and a runtime like those of the server's workers.

use std::path::PathBuf;
use std::time::Duration;

use aquaware_core::account::{Account, Login};
use aquaware_core::claims::Scope;
use aquaware_core::id::{ClientId, Generation, SessionId, Subject};
use aquaware_core::retry::Mark;
use aquaware_core::secret::PasswordHash;
use aquaware_core::session::{Device, EndReason, Ended, ExtraClaims, Session};
use aquaware_core::status::StatusIndex;
use aquaware_core::store::{Advance, Outcome};
use aquaware_core::time::Timestamp;
use aquaware_store_sql::{SqliteOptions, SqliteStore};
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use tempfile::TempDir;

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

pub(crate) fn id(number: u16) -> SessionId {
    let mut bytes = [0xA5; 16];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    SessionId::from_bytes(bytes)
}

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(crate) fn generation(number: u64) -> Generation {
    Generation::new(number).unwrap()
}

pub(crate) fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

pub(crate) fn index(number: u32) -> StatusIndex {
    StatusIndex::from_number(number)
}

pub(crate) fn claims(json: &serde_json::Value) -> ExtraClaims {
    json.as_object().unwrap().clone()
}

/// A new session of ann.
pub(crate) fn session(number: u16) -> Session {
    Session {
        id: id(number),
        subject: subject("ann"),
        client: ClientId::new("web").unwrap(),
        scope: Scope::default(),
        claims: ExtraClaims::new(),
        device: Device::default(),
        created_at: at(1_000),
        ends_at: at(1_000_000),
        generation: Generation::FIRST,
        issued_at: at(1_000),
        expires_at: at(100_000),
        last_used_at: at(1_000),
        mark: None,
        used_from: None,
        shown_use: None,
        ended: None,
        status: None,
    }
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

/// The advance from `from` to the next generation at `millis`.
pub(crate) fn step(from: u64, millis: i64) -> Advance {
    Advance {
        from: generation(from),
        to: generation(from + 1),
        mark: Mark::from_bytes([u8::try_from(from % 256).unwrap(); 16]),
        issued_at: at(millis),
        expires_at: at(millis + 100_000),
        used_from: None,
        visible_before: at(millis),
    }
}

pub(crate) fn ended(millis: i64, reason: EndReason) -> Ended {
    Ended { at: at(millis), reason }
}

pub(crate) fn applied(outcome: Outcome) -> Session {
    match outcome {
        Outcome::Applied(session) => session,
        other => panic!("not applied: {other:?}"),
    }
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

pub(crate) fn account(name: &str) -> Account {
    let email = format!("{name}@Example.com");
    Account {
        id: subject(&format!("id-of-{name}")),
        login: Login::new(&email).unwrap(),
        email,
        password: hash("$argon2id$one"),
        first_name: None,
        last_name: None,
        created_at: at(1_000),
        disabled_at: None,
        claims: ExtraClaims::new(),
    }
}
