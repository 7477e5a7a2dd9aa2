//! Acknowledged operations survive a stop, a crash and a restored copy.

use std::fs;
use std::sync::Arc;

use aquaware_core::id::SessionId;
use aquaware_core::session::Session;
use aquaware_core::store::{AccountStore, Outcome, SessionStore};
use aquaware_store_sql::SqliteStore;
use diesel::connection::SimpleConnection as _;

use crate::fixtures::{TempStore, account, applied, generation, id, run, session, step};

/// Inserts 64 sessions at once and refreshes half of them.
async fn write(store: &Arc<SqliteStore>) {
    let tasks: Vec<_> = (0..64_u16)
        .map(|number| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                assert!(store.insert(&session(number)).await.unwrap());
                if number % 2 == 0 {
                    let _ = applied(store.advance(&id(number), &step(1, 2_000)).await.unwrap());
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(store.create(&account("ann")).await.unwrap());
}

async fn check(store: &SqliteStore) {
    for number in 0..64_u16 {
        let found = store.find(&id(number)).await.unwrap().unwrap();
        assert_eq!(found.generation, generation(if number % 2 == 0 { 2 } else { 1 }));
    }
    assert_eq!(store.by_id(&account("ann").id).await.unwrap(), Some(account("ann")));
}

#[test]
fn a_reopened_store_has_everything_acknowledged() {
    let temp = TempStore::new();
    let store = Arc::new(temp.open());
    run(write(&store));
    drop(store);
    assert_eq!(temp.files(), ["aquaware.db"], "the log is merged into the file");
    run(check(&temp.open()));
}

#[test]
fn acknowledged_operations_survive_the_process() {
    let (temp, after) = (TempStore::new(), TempStore::new());
    let store = Arc::new(temp.open());
    run(write(&store));
    // `kill -9` would leave the files as they are now.
    for end in ["", "-wal"] {
        let name = format!("aquaware.db{end}");
        fs::copy(temp.path().with_file_name(&name), after.path().with_file_name(&name)).unwrap();
    }
    run(check(&after.open()));
}

#[test]
fn a_restored_older_copy_works() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async { assert!(store.insert(&session(1)).await.unwrap()) });
    drop(store);
    let copy = fs::read(temp.path()).unwrap();

    let store = temp.open();
    run(async {
        for from in 1..5 {
            let _ = applied(store.advance(&id(1), &step(from, 2_000)).await.unwrap());
        }
    });
    drop(store);
    fs::write(temp.path(), copy).unwrap();

    let store = temp.open();
    run(async {
        assert_eq!(store.find(&id(1)).await.unwrap(), Some(session(1)));
        // The token of generation 5 is ahead of the record; the core advances past it.
        let healed = aquaware_core::store::Advance { to: generation(6), ..step(1, 3_000) };
        assert_eq!(
            applied(store.advance(&id(1), &healed).await.unwrap()).generation,
            generation(6)
        );
    });
}

#[test]
fn queued_writes_share_a_commit() {
    let temp = TempStore::new();
    let store = Arc::new(temp.open());
    run(async {
        for number in 0..64 {
            assert!(store.insert(&session(number)).await.unwrap());
        }
        let before = store.write_counts();
        // While another connection holds the lock, all of them queue behind the first.
        let mut other = temp.connect();
        other.batch_execute("BEGIN IMMEDIATE").unwrap();
        let tasks: Vec<_> = (0..64)
            .map(|number| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.advance(&id(number), &step(1, 2_000)).await })
            })
            .collect();
        // Each task runs until it waits for its result.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(tasks.iter().all(|task| !task.is_finished()));
        other.batch_execute("COMMIT").unwrap();
        for task in tasks {
            let _ = applied(task.await.unwrap().unwrap());
        }
        let after = store.write_counts();
        assert_eq!(after.operations - before.operations, 64);
        assert!(after.commits - before.commits <= 2, "{before:?} {after:?}");
    });
}

#[test]
fn dropped_callers_do_not_affect_others() {
    let temp = TempStore::new();
    let store = Arc::new(temp.open());
    run(async {
        assert!(store.insert(&session(1)).await.unwrap());
        for from in 1..50 {
            let dropped = {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.advance(&id(1), &step(from, 2_000)).await })
            };
            tokio::task::yield_now().await;
            dropped.abort();
            // Applied or not: after one more attempt there is exactly one more generation.
            match store.advance(&id(1), &step(from, 3_000)).await.unwrap() {
                Outcome::Applied(session) | Outcome::Refused(session) => {
                    assert_eq!(session.generation, generation(from + 1));
                }
                Outcome::NotFound => panic!("the session exists"),
            }
        }
    });
}

#[test]
fn a_store_works_from_several_runtimes() {
    let temp = TempStore::new();
    let store = Arc::new(temp.open());
    std::thread::scope(|scope| {
        for worker in 0..4_u16 {
            let store = &store;
            scope.spawn(move || {
                run(async {
                    for number in 0..20 {
                        let id: SessionId = id(worker * 100 + number);
                        let session = Session { id, ..session(0) };
                        assert!(store.insert(&session).await.unwrap());
                        assert_eq!(store.find(&id).await.unwrap(), Some(session));
                    }
                });
            });
        }
    });
}
