//! Opening: what an operator sees when something is wrong, and that many may do it at once.

use std::net::TcpListener;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use aquaware_core::store::{SessionStore, StoreError};
use aquaware_servers::{Fault, Proxy};
use aquaware_store_sql::{Failure, OpenError, Refusal};

use crate::engine::{Engine, Maria, Opening, Space, Starting};
use crate::sample::{cause, done, revoked, run, session, step, story, subject};

on_each_engine!(
    a_wrong_password_is_called_one_and_not_shown,
    an_unknown_database_is_called_one,
    nobody_at_the_address_is_told_from_silence,
    a_server_that_is_read_only_is_refused_and_so_are_changes_once_it_becomes_so,
    without_leave_to_migrate_an_empty_database_is_an_error_and_stays_as_it_is,
    a_database_of_the_release_before_is_brought_up_to_date,
    a_migration_that_waits_for_somebody_holds_up_nobody_else,
    tables_of_a_newer_program_are_left_alone,
    many_may_open_an_empty_database_at_once,
    a_store_is_opened_inside_a_single_threaded_runtime_and_used_from_others,
    a_store_tells_what_it_is_like,
);

fn refusal<E: Engine>(url: &str, opening: Opening) -> OpenError {
    match E::open(url, opening) {
        Err(error) => error,
        Ok(_) => panic!("{} was opened", E::NAME),
    }
}

fn why(error: &OpenError) -> Refusal {
    match error {
        OpenError::Server { why, .. } => why.clone(),
        other => panic!("{other:?}"),
    }
}

fn a_wrong_password_is_called_one_and_not_shown<E: Engine>() {
    let space = Space::<E>::new();
    let right = E::password(space.server);
    let url = space.url().replace(right, "s3cret%40s3cret");
    let error = refusal::<E>(&url, Opening::default());
    assert_eq!(why(&error), Refusal::Login, "{error}");
    let story = story(&error);
    assert!(story.contains(&E::address(space.server).to_string()), "{story}");
    assert!(!story.contains("s3cret") && !story.contains(right), "{story}");
    // A user there isn't looks the same.
    let url = space.url().replacen("//aquaware:", "//nobody:", 1);
    assert_eq!(why(&refusal::<E>(&url, Opening::default())), Refusal::Login);
}

fn an_unknown_database_is_called_one<E: Engine>() {
    let space = Space::<E>::new();
    let (server, database) =
        space.url().rsplit_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    for name in ["aquaware_missing", "elsewhere"] {
        // The user of the tests may use databases of the first kind of name, on either engine.
        let url = format!("{server}/{name}");
        assert_ne!(name, database);
        let error = refusal::<E>(&url, Opening::default());
        assert_eq!(why(&error), Refusal::NoDatabase, "{error}");
        assert!(error.to_string().contains(name) && error.to_string().contains("create it"));
    }
}

fn nobody_at_the_address_is_told_from_silence<E: Engine>() {
    let space = Space::<E>::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Connections are taken by the operating system, and nobody speaks.
    let opening = Opening { timeout: Duration::from_millis(300), ..Opening::default() };
    let start = Instant::now();
    assert_eq!(why(&refusal::<E>(&space.url_at(address), opening)), Refusal::Silent);
    assert!(start.elapsed() < Duration::from_secs(5));
    drop(listener);
    let error = refusal::<E>(&space.url_at(address), Opening::default());
    assert!(matches!(why(&error), Refusal::Unreachable(_)), "{error:?}");
    assert!(error.to_string().contains("is it running"), "{error}");
}

fn a_server_that_is_read_only_is_refused_and_so_are_changes_once_it_becomes_so<E: Engine>() {
    let mut server = E::start(&Starting::default());
    let url = |server: &E::Server, name: &str| E::url(server, name, E::address(server));
    let (name, empty) = (Space::<E>::on(&server).name, Space::<E>::on(&server).name);
    let (url, empty) = (url(&server, &name), url(&server, &empty));
    let store = E::open(&url, Opening::default()).unwrap();
    run(store.insert(&session(1))).unwrap();
    E::stop_at_once(&mut server);
    E::set_read_only(&mut server);
    E::restart(&mut server);
    for migrate in [true, false] {
        let error = refusal::<E>(&url, Opening { migrate, ..Opening::default() });
        assert_eq!(why(&error), Refusal::ReadOnly, "{error}");
        assert!(error.to_string().contains("primary"), "{error}");
    }
    assert_eq!(why(&refusal::<E>(&empty, Opening::default())), Refusal::ReadOnly);
    run(async {
        // Found by reads, and refused to changes, without anything having happened.
        assert!(store.find(&session(1).id).await.unwrap().is_some());
        for error in [
            store.insert(&session(2)).await.unwrap_err(),
            store.advance(&session(1).id, &step(1, 2_000)).await.unwrap_err(),
            store.end_all(&subject("ann"), None, crate::steps::ended()).await.unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::Rejected(_)), "{error:?}");
            assert_eq!(cause(&error), Failure::Replica);
        }
        assert_eq!(store.find(&session(1).id).await.unwrap(), Some(session(1)));
        assert!(E::facts(&store).await.unwrap().read_only);
    });
}

fn without_leave_to_migrate_an_empty_database_is_an_error_and_stays_as_it_is<E: Engine>() {
    let space = Space::<E>::new();
    let opening = Opening { migrate: false, ..Opening::default() };
    let error = refusal::<E>(&space.url(), opening);
    assert_eq!(why(&error), Refusal::NotMigrated);
    assert!(error.to_string().contains("aquaware store migrate"), "{error}");
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema LIKE '%";
    assert_eq!(space.value(&format!("{tables}{}'", space.name)), "0", "nothing is made");
    drop(space.open());
    drop(space.open_with(opening));
}

/// Makes the tables of the release before, and a session in them.
fn release_before<E: Engine>(space: &Space<'_, E>) {
    // One by one: of several together only the first's error is told.
    for statement in E::FIRST.split_inclusive(';').filter(|it| it.contains("CREATE")) {
        space.ask(statement);
    }
    space.ask(
        "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, \
         run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
    );
    space.ask("INSERT INTO __diesel_schema_migrations (version) VALUES ('20261123000000')");
    let id = E::bytes(session(1).id.as_bytes());
    space.ask(&format!(
        "INSERT INTO sessions VALUES ({id}, 'ann', 'web', '', NULL, NULL, NULL, NULL, 1000, \
         1000000, 1, 1000, 100000, 1000, NULL, NULL, NULL)"
    ));
}

fn a_database_of_the_release_before_is_brought_up_to_date<E: Engine>() {
    let space = Space::<E>::new();
    release_before(&space);
    let opening = Opening { migrate: false, ..Opening::default() };
    assert_eq!(why(&refusal::<E>(&space.url(), opening)), Refusal::NotMigrated);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| drop(space.open()));
        }
    });
    let store = space.open_with(opening);
    run(async {
        assert_eq!(store.find(&session(1).id).await.unwrap(), Some(session(1)));
        assert!(store.insert(&revoked(2, 7, 5_000)).await.unwrap());
        assert!(!store.insert(&revoked(3, 7, 5_000)).await.unwrap(), "an index was had twice");
        assert_eq!(store.find(&session(2).id).await.unwrap(), Some(revoked(2, 7, 5_000)));
        done(store.advance(&session(1).id, &step(1, 2_000)).await.unwrap());
    });
}

/// Whoever waits to change a table is in front of all who come later, be it only to read: behind a
/// backup that takes an hour, every refresh would wait for an hour.
fn a_migration_that_waits_for_somebody_holds_up_nobody_else<E: Engine>() {
    let (sleep, asleep) = if E::NAME == "PostgreSQL" {
        ("pg_sleep(5)", "pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%(5)%'")
    } else {
        ("SLEEP(5)", "information_schema.processlist WHERE db = DATABASE() AND info LIKE '%(5)'")
    };
    let space = Space::<E>::new();
    release_before(&space);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            space.ask(&format!("BEGIN; SELECT id FROM sessions; SELECT {sleep}; COMMIT"));
        });
        space.wait_for(asleep);
        let start = Instant::now();
        let opening = scope.spawn(|| drop(space.open()));
        let mut slowest = Duration::ZERO;
        while !opening.is_finished() {
            let start = Instant::now();
            assert_eq!(space.value("SELECT count(*) FROM sessions"), "1");
            slowest = slowest.max(start.elapsed());
            std::thread::park_timeout(Duration::from_millis(20));
        }
        opening.join().unwrap();
        assert!(start.elapsed() > Duration::from_secs(3), "{:?}", start.elapsed());
        assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    });
}

/// Its statements commit one by one, so it may break off behind each of them.
#[test]
fn a_migration_of_mariadb_that_broke_off_goes_on() {
    for not_noted in ["version = '20261126000000'", "version <> ''"] {
        let space = Space::<Maria>::new();
        release_before(&space);
        drop(space.open());
        space.ask(&format!("DELETE FROM __diesel_schema_migrations WHERE {not_noted}"));
        let store = space.open();
        run(async {
            assert!(store.insert(&revoked(2, 7, 5_000)).await.unwrap());
            assert!(!store.insert(&revoked(3, 7, 5_000)).await.unwrap());
        });
        assert_eq!(space.value("SELECT count(*) FROM __diesel_schema_migrations"), "2");
        let indices = "SELECT count(DISTINCT index_name) FROM information_schema.statistics \
                       WHERE table_schema = DATABASE() AND table_name = 'sessions'";
        assert_eq!(space.value(indices), "4");
    }
}

fn tables_of_a_newer_program_are_left_alone<E: Engine>() {
    let space = Space::<E>::new();
    drop(space.open());
    space.ask("INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')");
    for migrate in [true, false] {
        let error = refusal::<E>(&space.url(), Opening { migrate, ..Opening::default() });
        assert_eq!(why(&error), Refusal::Newer { version: "99990101000000".to_owned() });
    }
}

fn many_may_open_an_empty_database_at_once<E: Engine>() {
    for _ in 0..4 {
        let space = Space::<E>::new();
        let start = Barrier::new(8);
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (space, start) = (&space, &start);
                scope.spawn(move || {
                    start.wait();
                    let store = space.open_with(Opening { pool_size: 1, ..Opening::default() });
                    assert!(run(store.insert(&session(number))).unwrap());
                });
            }
        });
        let store = space.open();
        assert_eq!(run(SessionStore::list(&store, &subject("ann"))).unwrap().len(), 8);
        assert_eq!(space.value("SELECT count(*) FROM __diesel_schema_migrations"), "2");
    }
}

fn a_store_is_opened_inside_a_single_threaded_runtime_and_used_from_others<E: Engine>() {
    let space = Space::<E>::new();
    // As a worker of the server is.
    let store = run(async { space.open_with(Opening { pool_size: 1, ..Opening::default() }) });
    for number in 0..3 {
        // The runtime that used it is gone, and the connection isn't.
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

fn a_store_tells_what_it_is_like<E: Engine>() {
    let space = Space::<E>::new();
    let proxy = Proxy::to(E::address(space.server)).unwrap();
    let store = E::open(&space.url_at(proxy.address()), Opening::default()).unwrap();
    let facts = run(E::facts(&store)).unwrap();
    assert_eq!(facts.engine, E::NAME);
    assert!(facts.version.starts_with(|first: char| first.is_ascii_digit()), "{facts:?}");
    assert!(facts.migrated && !facts.read_only && facts.encrypted == Some(false), "{facts:?}");
    // The servers of the tests don't wait for the disk.
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
    space.ask("DELETE FROM __diesel_schema_migrations");
    assert!(!run(E::facts(&store)).unwrap().migrated);
}
