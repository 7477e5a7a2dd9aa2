//! Status indices: unique under concurrency, released exactly once.

use std::sync::Arc;
use std::time::Duration;

use aquaware_core::store::{SessionStore, StoreError};

use crate::engine::{Engine, Maria, OpenWith, Postgresql, TestDatabase};
use crate::fixtures::{at, id, revoked, run};

on_each_engine!(
    exactly_one_of_many_concurrent_inserts_gets_a_released_index,
    concurrent_releases_count_each_session_once,
    an_invalid_status_index_is_reported_and_never_skipped,
);

/// A released entry stays in MariaDB's index for a while, and every insert locks it: many of them
/// deadlock.
fn exactly_one_of_many_concurrent_inserts_gets_a_released_index<E: Engine>() {
    const RACERS: u16 = 16;
    let database = TestDatabase::<E>::new();
    let opening = OpenWith { pool_size: RACERS.into(), ..OpenWith::default() };
    let store = database.open_with(opening);
    run(async {
        for round in 0..40 {
            let inserts = (0..RACERS).map(|racer| {
                let session = revoked(round * RACERS + racer, 7, 1_000);
                let store = &store;
                async move {
                    // Like a client: as often as the deadlocks of this many outlast the retries.
                    loop {
                        match store.insert(&session).await {
                            Err(error) if error.is_transient() && !error.is_unknown() => {}
                            inserted => return inserted.unwrap(),
                        }
                    }
                }
            });
            let kept = futures_util::future::join_all(inserts).await;
            assert_eq!(kept.iter().filter(|kept| **kept).count(), 1, "{round}: {kept:?}");
            assert_eq!(store.release(at(1_001), 10).await.unwrap(), 1);
        }
    });
}

/// An insert that waits for an index entry has already locked its own row. Another transaction that has
/// the entry and waits for the row makes it a deadlock; the server rolls back the smaller one.
#[test]
fn an_insert_rolled_back_for_a_deadlock_in_mariadb_is_retried() {
    let database = TestDatabase::<Maria>::new();
    let store = database.open();
    let url = database.url();
    let other = std::thread::spawn(move || {
        let columns = "id, subject, client, scope, created_at, ends_at, generation, issued_at, \
                       expires_at, last_used_at, status_index";
        let rows = "UNHEX(LPAD(HEX(seq), 32, '0')), 'bob', 'web', '', 1, 2, 1, 1, 2, 1, seq";
        let wanted = Maria::bytes(id(2).as_bytes());
        Maria::ask(
            &url,
            &format!(
                "BEGIN; INSERT INTO sessions ({columns}) SELECT {rows} FROM seq_1_to_100; \
                 SELECT SLEEP(5.5); SELECT id FROM sessions WHERE id = {wanted} FOR UPDATE; \
                 SELECT SLEEP(0.2); COMMIT"
            ),
        );
    });
    database
        .wait_for("information_schema.processlist WHERE db = DATABASE() AND info LIKE '%(5.5)'");
    let deadlocks = || {
        let status = database.ask("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'");
        status[0][1].parse::<u64>().unwrap()
    };
    let before = deadlocks();
    run(async {
        assert!(!store.insert(&revoked(2, 7, 1_000)).await.unwrap());
        assert!(deadlocks() > before, "there was no deadlock");
        assert_eq!(store.find(&id(2)).await.unwrap(), None);
        assert!(store.insert(&revoked(2, 101, 1_000)).await.unwrap());
    });
    other.join().unwrap();
}

fn concurrent_releases_count_each_session_once<E: Engine>() {
    const SESSIONS: u16 = 1_200;
    let database = TestDatabase::<E>::new();
    let stores = [database.open(), database.open()].map(Arc::new);
    run(async {
        for some in (0..SESSIONS).collect::<Vec<_>>().chunks(8) {
            let inserts = some.iter().map(|number| {
                // Many sessions end at the same instant.
                let at = 1_000 + i64::from(number / 400);
                let session = revoked(*number, u32::from(*number) << 8, at);
                let store = &stores[0];
                async move { assert!(store.insert(&session).await.unwrap()) }
            });
            futures_util::future::join_all(inserts).await;
        }
        for expected in [u64::from(SESSIONS), 0] {
            let releases = (0..8).map(|number| stores[number % 2].release(at(2_000), 500));
            let counts: Vec<u64> = futures_util::future::try_join_all(releases).await.unwrap();
            assert!(counts.iter().all(|count| *count <= 500), "{counts:?}");
            let rest = stores[0].release(at(2_000), u32::MAX).await.unwrap();
            assert_eq!(counts.iter().sum::<u64>() + rest, expected, "{counts:?} and {rest}");
        }
        assert!(stores[1].revoked(at(0)).await.unwrap().is_empty());
    });
}

fn an_invalid_status_index_is_reported_and_never_skipped<E: Engine>() {
    let database = TestDatabase::<E>::new();
    let store = database.open();
    run(async {
        for number in 1..=3 {
            store.insert(&revoked(number, number.into(), 5_000)).await.unwrap();
        }
        database.ask("UPDATE sessions SET status_index = -2 WHERE status_index = 2");
        for (error, key) in [
            (store.find(&id(2)).await.map(|_| ()).unwrap_err(), id(2).to_string()),
            (store.revoked(at(0)).await.map(|_| ()).unwrap_err(), "-2".to_owned()),
        ] {
            let StoreError::Corrupt { key: named, .. } = &error else { panic!("{error:?}") };
            assert!(named.contains(&key), "{named}");
        }
    });
}

/// Sessions as SQL makes them: of `n` rows a tenth ended, each with an index.
fn many<E: Engine>(database: &TestDatabase<'_, E>, id: &str, numbers: &str) {
    database.ask(&format!(
        "INSERT INTO sessions (id, subject, client, scope, created_at, ends_at, generation, \
         issued_at, expires_at, last_used_at, ended_at, end_reason, status_index) \
         SELECT {id}, 'ann', 'web', '', 1, 2, 1, 1, 2, 1, \
         CASE WHEN n % 10 = 0 THEN n END, CASE WHEN n % 10 = 0 THEN 'logout' END, n \
         FROM {numbers}"
    ));
}

/// The store's own statements, as the server counts what they went by.
#[test]
fn postgresql_finds_revocations_by_their_index() {
    let database = TestDatabase::<Postgresql>::new();
    drop(database.open());
    let id = "decode(lpad(to_hex(n), 32, '0'), 'hex')";
    many(&database, id, "generate_series(1, 20000) AS numbers (n)");
    database.ask("ANALYZE sessions");
    // The migrations read the table through, and the server may count that late.
    let reads = [(); 3].map(|()| read_and_release(&database));
    assert!(reads.contains(&0), "the table was read through: {reads:?}");
}

/// Reads and releases revocations; returns how often the table was read through in the meantime.
fn read_and_release(database: &TestDatabase<'_, Postgresql>) -> u64 {
    let opening = OpenWith { pool_size: 1, migrate: false, ..OpenWith::default() };
    let store = database.open_with(opening);
    let before = scans(database);
    run(async {
        // More than the five after which the server may settle on one plan for all.
        for since in (19_000..20_000).step_by(50) {
            let expected = usize::try_from((20_000 - since) / 10 + 1).unwrap();
            assert_eq!(store.revoked(at(since)).await.unwrap().len(), expected);
        }
        for _ in 0..20 {
            assert_eq!(store.release(at(10_000), 10).await.unwrap(), 10);
        }
    });
    drop(store);
    for _ in 0..300 {
        let now = scans(database);
        // Counts come in when a connection is done.
        if now[1] >= before[1] + 40 {
            // About a thousand rows of revocations, and ten more at each release.
            assert!(now[2] - before[2] < 5_000, "{before:?}, {now:?}");
            return now[0] - before[0];
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    panic!("by another way: {before:?}, {:?}", scans(database));
}

/// How often the table was read through, how often the index of revocations was used, and how many
/// entries were read there.
fn scans(database: &TestDatabase<'_, Postgresql>) -> [u64; 3] {
    let rows = database.ask(&format!(
        "SELECT pg_stat_force_next_flush(); \
         SELECT t.seq_scan, i.idx_scan, i.idx_tup_read FROM pg_stat_user_tables t \
         JOIN pg_stat_user_indexes i USING (relid) \
         WHERE t.schemaname = '{}' AND i.indexrelname = 'sessions_revoked'",
        database.name
    ));
    let row = rows.last().unwrap();
    [0, 1, 2].map(|column| row[column].parse().unwrap())
}

/// In the words of the store's statements, whose plans only their own connection could tell.
#[test]
fn mariadb_finds_revocations_by_their_index() {
    let database = TestDatabase::<Maria>::new();
    drop(database.open());
    many(
        &database,
        "UNHEX(LPAD(HEX(n), 32, '0'))",
        "(SELECT seq AS n FROM seq_1_to_20000) AS numbers",
    );
    database.ask("ANALYZE TABLE sessions");
    for statement in [
        "SELECT status_index, ended_at FROM sessions \
         WHERE status_index IS NOT NULL AND ended_at >= 19000",
        "SELECT ended_at, status_index FROM sessions WHERE ended_at <= 10000 \
         AND (ended_at < 10000 OR status_index < NULL) \
         ORDER BY ended_at DESC, status_index DESC LIMIT 4096",
        "SELECT ended_at, status_index FROM sessions WHERE ended_at <= 10000 \
         AND (ended_at < 10000 OR status_index < 10000) \
         ORDER BY ended_at DESC, status_index DESC LIMIT 4096",
    ] {
        let plan = &database.ask(&format!("EXPLAIN {statement}"))[0];
        let [_, _, _, kind, _, index, _, _, _, extra] = plan.as_slice() else { panic!("{plan:?}") };
        assert_eq!((kind.as_str(), index.as_str()), ("range", "sessions_revoked"), "{plan:?}");
        assert!(extra.contains("Using index") && !extra.contains("filesort"), "{plan:?}");
    }
    let plan = &database.ask(
        "EXPLAIN UPDATE sessions SET status_index = NULL \
         WHERE status_index IN (10, 20, 30) AND ended_at < 10000",
    )[0];
    assert_eq!((plan[3].as_str(), plan[5].as_str()), ("range", "sessions_by_status_index"));
}
