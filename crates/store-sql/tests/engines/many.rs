//! A subject with a hundred thousand sessions.

use aquaware_core::id::ClientId;
use aquaware_core::session::Session;
use aquaware_core::store::SessionStore as _;

use crate::engine::{Engine, Maria, TestDatabase};
use crate::fixtures::{at, id, run, session, subject};
use crate::operations::ended;

on_each_engine!(a_hundred_thousand_sessions_are_listed_limited_and_ended_in_bounded_steps);

const MANY: i64 = 100_000;

/// Sessions that were created and last used at their number.
fn insert_many<E: Engine>(database: &TestDatabase<'_, E>) {
    let (id, numbers) = if E::NAME == Maria::NAME {
        ("UNHEX(LPAD(HEX(n), 32, '0'))", format!("(SELECT seq AS n FROM seq_1_to_{MANY})"))
    } else {
        ("decode(lpad(to_hex(n), 32, '0'), 'hex')", format!("generate_series(1, {MANY})"))
    };
    database.ask(&format!(
        "INSERT INTO sessions (id, subject, client, scope, created_at, ends_at, generation, \
         issued_at, expires_at, last_used_at) \
         SELECT {id}, 'ann', 'web', '', n, 9000000000000, 1, n, 9000000000000, n \
         FROM {numbers} AS numbers{}",
        if E::NAME == Maria::NAME { "" } else { " (n)" }
    ));
}

fn a_hundred_thousand_sessions_are_listed_limited_and_ended_in_bounded_steps<E: Engine>() {
    let database = TestDatabase::<E>::new();
    let store = database.open();
    insert_many(&database);
    let (ann, web) = (subject("ann"), ClientId::new("web").unwrap());
    let numbers = |sessions: &[Session]| -> Vec<i64> {
        sessions.iter().map(|session| session.created_at.millis()).collect()
    };
    run(async {
        let newest = store.list(&ann, None, 101).await.unwrap();
        assert_eq!(numbers(&newest), (MANY - 100..=MANY).rev().collect::<Vec<_>>());
        let after = Some((at(5_001), newest[0].id));
        let page = store.list(&ann, after, 50).await.unwrap();
        assert_eq!(page.len(), 50);
        assert!(numbers(&page)[0] <= 5_001 && numbers(&page).is_sorted_by(|a, b| a > b));

        let excess = store.end_least_used((&ann, &web), &id(1), 1000, ended(), 64).await.unwrap();
        assert_eq!(excess.len(), 64);
        assert!(numbers(&excess).iter().all(|number| *number <= MANY - 999));
        for rows in [64, 500] {
            let sessions = store.end_all(&ann, None, ended(), rows).await.unwrap();
            assert_eq!(sessions.len(), usize::try_from(rows).unwrap());
        }
    });
    // Ended sessions cost nothing.
    database.ask("UPDATE sessions SET ended_at = 1, end_reason = 'logout' WHERE ended_at IS NULL");
    run(async {
        assert!(store.insert(&session(1)).await.unwrap());
        let ended = store.end_all(&ann, None, ended(), 500).await.unwrap();
        assert_eq!(ended.len(), 1);
    });
}
