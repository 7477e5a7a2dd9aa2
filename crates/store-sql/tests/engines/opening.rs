//! Opening: the errors an operator sees, and concurrent opening.

use std::net::TcpListener;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use aquaware_core::store::{SessionStore, StoreError};
use aquaware_servers::{Fault, Port, Proxy};
use aquaware_store_sql::{OpenError, ServerError, SqlError};

use crate::engine::{Engine, Maria, OpenWith, ServerConfig, TestDatabase, sleep_of};
use crate::fixtures::{applied, cause, full_text, revoked, run, session, step, subject};

on_each_engine!(
    a_wrong_password_is_reported_without_repeating_it,
    an_unknown_database_is_reported,
    a_closed_port_is_distinguished_from_a_silent_server,
    a_read_only_server_is_rejected_at_opening_and_rejects_changes_later,
    without_migrations_an_empty_database_is_rejected_and_unchanged,
    a_database_of_the_previous_release_is_migrated,
    a_waiting_migration_does_not_block_other_queries,
    tables_of_a_newer_version_are_rejected,
    additive_migrations_of_a_newer_version_are_accepted,
    an_empty_database_can_be_opened_concurrently,
    a_store_opened_in_one_runtime_works_in_others,
    a_store_reports_its_facts,
);

fn open_error<E: Engine>(url: &str, opening: OpenWith) -> OpenError {
    match E::open(url, opening) {
        Err(error) => error,
        Ok(_) => panic!("{} was opened", E::NAME),
    }
}

fn reason(error: &OpenError) -> ServerError {
    match error {
        OpenError::Server { reason, .. } => reason.clone(),
        other => panic!("{other:?}"),
    }
}

fn a_wrong_password_is_reported_without_repeating_it<E: Engine>() {
    let database = TestDatabase::<E>::new();
    let right = E::password(database.server);
    let url = database.url().replace(right, "s3cret%40s3cret");
    let error = open_error::<E>(&url, OpenWith::default());
    assert_eq!(reason(&error), ServerError::Authentication, "{error}");
    let text = full_text(&error);
    assert!(text.contains(&E::address(database.server).to_string()), "{text}");
    assert!(!text.contains("s3cret") && !text.contains(right), "{text}");
    // An unknown user gets the same error.
    let url = database.url().replacen("//aquaware:", "//unknown:", 1);
    assert_eq!(reason(&open_error::<E>(&url, OpenWith::default())), ServerError::Authentication);
}

fn an_unknown_database_is_reported<E: Engine>() {
    let database = TestDatabase::<E>::new();
    let (server, database) =
        database.url().rsplit_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    for name in ["aquaware_missing", "elsewhere"] {
        // The user of the tests has privileges only on databases with names like the first one.
        let url = format!("{server}/{name}");
        assert_ne!(name, database);
        let error = open_error::<E>(&url, OpenWith::default());
        assert_eq!(reason(&error), ServerError::UnknownDatabase, "{error}");
        assert!(error.to_string().contains(name) && error.to_string().contains("create it"));
    }
}

fn a_closed_port_is_distinguished_from_a_silent_server<E: Engine>() {
    let database = TestDatabase::<E>::new();
    // Claimed, so that it stays closed afterwards.
    let port = Port::claim().unwrap();
    let address = port.address();
    let listener = TcpListener::bind(address).unwrap();
    // The operating system accepts connections, but no response is sent.
    let opening = OpenWith { timeout: Duration::from_millis(300), ..OpenWith::default() };
    let start = Instant::now();
    assert_eq!(reason(&open_error::<E>(&database.url_at(address), opening)), ServerError::Timeout);
    assert!(start.elapsed() < Duration::from_secs(20));
    drop(listener);
    let error = open_error::<E>(&database.url_at(address), OpenWith::default());
    assert!(matches!(reason(&error), ServerError::Unreachable(_)), "{error:?}");
    assert!(error.to_string().contains("check that it is running"), "{error}");
}

fn a_read_only_server_is_rejected_at_opening_and_rejects_changes_later<E: Engine>() {
    let mut server = E::start(&ServerConfig::default());
    let url = |server: &E::Server, name: &str| E::url(server, name, E::address(server));
    let (name, empty) = (TestDatabase::<E>::on(&server).name, TestDatabase::<E>::on(&server).name);
    let (url, empty) = (url(&server, &name), url(&server, &empty));
    let store = E::open(&url, OpenWith::default()).unwrap();
    run(store.insert(&session(1))).unwrap();
    E::stop_at_once(&mut server);
    E::set_read_only(&mut server);
    E::restart(&mut server);
    for migrate in [true, false] {
        let error = open_error::<E>(&url, OpenWith { migrate, ..OpenWith::default() });
        assert_eq!(reason(&error), ServerError::ReadOnly, "{error}");
        assert!(error.to_string().contains("primary"), "{error}");
    }
    assert_eq!(reason(&open_error::<E>(&empty, OpenWith::default())), ServerError::ReadOnly);
    run(async {
        // Reads succeed, and changes are rejected without an effect.
        assert!(store.find(&session(1).id).await.unwrap().is_some());
        for error in [
            store.insert(&session(2)).await.unwrap_err(),
            store.advance(&session(1).id, &step(1, 2_000)).await.unwrap_err(),
            store
                .end_all(&subject("ann"), None, crate::operations::ended(), 10_000)
                .await
                .unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::Rejected(_)), "{error:?}");
            assert_eq!(cause(&error), SqlError::ServerReadOnly);
        }
        assert_eq!(store.find(&session(1).id).await.unwrap(), Some(session(1)));
        assert!(E::facts(&store).await.unwrap().read_only);
    });
}

fn without_migrations_an_empty_database_is_rejected_and_unchanged<E: Engine>() {
    let database = TestDatabase::<E>::new();
    let opening = OpenWith { migrate: false, ..OpenWith::default() };
    let error = open_error::<E>(&database.url(), opening);
    assert_eq!(reason(&error), ServerError::NotMigrated);
    assert!(error.to_string().contains("aquaware store migrate"), "{error}");
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema LIKE '%";
    assert_eq!(database.value(&format!("{tables}{}'", database.name)), "0", "nothing is created");
    drop(database.open());
    drop(database.open_with(opening));
}

/// Creates the tables of the previous release with one session.
fn create_previous_release<E: Engine>(database: &TestDatabase<'_, E>) {
    // One at a time: of several statements only the first one's error is reported.
    for statement in E::FIRST.split_inclusive(';').filter(|it| it.contains("CREATE")) {
        database.ask(statement);
    }
    database.ask(
        "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, \
         run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
    );
    database.ask("INSERT INTO __diesel_schema_migrations (version) VALUES ('20261123000000')");
    let id = E::bytes(session(1).id.as_bytes());
    database.ask(&format!(
        "INSERT INTO sessions VALUES ({id}, 'ann', 'web', '', NULL, NULL, NULL, NULL, 1000, \
         1000000, 1, 1000, 100000, 1000, NULL, NULL, NULL)"
    ));
}

fn a_database_of_the_previous_release_is_migrated<E: Engine>() {
    let database = TestDatabase::<E>::new();
    create_previous_release(&database);
    let opening = OpenWith { migrate: false, ..OpenWith::default() };
    assert_eq!(reason(&open_error::<E>(&database.url(), opening)), ServerError::NotMigrated);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| drop(database.open()));
        }
    });
    let store = database.open_with(opening);
    run(async {
        assert_eq!(store.find(&session(1).id).await.unwrap(), Some(session(1)));
        assert!(store.insert(&revoked(2, 7, 5_000)).await.unwrap());
        assert!(!store.insert(&revoked(3, 7, 5_000)).await.unwrap(), "two sessions have one index");
        assert_eq!(store.find(&session(2).id).await.unwrap(), Some(revoked(2, 7, 5_000)));
        applied(store.advance(&session(1).id, &step(1, 2_000)).await.unwrap());
    });
}

/// A waiting schema change blocks every later query on the table, even reads: behind a backup that takes
/// an hour, every refresh would wait for an hour.
fn a_waiting_migration_does_not_block_other_queries<E: Engine>() {
    let (sleep, asleep) = sleep_of::<E>(8);
    let database = TestDatabase::<E>::new();
    create_previous_release(&database);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            database.ask(&format!("BEGIN; SELECT id FROM sessions; {sleep}; COMMIT"));
        });
        database.wait_for(&asleep);
        let start = Instant::now();
        let opening = scope.spawn(|| drop(database.open()));
        let mut slowest = Duration::ZERO;
        while !opening.is_finished() {
            let start = Instant::now();
            assert_eq!(database.value("SELECT count(*) FROM sessions"), "1");
            slowest = slowest.max(start.elapsed());
            std::thread::park_timeout(Duration::from_millis(20));
        }
        opening.join().unwrap();
        assert!(start.elapsed() > Duration::from_secs(3), "{:?}", start.elapsed());
        assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    });
}

/// The number of migrations, the same for every engine.
fn migrations() -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/mysql");
    std::fs::read_dir(folder).unwrap().count().to_string()
}

/// Its statements commit one by one, so it may be interrupted after each of them.
#[test]
fn an_interrupted_migration_of_mariadb_continues() {
    for forgotten in ["version = '20261126000000'", "version >= '20261130000000'", "version <> ''"]
    {
        let database = TestDatabase::<Maria>::new();
        create_previous_release(&database);
        drop(database.open());
        database.ask(&format!("DELETE FROM __diesel_schema_migrations WHERE {forgotten}"));
        let store = database.open();
        run(async {
            assert!(store.insert(&revoked(2, 7, 5_000)).await.unwrap());
            assert!(!store.insert(&revoked(3, 7, 5_000)).await.unwrap());
        });
        assert_eq!(database.value("SELECT count(*) FROM __diesel_schema_migrations"), migrations());
        let indices = "SELECT count(DISTINCT index_name) FROM information_schema.statistics \
                       WHERE table_schema = DATABASE() AND table_name = 'sessions'";
        assert_eq!(database.value(indices), "5");
    }
}

fn tables_of_a_newer_version_are_rejected<E: Engine>() {
    let database = TestDatabase::<E>::new();
    drop(database.open());
    database.ask("INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')");
    for migrate in [true, false] {
        let error = open_error::<E>(&database.url(), OpenWith { migrate, ..OpenWith::default() });
        assert_eq!(
            reason(&error),
            ServerError::NewerSchema { version: "99990101000000".to_owned() }
        );
    }
}

fn additive_migrations_of_a_newer_version_are_accepted<E: Engine>() {
    let database = TestDatabase::<E>::new();
    drop(database.open());
    database.ask("INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101500000')");
    let store = database.open();
    run(async {
        assert!(SessionStore::ping(&store).await.is_ok());
    });
}

fn an_empty_database_can_be_opened_concurrently<E: Engine>() {
    for _ in 0..4 {
        let database = TestDatabase::<E>::new();
        let start = Barrier::new(8);
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (database, start) = (&database, &start);
                scope.spawn(move || {
                    start.wait();
                    let store =
                        database.open_with(OpenWith { pool_size: 1, ..OpenWith::default() });
                    assert!(run(store.insert(&session(number))).unwrap());
                });
            }
        });
        let store = database.open();
        assert_eq!(
            run(SessionStore::list(&store, &subject("ann"), None, 10_000)).unwrap().len(),
            8
        );
        assert_eq!(database.value("SELECT count(*) FROM __diesel_schema_migrations"), migrations());
    }
}

fn a_store_opened_in_one_runtime_works_in_others<E: Engine>() {
    let database = TestDatabase::<E>::new();
    // As in a worker of the server.
    let store = run(async { database.open_with(OpenWith { pool_size: 1, ..OpenWith::default() }) });
    for number in 0..3 {
        // The connection outlives the runtime that used it.
        run(async { assert!(store.insert(&session(number)).await.unwrap()) });
    }
    std::thread::scope(|scope| {
        for number in 3..6 {
            let store = &store;
            scope.spawn(move || assert!(run(store.insert(&session(number))).unwrap()));
        }
    });
    run(async move { drop(store) });
}

fn a_store_reports_its_facts<E: Engine>() {
    let database = TestDatabase::<E>::new();
    let proxy = Proxy::to(E::address(database.server)).unwrap();
    let store = E::open(&database.url_at(proxy.address()), OpenWith::default()).unwrap();
    let facts = run(E::facts(&store)).unwrap();
    assert_eq!(facts.engine, E::NAME);
    assert!(facts.version.starts_with(|first: char| first.is_ascii_digit()), "{facts:?}");
    assert!(facts.migrated && !facts.read_only && facts.encrypted == Some(false), "{facts:?}");
    // The servers of the tests do not wait for the disk.
    assert!(facts.durability.iter().any(|setting| !setting.durable), "{facts:?}");
    let millis = std::fs::metadata(std::env::temp_dir())
        .and_then(|_| tempfile::tempfile()?.metadata()?.modified())
        .unwrap()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_millis();
    let ahead = i128::from(facts.clock.unwrap().millis()) - i128::try_from(millis).unwrap();
    assert!(ahead.abs() < 10_000, "{ahead}");
    proxy.set(Fault::Delay(Duration::from_millis(100)));
    let slow = run(E::facts(&store)).unwrap();
    assert!(slow.round_trip >= Duration::from_millis(100), "{slow:?}");
    database.ask("DELETE FROM __diesel_schema_migrations");
    assert!(!run(E::facts(&store)).unwrap().migrated);
}
