//! What was acknowledged is there again: after a stop, a crash, and a copy put back.

use std::fs;
use std::sync::Arc;

use aquaware_core::id::SessionId;
use aquaware_core::session::Session;
use aquaware_core::store::{AccountStore, Outcome, SessionStore};
use aquaware_store_sql::SqliteStore;
use diesel::connection::SimpleConnection as _;

use crate::sample::{Place, account, done, generation, id, run, session, step};

/// Inserts 64 sessions at once and refreshes half of them.
async fn write(store: &Arc<SqliteStore>) {
    let tasks: Vec<_> = (0..64_u16)
        .map(|number| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                assert!(store.insert(&session(number)).await.unwrap());
                if number % 2 == 0 {
                    let _ = done(store.advance(&id(number), &step(1, 2_000)).await.unwrap());
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
fn a_reopened_store_has_all_that_was_acknowledged() {
    let place = Place::new();
    let store = Arc::new(place.open());
    run(write(&store));
    drop(store);
    assert_eq!(place.files(), ["aquaware.db"], "the log is folded in");
    run(check(&place.open()));
}

#[test]
fn what_was_acknowledged_outlives_the_process() {
    let (place, after) = (Place::new(), Place::new());
    let store = Arc::new(place.open());
    run(write(&store));
    // What the files hold at this moment is what kill -9 would leave.
    for end in ["", "-wal"] {
        let name = format!("aquaware.db{end}");
        fs::copy(place.path().with_file_name(&name), after.path().with_file_name(&name)).unwrap();
    }
    run(check(&after.open()));
}

#[test]
fn an_older_copy_put_back_just_works() {
    let place = Place::new();
    let store = place.open();
    run(async { assert!(store.insert(&session(1)).await.unwrap()) });
    drop(store);
    let copy = fs::read(place.path()).unwrap();

    let store = place.open();
    run(async {
        for from in 1..5 {
            let _ = done(store.advance(&id(1), &step(from, 2_000)).await.unwrap());
        }
    });
    drop(store);
    fs::write(place.path(), copy).unwrap();

    let store = place.open();
    run(async {
        assert_eq!(store.find(&id(1)).await.unwrap(), Some(session(1)));
        // The token of generation 5 is ahead of the record; the core advances past it.
        let healed = aquaware_core::store::Advance { to: generation(6), ..step(1, 3_000) };
        assert_eq!(done(store.advance(&id(1), &healed).await.unwrap()).generation, generation(6));
    });
}

#[test]
fn writes_that_wait_together_share_a_commit() {
    let place = Place::new();
    let store = Arc::new(place.open());
    run(async {
        for number in 0..64 {
            assert!(store.insert(&session(number)).await.unwrap());
        }
        let before = store.write_counts();
        // Somebody else's lock lets all of them gather behind the first.
        let mut other = place.connect();
        other.batch_execute("BEGIN IMMEDIATE").unwrap();
        let tasks: Vec<_> = (0..64)
            .map(|number| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.advance(&id(number), &step(1, 2_000)).await })
            })
            .collect();
        // Each task runs until it waits for its answer.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(tasks.iter().all(|task| !task.is_finished()));
        other.batch_execute("COMMIT").unwrap();
        for task in tasks {
            let _ = done(task.await.unwrap().unwrap());
        }
        let after = store.write_counts();
        assert_eq!(after.steps - before.steps, 64);
        assert!(after.commits - before.commits <= 2, "{before:?} {after:?}");
    });
}

#[test]
fn callers_that_leave_disturb_nobody() {
    let place = Place::new();
    let store = Arc::new(place.open());
    run(async {
        assert!(store.insert(&session(1)).await.unwrap());
        for from in 1..50 {
            let leaver = {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.advance(&id(1), &step(from, 2_000)).await })
            };
            tokio::task::yield_now().await;
            leaver.abort();
            // Done or not: one more attempt settles it, and there is one generation more.
            match store.advance(&id(1), &step(from, 3_000)).await.unwrap() {
                Outcome::Applied(session) | Outcome::Refused(session) => {
                    assert_eq!(session.generation, generation(from + 1));
                }
                Outcome::NotFound => panic!("it is there"),
            }
        }
    });
}

#[test]
fn a_store_works_from_several_runtimes() {
    let place = Place::new();
    let store = Arc::new(place.open());
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
