//! Opening: what an operator sees when something is wrong, and who may read the files.

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

use crate::sample::{Place, account, full_session, id, run, session};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn refusal(options: SqliteOptions) -> OpenError {
    SqliteStore::open(options).unwrap_err()
}

#[test]
fn every_file_is_its_owners_alone() {
    let place = Place::new();
    let store = place.open();
    run(async { store.insert(&session(1)).await.unwrap() });
    assert_eq!(place.files(), ["aquaware.db", "aquaware.db-shm", "aquaware.db-wal"]);
    for name in place.files() {
        assert_eq!(mode(&place.path().with_file_name(&name)), 0o600, "{name}");
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
fn a_file_that_others_may_read_is_warned_of() {
    for (given, warned) in [(0o600, 0), (0o640, 1), (0o604, 1)] {
        let place = Place::new();
        fs::OpenOptions::new().write(true).create_new(true).mode(given).open(place.path()).unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(given)).unwrap();
        let warnings = Arc::new(AtomicUsize::new(0));
        let store =
            tracing::subscriber::with_default(Warnings(Arc::clone(&warnings)), || place.open());
        assert_eq!(warnings.load(Ordering::Relaxed), warned, "{given:o}");
        run(async { store.insert(&session(1)).await.unwrap() });
    }
}

#[test]
fn a_directory_is_not_a_database() {
    let place = Place::new();
    fs::create_dir(place.path()).unwrap();
    let error = refusal(place.options());
    assert!(matches!(error, OpenError::NotAFile { .. }), "{error:?}");
    assert!(error.to_string().contains("aquaware.db"));
}

#[test]
fn some_other_file_is_not_a_database_and_stays_as_it_is() {
    let place = Place::new();
    let text = "my diary, which is much longer than the header of a database is. ".repeat(100);
    fs::write(place.path(), &text).unwrap();
    let error = refusal(place.options());
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error:?}");
    assert_eq!(fs::read_to_string(place.path()).unwrap(), text);
}

#[test]
fn a_directory_that_is_missing_is_not_made() {
    let place = Place::new();
    let path = place.path().join("deeper.db");
    let error = refusal(SqliteOptions::new(&path));
    assert!(matches!(error, OpenError::Io { .. }), "{error:?}");
    assert!(error.source().is_some());
    assert!(!place.path().exists());
}

#[test]
fn a_file_of_a_newer_program_is_left_alone() {
    let place = Place::new();
    drop(place.open());
    place.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')");
    for migrate in [true, false] {
        let error = refusal(SqliteOptions { migrate, ..place.options() });
        let OpenError::Newer { version, .. } = &error else { panic!("{error:?}") };
        assert_eq!(version, "99990101000000");
    }
}

#[test]
fn without_leave_to_migrate_an_old_file_is_an_error_and_stays_as_it_is() {
    let place = Place::new();
    let options = SqliteOptions { migrate: false, ..place.options() };
    let error = refusal(options.clone());
    assert!(matches!(error, OpenError::NotMigrated { .. }), "{error:?}");
    assert!(place.files().is_empty(), "nothing is made");

    fs::write(place.path(), "").unwrap();
    let error = refusal(options.clone());
    assert!(matches!(error, OpenError::NotMigrated { .. }), "{error:?}");
    assert_eq!(fs::metadata(place.path()).unwrap().len(), 0);
    assert_eq!(place.files(), ["aquaware.db"]);

    drop(place.open());
    let store = SqliteStore::open(options).unwrap();
    run(async { SessionStore::ping(&store).await.unwrap() });
}

/// What the release before left behind: its tables, and one session.
const BEFORE: &str = concat!(
    include_str!("../../migrations/sqlite/2026-11-23-000000_sessions_and_accounts/up.sql"),
    "CREATE TABLE __diesel_schema_migrations (
         version VARCHAR(50) PRIMARY KEY NOT NULL,
         run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);
     INSERT INTO __diesel_schema_migrations (version) VALUES ('20261123000000');
     INSERT INTO sessions VALUES (x'0001a5a5a5a5a5a5a5a5a5a5a5a5a5a5', 'ann', 'web', '', NULL, NULL,
         NULL, NULL, 1000, 1000000, 1, 1000, 100000, 1000, NULL, NULL, NULL);",
);

#[test]
fn a_file_of_the_release_before_is_brought_up_to_date() {
    let place = Place::new();
    place.execute(BEFORE);
    let options = SqliteOptions { migrate: false, ..place.options() };
    let error = refusal(options.clone());
    assert!(matches!(error, OpenError::NotMigrated { .. }), "{error:?}");

    let store = place.open();
    run(async {
        assert_eq!(store.find(&id(1)).await.unwrap(), Some(session(1)));
        assert!(store.insert(&full_session(2)).await.unwrap());
        let again = Session { id: id(3), ..full_session(2) };
        assert!(!store.insert(&again).await.unwrap(), "an index was had twice");
        assert_eq!(store.find(&id(2)).await.unwrap(), Some(full_session(2)));
    });
    drop(store);
    drop(SqliteStore::open(options).unwrap());
}

/// By hand alone: the program goes forwards.
#[test]
fn the_way_back_is_a_way() {
    let place = Place::new();
    let store = place.open();
    run(async { store.insert(&full_session(1)).await.unwrap() });
    drop(store);
    place
        .execute(include_str!("../../migrations/sqlite/2026-11-26-000000_status_indices/down.sql"));
    place.execute("DELETE FROM __diesel_schema_migrations WHERE version = '20261126000000'");
    run(async {
        let found = place.open().find(&id(1)).await.unwrap();
        assert_eq!(found, Some(Session { status: None, ..full_session(1) }));
    });
}

#[test]
fn options_out_of_range_are_errors() {
    let place = Place::new();
    for options in [
        SqliteOptions { timeout: Duration::ZERO, ..place.options() },
        SqliteOptions { readers: 0, ..place.options() },
        SqliteOptions { readers: 65, ..place.options() },
    ] {
        assert!(matches!(refusal(options), OpenError::Option(_)));
    }
    assert!(place.files().is_empty(), "nothing is made");
}

#[test]
fn paths_the_engine_cannot_take_are_errors() {
    let place = Place::new();
    let latin1 = place.path().with_file_name(std::ffi::OsString::from_vec(vec![b'a', 0xE9]));
    for path in [latin1, Path::new("a\0b.db").to_owned(), Path::new("").to_owned()] {
        let error = refusal(SqliteOptions::new(&path));
        assert!(matches!(error, OpenError::Path { .. }), "{error:?}");
    }
    assert!(place.files().is_empty());
}

#[test]
fn a_name_is_a_name_and_no_url() {
    let place = Place::new();
    for name in ["file:a?mode=memory", ":memory:", "b#c?d%41 \u{e9}.db"] {
        let path = place.path().with_file_name(name);
        drop(SqliteStore::open(SqliteOptions { path, ..place.options() }).unwrap());
        assert_eq!(place.files(), [name]);
        fs::remove_file(place.path().with_file_name(name)).unwrap();
    }
}

#[test]
fn one_file_serves_two_stores() {
    let place = Place::new();
    let (sessions, accounts) = (place.open(), place.open());
    run(async {
        sessions.insert(&full_session(1)).await.unwrap();
        accounts.create(&account("ann")).await.unwrap();
        assert!(accounts.find(&id(1)).await.unwrap().is_some());
        assert!(sessions.by_id(&account("ann").id).await.unwrap().is_some());
    });
    drop(sessions);
    run(async { assert!(accounts.find(&id(1)).await.unwrap().is_some()) });
    drop(accounts);
    assert_eq!(place.files(), ["aquaware.db"]);
}

#[test]
fn many_may_open_a_new_file_at_once() {
    let place = Place::new();
    let start = Barrier::new(8);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (place, start) = (&place, &start);
            scope.spawn(move || {
                start.wait();
                let store = place.open();
                run(async { assert!(store.insert(&session(number)).await.unwrap()) });
            });
        }
    });
    let store = place.open();
    run(async {
        assert_eq!(SessionStore::list(&store, &session(0).subject).await.unwrap().len(), 8);
    });
}

#[test]
fn a_store_shows_where_it_is_and_nothing_else() {
    let place = Place::new();
    let text = format!("{:?}", place.open());
    assert_eq!(text, format!("SqliteStore {{ path: {:?}, .. }}", place.path()));
}
