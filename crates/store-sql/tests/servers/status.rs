//! Status indices: by which way a server finds them, and what is left when many want the same.

use std::sync::Arc;
use std::time::Duration;

use aquaware_core::store::{SessionStore, StoreError};

use crate::engine::{Engine, Maria, Opening, Postgresql, Space};
use crate::sample::{at, id, revoked, run};

on_each_engine!(
    of_many_who_want_an_index_that_was_released_one_has_it,
    releases_at_once_count_each_session_once,
    a_status_index_that_is_none_is_named_and_not_left_out,
);

/// What was released lies about in the index for a while, and MariaDB locks it for each who comes: they
/// fall out by the dozen.
fn of_many_who_want_an_index_that_was_released_one_has_it<E: Engine>() {
    const RACERS: u16 = 16;
    let space = Space::<E>::new();
    let opening = Opening { pool_size: RACERS.into(), ..Opening::default() };
    let store = space.open_with(opening);
    run(async {
        for round in 0..40 {
            let inserts = (0..RACERS).map(|racer| {
                let session = revoked(round * RACERS + racer, 7, 1_000);
                let store = &store;
                async move { store.insert(&session).await.unwrap() }
            });
            let kept = futures_util::future::join_all(inserts).await;
            assert_eq!(kept.iter().filter(|kept| **kept).count(), 1, "{round}: {kept:?}");
            assert_eq!(store.release(at(1_001), 10).await.unwrap(), 1);
        }
    });
}

/// An insert that waits for an index holds its own row. Somebody else who wants that row and has
/// the index makes it a deadlock, which the server ends at the cost of whoever did less.
#[test]
fn an_insert_that_mariadb_undid_for_a_deadlock_is_tried_again() {
    let space = Space::<Maria>::new();
    let store = space.open();
    let url = space.url();
    let somebody = std::thread::spawn(move || {
        let columns = "id, subject, client, scope, created_at, ends_at, generation, issued_at, \
                       expires_at, last_used_at, status_index";
        let rows = "UNHEX(LPAD(HEX(seq), 32, '0')), 'bob', 'web', '', 1, 2, 1, 1, 2, 1, seq";
        let wanted = Maria::bytes(id(2).as_bytes());
        Maria::ask(
            &url,
            &format!(
                "BEGIN; INSERT INTO sessions ({columns}) SELECT {rows} FROM seq_1_to_100; \
                 SELECT SLEEP(2.5); SELECT id FROM sessions WHERE id = {wanted} FOR UPDATE; \
                 SELECT SLEEP(0.2); COMMIT"
            ),
        );
    });
    space.wait_for("information_schema.processlist WHERE db = DATABASE() AND info LIKE '%(2.5)'");
    let deadlocks = || {
        let status = space.ask("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'");
        status[0][1].parse::<u64>().unwrap()
    };
    let before = deadlocks();
    run(async {
        assert!(!store.insert(&revoked(2, 7, 1_000)).await.unwrap());
        assert!(deadlocks() > before, "it came to no deadlock");
        assert_eq!(store.find(&id(2)).await.unwrap(), None);
        assert!(store.insert(&revoked(2, 101, 1_000)).await.unwrap());
    });
    somebody.join().unwrap();
}

fn releases_at_once_count_each_session_once<E: Engine>() {
    const SESSIONS: u16 = 1_200;
    let space = Space::<E>::new();
    let stores = [space.open(), space.open()].map(Arc::new);
    run(async {
        for some in (0..SESSIONS).collect::<Vec<_>>().chunks(8) {
            let inserts = some.iter().map(|number| {
                // Many ends at one instant, and some others.
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

fn a_status_index_that_is_none_is_named_and_not_left_out<E: Engine>() {
    let space = Space::<E>::new();
    let store = space.open();
    run(async {
        for number in 1..=3 {
            store.insert(&revoked(number, number.into(), 5_000)).await.unwrap();
        }
        space.ask("UPDATE sessions SET status_index = -2 WHERE status_index = 2");
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
fn many<E: Engine>(space: &Space<'_, E>, id: &str, numbers: &str) {
    space.ask(&format!(
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
    let space = Space::<Postgresql>::new();
    let store = space.open_with(Opening { pool_size: 1, ..Opening::default() });
    let id = "decode(lpad(to_hex(n), 32, '0'), 'hex')";
    many(&space, id, "generate_series(1, 20000) AS numbers (n)");
    space.ask("ANALYZE sessions");
    let before = scans(&space);
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
    for _ in 0..100 {
        let now = scans(&space);
        // Counts come in when a connection is done.
        if now[1] >= before[1] + 40 {
            assert_eq!(now[0], before[0], "the table was read through");
            // About a thousand rows of revocations, and ten more at each release.
            assert!(now[2] - before[2] < 5_000, "{before:?}, {now:?}");
            return;
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    panic!("by another way: {before:?}, {:?}", scans(&space));
}

/// How often the table was read through, how often the index of revocations was used, and how many
/// entries were read there.
fn scans(space: &Space<'_, Postgresql>) -> [u64; 3] {
    let rows = space.ask(&format!(
        "SELECT pg_stat_force_next_flush(); \
         SELECT t.seq_scan, i.idx_scan, i.idx_tup_read FROM pg_stat_user_tables t \
         JOIN pg_stat_user_indexes i USING (relid) \
         WHERE t.schemaname = '{}' AND i.indexrelname = 'sessions_revoked'",
        space.name
    ));
    let row = rows.last().unwrap();
    [0, 1, 2].map(|column| row[column].parse().unwrap())
}

/// In the words of the store's statements, whose plans only their own connection could tell.
#[test]
fn mariadb_finds_revocations_by_their_index() {
    let space = Space::<Maria>::new();
    drop(space.open());
    many(
        &space,
        "UNHEX(LPAD(HEX(n), 32, '0'))",
        "(SELECT seq AS n FROM seq_1_to_20000) AS numbers",
    );
    space.ask("ANALYZE TABLE sessions");
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
        let plan = &space.ask(&format!("EXPLAIN {statement}"))[0];
        let [_, _, _, kind, _, index, _, _, _, extra] = plan.as_slice() else { panic!("{plan:?}") };
        assert_eq!((kind.as_str(), index.as_str()), ("range", "sessions_revoked"), "{plan:?}");
        assert!(extra.contains("Using index") && !extra.contains("filesort"), "{plan:?}");
    }
    let plan = &space.ask(
        "EXPLAIN UPDATE sessions SET status_index = NULL \
         WHERE status_index IN (10, 20, 30) AND ended_at < 10000",
    )[0];
    assert_eq!((plan[3].as_str(), plan[5].as_str()), ("range", "sessions_by_status_index"));
}
