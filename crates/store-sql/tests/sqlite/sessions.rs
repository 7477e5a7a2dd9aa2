//! The session port.

use std::sync::Arc;

use aquaware_core::id::SessionId;
use aquaware_core::session::{EndReason, Session};
use aquaware_core::store::{Advance, Outcome, SessionStore, Touch};
use aquaware_core::time::Timestamp;

use crate::fixtures::{
    TempStore, applied, at, claims, ended, full_session, generation, id, index, refused, run,
    session, step, subject,
};

#[test]
fn sessions_are_returned_unchanged() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async {
        for session in [session(1), full_session(2)] {
            assert!(store.insert(&session).await.unwrap());
            assert_eq!(store.find(&session.id).await.unwrap(), Some(session));
        }
        assert_eq!(store.find(&id(3)).await.unwrap(), None);
    });
}

#[test]
fn a_taken_id_is_rejected_without_a_change() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async {
        assert!(store.insert(&session(1)).await.unwrap());
        let other = Session { subject: subject("bob"), ..session(1) };
        assert!(!store.insert(&other).await.unwrap());
        assert_eq!(store.find(&id(1)).await.unwrap(), Some(session(1)));
    });
}

#[test]
fn an_advance_changes_only_its_own_fields() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async {
        let before = Session { ended: None, generation: generation(7), ..full_session(1) };
        store.insert(&before).await.unwrap();
        let step = step(7, 2_000);
        let after = applied(store.advance(&id(1), &step).await.unwrap());
        let mut expected = before;
        step.apply(&mut expected);
        assert_eq!(after, expected);
        assert_eq!(store.find(&id(1)).await.unwrap(), Some(expected));
    });
}

#[test]
fn an_advance_from_another_generation_returns_the_current_record() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async {
        let current = Session { generation: generation(5), ..session(1) };
        store.insert(&current).await.unwrap();
        for from in [4, 6] {
            let outcome = store.advance(&id(1), &step(from, 2_000)).await.unwrap();
            assert_eq!(refused(outcome), current);
        }
        assert_eq!(store.advance(&id(2), &step(1, 2_000)).await.unwrap(), Outcome::NotFound);
        assert_eq!(store.find(&id(2)).await.unwrap(), None);
    });
}

#[test]
fn an_advance_may_skip_generations() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async {
        store.insert(&session(1)).await.unwrap();
        let far = Advance { to: generation(1_000), ..step(1, 2_000) };
        assert_eq!(applied(store.advance(&id(1), &far).await.unwrap()).generation, far.to);
    });
}

#[test]
fn exactly_one_of_64_concurrent_advances_is_applied() {
    let temp = TempStore::new();
    let store = Arc::new(temp.open());
    run(async {
        store.insert(&session(1)).await.unwrap();
        let tasks: Vec<_> = (0..64)
            .map(|n| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.advance(&id(1), &step(1, 2_000 + n)).await })
            })
            .collect();
        let mut winners = Vec::new();
        let mut losers = Vec::new();
        for task in tasks {
            match task.await.unwrap().unwrap() {
                Outcome::Applied(session) => winners.push(session),
                Outcome::Refused(session) => losers.push(session),
                Outcome::NotFound => panic!("the session exists"),
            }
        }
        assert_eq!((winners.len(), losers.len()), (1, 63));
        assert!(
            losers.iter().all(|seen| *seen == winners[0]),
            "the others get the record of the winner"
        );
        assert_eq!(store.find(&id(1)).await.unwrap().as_ref(), winners.first());
    });
}

#[test]
fn a_touch_moves_the_last_use_forward_only() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async {
        store.insert(&session(1)).await.unwrap();
        let mut expected = session(1);
        for (touched, seen) in [(5_000, 5_000), (4_000, 5_000), (6_000, 6_000)] {
            let (at, visible_before) = (at(touched), at(touched));
            let touch = Touch { generation: generation(1), at, visible_before };
            let outcome = store.touch(&id(1), &touch).await.unwrap();
            touch.apply(&mut expected);
            assert_eq!(expected.last_used_at.millis(), seen);
            assert_eq!(applied(outcome), expected);
        }
        let outcome = store
            .touch(
                &id(1),
                &Touch { generation: generation(2), at: at(9_000), visible_before: at(9_000) },
            )
            .await
            .unwrap();
        assert_eq!(refused(outcome).last_used_at, at(6_000));
        let outcome = store
            .touch(
                &id(2),
                &Touch { generation: generation(1), at: at(9_000), visible_before: at(9_000) },
            )
            .await
            .unwrap();
        assert_eq!(outcome, Outcome::NotFound);
    });
}

#[test]
fn an_advance_never_moves_the_last_use_back() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async {
        store.insert(&Session { last_used_at: at(9_000), ..session(1) }).await.unwrap();
        let after = applied(store.advance(&id(1), &step(1, 2_000)).await.unwrap());
        assert_eq!((after.last_used_at, after.issued_at), (at(9_000), at(2_000)));
    });
}

#[test]
fn an_ended_session_stays_ended_with_its_first_reason() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async {
        store.insert(&session(1)).await.unwrap();
        let first = ended(3_000, EndReason::Logout);
        let over = Session { ended: Some(first), ..session(1) };
        assert_eq!(applied(store.end(&id(1), first).await.unwrap()), over);
        let again = store.end(&id(1), ended(4_000, EndReason::Reuse)).await.unwrap();
        assert_eq!(refused(again), over);
        assert_eq!(refused(store.advance(&id(1), &step(1, 5_000)).await.unwrap()), over);
        assert_eq!(
            refused(
                store
                    .touch(
                        &id(1),
                        &Touch {
                            generation: generation(1),
                            at: at(5_000),
                            visible_before: at(5_000)
                        }
                    )
                    .await
                    .unwrap()
            ),
            over
        );
        assert!(!store.insert(&session(1)).await.unwrap());
        assert_eq!(store.find(&id(1)).await.unwrap(), Some(over));
        assert_eq!(store.end(&id(2), first).await.unwrap(), Outcome::NotFound);
    });
}

#[test]
fn ending_all_sessions_returns_those_it_ended() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async {
        let bobs = Session { subject: subject("bob"), ..session(4) };
        let over = Session { ended: Some(ended(1, EndReason::Reuse)), ..session(3) };
        for session in [session(1), session(2), over.clone(), bobs.clone()] {
            store.insert(&session).await.unwrap();
        }
        let all = ended(3_000, EndReason::LogoutAll);
        let others = store.end_all(&subject("ann"), Some(&id(1)), all, 10_000).await.unwrap();
        assert_eq!(others, vec![Session { ended: Some(all), ..session(2) }]);
        let rest = store.end_all(&subject("ann"), None, all, 10_000).await.unwrap();
        assert_eq!(rest, vec![Session { ended: Some(all), ..session(1) }]);
        assert!(store.end_all(&subject("ann"), None, all, 10_000).await.unwrap().is_empty());
        assert_eq!(store.find(&id(3)).await.unwrap(), Some(over));
        assert_eq!(store.find(&id(4)).await.unwrap(), Some(bobs));
    });
}

#[test]
fn a_list_has_the_sessions_of_a_subject_that_have_not_ended() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async {
        let over = Session { ended: Some(ended(1, EndReason::Reuse)), ..session(2) };
        for session in [session(1), over, Session { subject: subject("Ann"), ..session(3) }] {
            store.insert(&session).await.unwrap();
        }
        let theirs = store.list(&subject("ann"), None, 10_000).await.unwrap();
        assert_eq!(theirs, vec![session(1)]);
        assert!(store.list(&subject("unknown"), None, 10_000).await.unwrap().is_empty());
    });
}

#[test]
fn claims_are_set_on_sessions_that_have_not_ended() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async {
        let over = Session { ended: Some(ended(1, EndReason::Reuse)), ..session(2) };
        let bobs = Session { subject: subject("bob"), ..session(3) };
        for session in [&session(1), &over, &bobs] {
            store.insert(session).await.unwrap();
        }
        for new in [serde_json::json!({}), serde_json::json!({"roles": ["admin"]})] {
            let new = claims(&new);
            SessionStore::set_claims(&store, &[id(1), id(2)], &new).await.unwrap();
            assert_eq!(store.find(&id(1)).await.unwrap().unwrap().claims, new);
        }
        assert_eq!(store.find(&id(2)).await.unwrap(), Some(over));
        assert_eq!(store.find(&id(3)).await.unwrap(), Some(bobs));
    });
}

async fn left(store: &impl SessionStore) -> Vec<SessionId> {
    let mut left: Vec<SessionId> = store
        .list(&subject("ann"), None, 10_000)
        .await
        .unwrap()
        .iter()
        .map(|session| session.id)
        .collect();
    left.sort();
    left
}

#[test]
fn a_purge_deletes_only_expired_sessions() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async {
        let expiry = |number, expires_at, ends_at| Session {
            expires_at: at(expires_at),
            ends_at: at(ends_at),
            ..session(number)
        };
        for session in
            [expiry(1, 99, 500), expiry(2, 500, 99), expiry(3, 100, 500), expiry(4, 500, 100)]
        {
            store.insert(&session).await.unwrap();
        }
        assert_eq!(store.purge(at(100), 10).await.unwrap(), 2);
        assert_eq!(left(&store).await, [id(3), id(4)]);
        assert_eq!(store.purge(at(100), 10).await.unwrap(), 0);
        assert_eq!(store.purge(at(101), 0).await.unwrap(), 0);
        assert_eq!(store.purge(at(101), 1).await.unwrap(), 1);
        assert_eq!(store.purge(at(101), u32::MAX).await.unwrap(), 1);
        assert!(left(&store).await.is_empty());
    });
}

#[test]
fn a_purge_finds_expired_sessions_behind_many_live_ones() {
    let temp = TempStore::new();
    let store = Arc::new(temp.open());
    run(async {
        // More rows than one scan reads, with expired ones at both ends.
        let inserts: Vec<_> = (0..9_000_u16)
            .map(|number| {
                let store = Arc::clone(&store);
                let expires_at = if (300..8_700).contains(&number) { at(500) } else { at(50) };
                tokio::spawn(async move {
                    store.insert(&Session { expires_at, ..session(number) }).await
                })
            })
            .collect();
        for insert in inserts {
            assert!(insert.await.unwrap().unwrap());
        }
        assert_eq!(store.purge(at(100), 400).await.unwrap(), 400);
        assert_eq!(store.purge(at(100), 400).await.unwrap(), 200);
        assert_eq!(left(&*store).await.len(), 8_400);
    });
}

#[test]
fn concurrent_releases_count_each_session_once() {
    let temp = TempStore::new();
    let stores = [Arc::new(temp.open()), Arc::new(temp.open())];
    run(async {
        let over = Some(ended(1, EndReason::Reuse));
        for number in 0..1_000_u16 {
            let status = Some(index(number.into()));
            let session = Session { ended: over, status, ..session(number) };
            assert!(stores[0].insert(&session).await.unwrap());
        }
        let before = stores[0].write_counts();
        let releases: Vec<_> = (0..8)
            .map(|number| {
                let store = Arc::clone(&stores[number % 2]);
                tokio::spawn(async move { store.release(at(2), 200).await.unwrap() })
            })
            .collect();
        let mut counts = Vec::new();
        for release in releases {
            counts.push(release.await.unwrap());
        }
        assert!(counts.iter().all(|count| *count <= 200), "{counts:?}");
        assert_eq!(counts.iter().sum::<u64>(), 1_000, "{counts:?}");
        assert!(stores[0].revoked(at(0)).await.unwrap().is_empty());
        // In batches, so that other operations run in between.
        assert!(stores[0].write_counts().operations > before.operations + 4);
    });
}

#[test]
fn extreme_times_are_stored_unchanged() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async {
        let session = Session {
            created_at: Timestamp::from_millis(i64::MIN),
            ends_at: Timestamp::from_millis(i64::MAX),
            ..session(1)
        };
        store.insert(&session).await.unwrap();
        assert_eq!(store.find(&id(1)).await.unwrap(), Some(session));
        assert_eq!(store.purge(at(i64::MIN), 10).await.unwrap(), 0);
    });
}

#[test]
fn an_open_store_answers_a_ping() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async { SessionStore::ping(&store).await.unwrap() });
}
