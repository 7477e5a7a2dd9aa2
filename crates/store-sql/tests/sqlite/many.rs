//! A subject with a hundred thousand sessions.

use aquaware_core::id::ClientId;
use aquaware_core::session::{EndReason, Ended, Session};
use aquaware_core::store::SessionStore as _;

use crate::fixtures::{TempStore, at, id, run, session, subject};

const MANY: i64 = 100_000;

#[test]
fn a_hundred_thousand_sessions_are_listed_limited_and_ended_in_bounded_steps() {
    let file = TempStore::new();
    let store = file.open();
    file.execute(&format!(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {MANY}) \
         INSERT INTO sessions (id, subject, client, scope, created_at, ends_at, generation, \
         issued_at, expires_at, last_used_at) \
         SELECT CAST(printf('%016d', n) AS BLOB), 'ann', 'web', '', n, 9000000000000, 1, n, \
         9000000000000, n FROM numbers"
    ));
    let (ann, web) = (subject("ann"), ClientId::new("web").unwrap());
    let numbers = |sessions: &[Session]| -> Vec<i64> {
        sessions.iter().map(|session| session.created_at.millis()).collect()
    };
    let ended = Ended { at: at(5_000), reason: EndReason::LogoutAll };
    run(async {
        let newest = store.list(&ann, None, 101).await.unwrap();
        assert_eq!(numbers(&newest), (MANY - 100..=MANY).rev().collect::<Vec<_>>());
        let page = store.list(&ann, Some((at(5_001), newest[0].id)), 50).await.unwrap();
        assert_eq!(page.len(), 50);
        assert!(numbers(&page)[0] <= 5_001 && numbers(&page).is_sorted_by(|a, b| a > b));
        let excess = store.end_least_used((&ann, &web), &id(1), 1000, ended, 64).await.unwrap();
        assert_eq!(excess.len(), 64);
        assert!(numbers(&excess).iter().all(|number| *number <= MANY - 999));
        for rows in [64, 500] {
            let sessions = store.end_all(&ann, None, ended, rows).await.unwrap();
            assert_eq!(sessions.len(), usize::try_from(rows).unwrap());
        }
    });
    // Ended sessions cost nothing.
    file.execute("UPDATE sessions SET ended_at = 1, end_reason = 'logout' WHERE ended_at IS NULL");
    run(async {
        assert!(store.insert(&session(1)).await.unwrap());
        assert_eq!(store.end_all(&ann, None, ended, 500).await.unwrap().len(), 1);
    });
}
