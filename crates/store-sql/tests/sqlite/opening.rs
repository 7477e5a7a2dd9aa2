//! Opening: the errors an operator sees, and the modes of the files.

use std::error::Error as _;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use aquaware_core::session::Session;
use aquaware_core::store::{AccountStore, SessionStore};
use aquaware_store_sql::{OpenError, SqliteOptions, SqliteStore};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::fixtures::{TempStore, account, full_session, id, run, session};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn open_error(options: SqliteOptions) -> OpenError {
    SqliteStore::open(options).unwrap_err()
}

fn with_migrate(temp: &TempStore, migrate: bool) -> SqliteOptions {
    let mut options = temp.options();
    options.migrate = migrate;
    options
}

#[test]
fn every_file_is_readable_by_its_owner_only() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async { store.insert(&session(1)).await.unwrap() });
    assert_eq!(temp.files(), ["aquaware.db", "aquaware.db-shm", "aquaware.db-wal"]);
    for name in temp.files() {
        assert_eq!(mode(&temp.path().with_file_name(&name)), 0o600, "{name}");
    }
}

/// Counts warnings.
struct Warnings(Arc<AtomicUsize>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn a_file_that_others_can_read_is_reported() {
    for (given, warned) in [(0o600, 0), (0o640, 1), (0o604, 1)] {
        let temp = TempStore::new();
        fs::OpenOptions::new().write(true).create_new(true).mode(given).open(temp.path()).unwrap();
        fs::set_permissions(temp.path(), fs::Permissions::from_mode(given)).unwrap();
        let warnings = Arc::new(AtomicUsize::new(0));
        // With a single subscriber, the first test that reaches a warning decides for all threads
        // whether it is enabled; a second subscriber prevents that.
        let _second = tracing::Dispatch::new(Warnings(Arc::default()));
        let store =
            tracing::subscriber::with_default(Warnings(Arc::clone(&warnings)), || temp.open());
        assert_eq!(warnings.load(Ordering::Relaxed), warned, "{given:o}");
        run(async { store.insert(&session(1)).await.unwrap() });
    }
}

#[test]
fn a_directory_is_not_a_database() {
    let temp = TempStore::new();
    fs::create_dir(temp.path()).unwrap();
    let error = open_error(temp.options());
    assert!(matches!(error, OpenError::NotAFile { .. }), "{error:?}");
    assert!(error.to_string().contains("aquaware.db"));
}

#[test]
fn a_file_of_another_kind_is_rejected_and_unchanged() {
    let temp = TempStore::new();
    let text = "my diary, which is much longer than the header of a database is. ".repeat(100);
    fs::write(temp.path(), &text).unwrap();
    let error = open_error(temp.options());
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error:?}");
    assert_eq!(fs::read_to_string(temp.path()).unwrap(), text);
}

#[test]
fn a_missing_directory_is_not_created() {
    let temp = TempStore::new();
    let path = temp.path().join("deeper.db");
    let error = open_error(SqliteOptions::new(&path));
    assert!(matches!(error, OpenError::Io { .. }), "{error:?}");
    assert!(error.source().is_some());
    assert!(!temp.path().exists());
}

#[test]
fn a_file_of_a_newer_version_is_rejected() {
    let temp = TempStore::new();
    drop(temp.open());
    temp.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')");
    for migrate in [true, false] {
        let error = open_error(with_migrate(&temp, migrate));
        let OpenError::NewerSchema { version, .. } = &error else { panic!("{error:?}") };
        assert_eq!(version, "99990101000000");
    }
}

#[test]
fn additive_migrations_of_a_newer_version_are_accepted() {
    let temp = TempStore::new();
    drop(temp.open());
    temp.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101500000')");
    drop(temp.open());
}

#[test]
fn without_migrations_an_old_file_is_rejected_and_unchanged() {
    let temp = TempStore::new();
    let options = with_migrate(&temp, false);
    let error = open_error(options.clone());
    assert!(matches!(error, OpenError::Missing { .. }), "{error:?}");
    assert!(error.to_string().contains("aquaware store migrate"), "{error}");
    assert!(temp.files().is_empty(), "nothing is created");

    fs::write(temp.path(), "").unwrap();
    let error = open_error(options.clone());
    assert!(matches!(error, OpenError::NotMigrated { .. }), "{error:?}");
    assert_eq!(fs::metadata(temp.path()).unwrap().len(), 0);
    assert_eq!(temp.files(), ["aquaware.db"]);

    drop(temp.open());
    let store = SqliteStore::open(options).unwrap();
    run(async { SessionStore::ping(&store).await.unwrap() });
}

#[test]
fn a_log_without_its_database_is_rejected() {
    let temp = TempStore::new();
    fs::write(temp.path().with_file_name("aquaware.db-wal"), "a log").unwrap();
    for migrate in [true, false] {
        let error = open_error(with_migrate(&temp, migrate));
        assert!(matches!(error, OpenError::LogWithoutDatabase { .. }), "{error:?}");
        assert!(error.to_string().contains("aquaware.db-wal"), "{error}");
    }
    assert_eq!(temp.files(), ["aquaware.db-wal"], "nothing is created");
}

#[test]
fn a_moved_replaced_or_deleted_file_is_noticed_by_every_operation() {
    type Change = fn(&Path, &Path);
    let changes: [Change; 4] = [
        |file, elsewhere| fs::rename(file, elsewhere).unwrap(),
        |file, elsewhere| {
            fs::rename(file, elsewhere).unwrap();
            fs::copy(elsewhere, file).unwrap();
        },
        |file, elsewhere| {
            fs::hard_link(file, elsewhere).unwrap();
            fs::remove_file(file).unwrap();
        },
        |file, elsewhere| {
            fs::rename(file.with_file_name("aquaware.db-wal"), elsewhere).unwrap();
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let temp = TempStore::new();
        let store = temp.open();
        let elsewhere = temp.path().with_file_name("elsewhere");
        run(async {
            assert!(store.insert(&session(1)).await.unwrap());
            change(&temp.path(), &elsewhere);
            let errors = [
                store.insert(&session(2)).await.unwrap_err(),
                store.find(&id(1)).await.unwrap_err(),
                SessionStore::ping(&store).await.unwrap_err(),
                AccountStore::ping(&store).await.unwrap_err(),
            ];
            for error in errors {
                assert!(error.is_transient(), "{number}: {error:?}");
                let cause = error.source().unwrap().to_string();
                assert!(cause.contains("aquaware.db"), "{number}: {cause}");
            }
            // The file is put back.
            let target = if number == 3 { "aquaware.db-wal" } else { "aquaware.db" };
            fs::rename(&elsewhere, temp.path().with_file_name(target)).unwrap();
            assert!(store.insert(&session(2)).await.unwrap());
        });
    }
}

#[test]
fn checking_for_writes_leaves_nothing_behind() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async {
        SessionStore::ping(&store).await.unwrap();
        AccountStore::ping(&store).await.unwrap();
        temp.execute("PRAGMA user_version = 7");
        SessionStore::ping(&store).await.unwrap();
        assert!(AccountStore::list(&store, None, 1).await.unwrap().is_empty());
    });
    temp.execute("CREATE TABLE t (version CHECK (version = 7))");
    temp.execute("INSERT INTO t SELECT user_version FROM pragma_user_version");
}

/// A database of the previous release: its tables, and one session.
const PREVIOUS_RELEASE: &str = concat!(
    include_str!("../../migrations/sqlite/2026-11-23-000000_sessions_and_accounts/up.sql"),
    "CREATE TABLE __diesel_schema_migrations (
         version VARCHAR(50) PRIMARY KEY NOT NULL,
         run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);
     INSERT INTO __diesel_schema_migrations (version) VALUES ('20261123000000');
     INSERT INTO sessions VALUES (x'0001a5a5a5a5a5a5a5a5a5a5a5a5a5a5', 'ann', 'web', '', NULL, NULL,
         NULL, NULL, 1000, 1000000, 1, 1000, 100000, 1000, NULL, NULL, NULL);",
);

#[test]
fn a_file_of_the_previous_release_is_migrated() {
    let temp = TempStore::new();
    temp.execute(PREVIOUS_RELEASE);
    let options = with_migrate(&temp, false);
    let error = open_error(options.clone());
    assert!(matches!(error, OpenError::NotMigrated { .. }), "{error:?}");

    let store = temp.open();
    run(async {
        assert_eq!(store.find(&id(1)).await.unwrap(), Some(session(1)));
        assert!(store.insert(&full_session(2)).await.unwrap());
        let again = Session { id: id(3), ..full_session(2) };
        assert!(!store.insert(&again).await.unwrap(), "two sessions have one index");
        assert_eq!(store.find(&id(2)).await.unwrap(), Some(full_session(2)));
    });
    drop(store);
    drop(SqliteStore::open(options).unwrap());
}

/// Only by hand: the program itself migrates forwards only.
#[test]
fn a_down_migration_restores_the_previous_schema() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async { store.insert(&full_session(1)).await.unwrap() });
    drop(store);
    temp.execute(include_str!("../../migrations/sqlite/2026-11-26-000000_status_indices/down.sql"));
    temp.execute("DELETE FROM __diesel_schema_migrations WHERE version = '20261126000000'");
    run(async {
        let found = temp.open().find(&id(1)).await.unwrap();
        assert_eq!(found, Some(Session { status: None, ..full_session(1) }));
    });
}

#[test]
fn options_out_of_range_are_rejected() {
    let temp = TempStore::new();
    let changes: [fn(&mut SqliteOptions); 3] = [
        |options| options.timeout = Duration::ZERO,
        |options| options.readers = 0,
        |options| options.readers = 65,
    ];
    for change in changes {
        let mut options = temp.options();
        change(&mut options);
        assert!(matches!(open_error(options), OpenError::InvalidOption(_)));
    }
    assert!(temp.files().is_empty(), "nothing is created");
}

#[test]
fn paths_the_engine_cannot_open_are_rejected() {
    let temp = TempStore::new();
    let latin1 = temp.path().with_file_name(std::ffi::OsString::from_vec(vec![b'a', 0xE9]));
    for path in [latin1, Path::new("a\0b.db").to_owned(), Path::new("").to_owned()] {
        let error = open_error(SqliteOptions::new(&path));
        assert!(matches!(error, OpenError::InvalidPath { .. }), "{error:?}");
    }
    assert!(temp.files().is_empty());
}

#[test]
fn a_file_name_is_never_parsed_as_a_url() {
    let temp = TempStore::new();
    for name in ["file:a?mode=memory", ":memory:", "b#c?d%41 \u{e9}.db"] {
        let path = temp.path().with_file_name(name);
        let mut options = temp.options();
        options.path = path;
        drop(SqliteStore::open(options).unwrap());
        assert_eq!(temp.files(), [name]);
        fs::remove_file(temp.path().with_file_name(name)).unwrap();
    }
}

#[test]
fn one_file_serves_two_stores() {
    let temp = TempStore::new();
    let (sessions, accounts) = (temp.open(), temp.open());
    run(async {
        sessions.insert(&full_session(1)).await.unwrap();
        accounts.create(&account("ann")).await.unwrap();
        assert!(accounts.find(&id(1)).await.unwrap().is_some());
        assert!(sessions.by_id(&account("ann").id).await.unwrap().is_some());
    });
    drop(sessions);
    run(async { assert!(accounts.find(&id(1)).await.unwrap().is_some()) });
    drop(accounts);
    assert_eq!(temp.files(), ["aquaware.db"]);
}

#[test]
fn a_new_file_can_be_opened_concurrently() {
    let temp = TempStore::new();
    let start = Barrier::new(8);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (temp, start) = (&temp, &start);
            scope.spawn(move || {
                start.wait();
                let store = temp.open();
                run(async { assert!(store.insert(&session(number)).await.unwrap()) });
            });
        }
    });
    let store = temp.open();
    run(async {
        assert_eq!(
            SessionStore::list(&store, &session(0).subject, None, 10_000).await.unwrap().len(),
            8
        );
    });
}

#[test]
fn the_debug_output_of_a_store_is_its_path() {
    let temp = TempStore::new();
    let text = format!("{:?}", temp.open());
    assert_eq!(text, format!("SqliteStore {{ path: {:?}, .. }}", temp.path()));
}
