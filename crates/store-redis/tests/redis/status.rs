//! Status indices: abandoned claims, ends whose revocation was not published, interrupted releases.

use std::time::Duration;

use aquaware_core::session::{EndReason, Ended, RETENTION, Session};
use aquaware_core::status::StatusIndex;
use aquaware_core::store::{Outcome, Revoked, SessionStore, StoreError, Touch};
use aquaware_core::time::Timestamp;
use aquaware_servers::{Fault, Proxy, Redis, RedisOptions as ServerOptions};
use aquaware_store_redis::RedisStore;
use redis::FromRedisValue;

use aquaware_store_testkit::sample::{NOON, ended, generation, minimal, session_id, subject};

use crate::records::{applied, at, days, step};
use crate::servers::{SINGLE, command, connect, load_scripts, options, prefix, run, until};

const LOGOUT: Ended = Ended { at: NOON, reason: EndReason::Logout };
const HOUR: i64 = 3_600_000;

fn ask<T: FromRedisValue>(words: &[&str]) -> T {
    command(SINGLE.address(), words)
}

/// A store and its prefix.
async fn store() -> (RedisStore, String) {
    let prefix = prefix();
    (connect(&SINGLE.url(), &prefix).await, prefix)
}

/// The same store through a proxy.
async fn through(proxy: &Proxy, prefix: &str) -> RedisStore {
    load_scripts().await;
    let mut options = options(&SINGLE.url_at(proxy.address()), prefix);
    options.timeout = Duration::from_secs(3);
    let store = RedisStore::connect(options).await.unwrap();
    SessionStore::ping(&store).await.unwrap();
    store
}

fn index(number: u32) -> StatusIndex {
    StatusIndex::from_number(number)
}

fn with(number: u64, status: u32) -> Session {
    Session { status: Some(index(status)), ..minimal(number) }
}

fn revoked(number: u32, at: Timestamp) -> Revoked {
    Revoked { index: index(number), at }
}

/// The server's time in milliseconds.
fn now() -> i64 {
    let (seconds, _): (i64, i64) = ask(&["TIME"]);
    seconds * 1000
}

/// Writes a claim as the session `number` would have made it.
fn write_claim(key: &str, number: u64, made: i64) {
    let _: String = ask(&["SET", key, &format!("{} {made}", session_id(number))]);
}

fn claimed_by(key: &str, number: u64) -> bool {
    let claim: Option<String> = ask(&["GET", key]);
    claim.is_some_and(|claim| claim.starts_with(&format!("{} ", session_id(number))))
}

#[test]
fn a_status_index_costs_one_request_at_login_and_end_and_none_at_refresh() {
    let proxy = Proxy::to(SINGLE.address()).unwrap();
    run(async {
        let store = through(&proxy, &prefix()).await;
        let mut before = proxy.requests();
        let mut cost = || {
            let requests = proxy.requests();
            let cost = requests - before;
            before = requests;
            cost
        };
        assert!(store.insert(&minimal(1)).await.unwrap());
        assert_eq!(cost(), 2, "a login without an index: the index entry and the session");
        assert!(store.insert(&with(2, 2)).await.unwrap());
        assert_eq!(cost(), 3, "a login with an index: the claim as well");
        assert!(!store.insert(&with(3, 2)).await.unwrap());
        assert_eq!(cost(), 1, "a taken index");
        for number in [1, 2] {
            let _ = applied(store.advance(&session_id(number), &step(1)).await.unwrap());
            assert_eq!(cost(), 1, "a refresh");
            let _ = applied(
                store
                    .touch(
                        &session_id(number),
                        &Touch { generation: generation(2), at: at(1), visible_before: at(1) },
                    )
                    .await
                    .unwrap(),
            );
            assert_eq!(cost(), 1, "a refresh that keeps its token");
        }
        let _ = applied(store.end(&session_id(2), LOGOUT).await.unwrap());
        assert_eq!(cost(), 2, "an end with an index");
        assert_eq!(store.revoked(NOON).await.unwrap(), [revoked(2, NOON)]);
        assert_eq!(cost(), 1, "all revocations");
        // Last, because the entry in the account's index is dropped after the end has returned.
        let _ = applied(store.end(&session_id(1), LOGOUT).await.unwrap());
        let mut of_the_end = cost();
        until("an end without an index, and its index entry later", async || {
            of_the_end += cost();
            of_the_end == 2
        })
        .await;
    });
}

#[test]
fn an_abandoned_claim_is_taken_over_after_an_hour() {
    run(async {
        let (store, prefix) = store().await;
        let key = format!("{prefix}x:5");
        write_claim(&key, 9, now() - HOUR + 60_000);
        assert!(!store.insert(&with(1, 5)).await.unwrap());
        assert!(claimed_by(&key, 9));
        write_claim(&key, 9, now() - HOUR - 60_000);
        assert!(store.insert(&with(1, 5)).await.unwrap());
        assert!(claimed_by(&key, 1));
        assert!(!store.insert(&with(2, 5)).await.unwrap());
        // The age of a claim is irrelevant if its session has the index, live or ended.
        write_claim(&key, 1, 0);
        assert!(!store.insert(&with(2, 5)).await.unwrap());
        let _ = applied(store.end(&session_id(1), LOGOUT).await.unwrap());
        assert!(!store.insert(&with(2, 5)).await.unwrap());
        assert!(claimed_by(&key, 1));
        assert_eq!(store.find(&session_id(2)).await.unwrap(), None);
    });
}

#[test]
fn a_claim_whose_session_has_another_index_is_abandoned() {
    run(async {
        let (store, prefix) = store().await;
        let key = format!("{prefix}x:5");
        for (number, holder) in [(1, with(7, 6)), (2, minimal(8))] {
            assert!(store.insert(&holder).await.unwrap());
            write_claim(&key, if number == 1 { 7 } else { 8 }, 0);
            assert!(store.insert(&with(number, 5)).await.unwrap());
            assert!(claimed_by(&key, number));
        }
    });
}

#[test]
fn an_abandoned_claim_is_taken_over_once() {
    run(async {
        let (store, prefix) = store().await;
        for round in 0..20 {
            let key = format!("{prefix}x:{round}");
            write_claim(&key, 9999, 0);
            let first = u64::from(round * 16);
            let inserts = (first..first + 16).map(|number| {
                let store = store.clone();
                tokio::spawn(async move { store.insert(&with(number, round)).await.unwrap() })
            });
            let mut kept = 0;
            for insert in inserts.collect::<Vec<_>>() {
                kept += u32::from(insert.await.unwrap());
            }
            assert_eq!(kept, 1, "round {round}");
        }
    });
}

#[test]
fn an_interrupted_insert_can_be_repeated() {
    run(async {
        let (store, prefix) = store().await;
        let key = format!("{prefix}x:5");
        // The repeated insert renews the claim, so that it is not abandoned, however late it comes.
        write_claim(&key, 1, 0);
        assert!(store.insert(&with(1, 5)).await.unwrap());
        let claim: String = ask(&["GET", &key]);
        let made: i64 = claim.split(' ').nth(1).unwrap().parse().unwrap();
        assert!((now() - 60_000..=now() + 60_000).contains(&made), "{claim}");
    });
}

#[test]
fn a_rejected_insert_releases_only_its_own_claim() {
    run(async {
        let (store, prefix) = store().await;
        assert!(store.insert(&with(1, 5)).await.unwrap());
        for again in [5, 6] {
            assert!(!store.insert(&with(1, again)).await.unwrap());
        }
        assert!(claimed_by(&format!("{prefix}x:5"), 1));
        assert_eq!(ask::<u32>(&["EXISTS", &format!("{prefix}x:6")]), 0);
        assert!(!store.insert(&with(2, 5)).await.unwrap());
        assert!(store.insert(&with(2, 6)).await.unwrap());
    });
}

#[test]
fn a_claim_outlives_its_session() {
    run(async {
        let (store, prefix) = store().await;
        let expiry = |key: &str| ask::<i64>(&["PEXPIRETIME", key]);
        let retention = i64::try_from(RETENTION.as_millis()).unwrap();
        let endless = Session { ends_at: at(i64::MAX), ..with(3, 3) };
        for session in [with(1, 1), Session { ends_at: at(now() - 1000), ..with(2, 2) }, endless] {
            assert!(store.insert(&session).await.unwrap());
        }
        assert!(expiry(&format!("{prefix}x:1")) > minimal(1).ends_at.millis() + 2 * retention);
        assert_eq!(expiry(&format!("{prefix}x:3")), -1);
        // Shortly before its record expires, long after its tokens.
        let key = format!("{prefix}s:{}", session_id(2));
        let _: u32 = ask(&["PEXPIRE", &key, "60000"]);
        let _ = applied(store.end(&session_id(2), LOGOUT).await.unwrap());
        assert!(expiry(&key) >= now() + retention);
        assert!(expiry(&format!("{prefix}x:2")) > now() + 2 * retention);
    });
}

#[test]
fn an_end_without_a_published_revocation_can_be_repeated() {
    run(async {
        let faults = [Fault::CutBefore, Fault::CutAfter, Fault::CutWithin(1), Fault::BlackHole];
        for (number, fault) in (1..).zip(faults) {
            for all in [false, true] {
                // Only for this round: the store of an earlier one may be publishing its own.
                let proxy = Proxy::to(SINGLE.address()).unwrap();
                let prefix = prefix();
                let straight = connect(&SINGLE.url(), &prefix).await;
                let number = if all { number + 100 } else { number };
                straight.insert(&with(number, 1)).await.unwrap();
                let store = through(&proxy, &prefix).await;
                let ann = subject("ann");
                let end = async || match all {
                    true => store.end_all(&ann, None, LOGOUT, 10_000).await.map(drop),
                    false => store.end(&session_id(number), LOGOUT).await.map(drop),
                };
                proxy.next_with(format!("1 {} ", session_id(number)).as_bytes(), 1, fault);
                let error = end().await.unwrap_err();
                assert!(error.is_unknown(), "{fault:?}: {error:?}");
                assert_eq!(proxy.pending(), 0);
                assert!(straight.find(&session_id(number)).await.unwrap().unwrap().ended.is_some());
                end().await.unwrap();
                assert_eq!(straight.revoked(NOON).await.unwrap(), [revoked(1, NOON)]);
            }
        }
    });
}

/// A caller may not end the session again, because it has ended.
#[test]
fn a_rejected_revocation_is_published_later() {
    let server = Redis::start(ServerOptions::default()).unwrap();
    run(async {
        let store = connect(&server.url(), "").await;
        store.insert(&with(1, 1)).await.unwrap();
        server.command(&["ACL", "SETUSER", "default", "-zadd"]).unwrap();
        let error = store.end(&session_id(1), LOGOUT).await.unwrap_err();
        // Rejected would mean that nothing was applied.
        assert!(error.is_unknown(), "{error:?}");
        server.command(&["ACL", "SETUSER", "default", "+zadd"]).unwrap();
        until("the revocation is published", async || {
            store.revoked(NOON).await.unwrap() == [revoked(1, NOON)]
        })
        .await;
    });
}

#[test]
fn a_dropped_caller_leaves_no_revocation_unpublished() {
    let proxy = Proxy::to(SINGLE.address()).unwrap();
    run(async {
        let prefix = prefix();
        let straight = connect(&SINGLE.url(), &prefix).await;
        let store = through(&proxy, &prefix).await;
        // On a busy machine, the call may be over before it is dropped.
        for number in 1..100 {
            straight.insert(&with(number.into(), number)).await.unwrap();
            proxy.next(1, Fault::Delay(Duration::from_millis(200)));
            let end = {
                let store = store.clone();
                tokio::spawn(async move { store.end(&session_id(number.into()), LOGOUT).await })
            };
            until("the request has been sent", async || proxy.pending() == 0).await;
            end.abort();
            let was_dropped = end.await.is_err();
            until("the revocation is published", async || {
                straight.revoked(NOON).await.unwrap().contains(&revoked(number, NOON))
            })
            .await;
            if was_dropped {
                return;
            }
        }
        panic!("no call was dropped");
    });
}

#[test]
fn every_step_on_an_ended_session_publishes_its_revocation_again() {
    run(async {
        let (store, prefix) = store().await;
        store.insert(&with(1, 1)).await.unwrap();
        let _ = applied(store.end(&session_id(1), LOGOUT).await.unwrap());
        for step_number in 0..4 {
            // As after a failover that lost the revocation.
            assert_eq!(ask::<u32>(&["DEL", &format!("{prefix}r")]), 1);
            let late = ended(EndReason::Reuse);
            match step_number {
                0 => drop(store.advance(&session_id(1), &step(1)).await.unwrap()),
                1 => drop(
                    store
                        .touch(
                            &session_id(1),
                            &Touch { generation: generation(1), at: NOON, visible_before: NOON },
                        )
                        .await
                        .unwrap(),
                ),
                2 => drop(store.end(&session_id(1), late).await.unwrap()),
                _ => drop(store.end_all(&subject("ann"), None, late, 10_000).await.unwrap()),
            }
            let published = store.revoked(NOON).await.unwrap();
            assert_eq!(published, [revoked(1, NOON)], "{step_number}");
        }
    });
}

#[test]
fn revocations_are_exact_beyond_the_precision_of_scores() {
    run(async {
        let (store, _) = store().await;
        let odd = (1 << 53) + 1;
        let instants = [i64::MIN, -odd, -1, 0, odd, odd + 2, i64::MAX - 1, i64::MAX].map(at);
        for (number, instant) in (1..).zip(instants) {
            let ended = Some(Ended { at: instant, ..LOGOUT });
            store.insert(&Session { ended, ..with(number.into(), number) }).await.unwrap();
        }
        for since in instants {
            for since in [since, at(since.millis().saturating_add(1))] {
                let mut found: Vec<_> =
                    store.revoked(since).await.unwrap().into_iter().map(|it| it.at).collect();
                found.sort();
                let wanted: Vec<_> = instants.into_iter().filter(|at| *at >= since).collect();
                assert_eq!(found, wanted, "{}", since.millis());
            }
        }
        // Only what ended before the instant is released, not what ended at it.
        assert_eq!(store.release(at(odd), 10).await.unwrap(), 4);
        assert_eq!(store.release(at(odd), 10).await.unwrap(), 0);
    });
}

#[test]
fn an_interrupted_release_is_repeated() {
    run(async {
        for fault in [Fault::CutBefore, Fault::CutAfter] {
            // It reads, releases the index, removes the claim and the revocation, and reads again.
            for lost in 0..5 {
                let proxy = Proxy::to(SINGLE.address()).unwrap();
                let prefix = prefix();
                let straight = connect(&SINGLE.url(), &prefix).await;
                straight.insert(&Session { ended: Some(LOGOUT), ..with(1, 1) }).await.unwrap();
                let store = through(&proxy, &prefix).await;
                proxy.next(lost, Fault::Pass);
                proxy.next(1, fault);
                let case = format!("{fault:?} at {lost}");
                let error = store.release(days(1), 10).await.unwrap_err();
                assert_eq!(proxy.pending(), 0, "{case}");
                let held = straight.find(&session_id(1)).await.unwrap().unwrap().status.is_some();
                assert!(held || error.is_unknown(), "{case}: {error:?}");
                // The next owner of the index must not be confused with the previous one.
                let next = straight.insert(&with(2, 1)).await.unwrap();
                assert!(!held || !next, "{case}");
                let again = straight.release(days(1), 10).await.unwrap();
                assert_eq!(again, u64::from(held), "{case}");
                assert_eq!(
                    straight.find(&session_id(1)).await.unwrap().unwrap().status,
                    None,
                    "{case}"
                );
                assert_eq!(straight.revoked(at(0)).await.unwrap(), [], "{case}");
                assert_eq!(straight.insert(&with(2, 1)).await.unwrap(), !next, "{case}");
                assert!(claimed_by(&format!("{prefix}x:1"), 2), "{case}");
            }
        }
    });
}

#[test]
fn a_session_whose_end_was_lost_keeps_its_index() {
    run(async {
        let (store, prefix) = store().await;
        store.insert(&with(1, 1)).await.unwrap();
        let _ = applied(store.end(&session_id(1), LOGOUT).await.unwrap());
        // A failover lost the end, but not the revocation.
        let key = format!("{prefix}s:{}", session_id(1));
        assert_eq!(ask::<u32>(&["HDEL", &key, "ended", "reason"]), 2);
        assert_eq!(store.release(days(1), 10).await.unwrap(), 0);
        assert_eq!(store.revoked(at(0)).await.unwrap(), []);
        assert_eq!(store.find(&session_id(1)).await.unwrap(), Some(with(1, 1)));
        assert!(!store.insert(&with(2, 1)).await.unwrap());
        // The revocation of the first end does not release the index after a second end.
        let again = Ended { at: days(2), ..LOGOUT };
        let _ = applied(store.end(&session_id(1), again).await.unwrap());
        let first = format!("1 {} {}", session_id(1), NOON.millis());
        let _: u32 = ask(&["ZADD", &format!("{prefix}r"), &NOON.millis().to_string(), &first]);
        assert_eq!(store.release(days(1), 10).await.unwrap(), 0);
        assert!(!store.insert(&with(2, 1)).await.unwrap());
        assert_eq!(store.revoked(at(0)).await.unwrap(), [revoked(1, days(2))]);
        assert_eq!(store.release(days(3), 10).await.unwrap(), 1);
        assert!(store.insert(&with(2, 1)).await.unwrap());
    });
}

#[test]
fn a_release_frees_the_index_of_a_missing_session_without_counting_it() {
    run(async {
        let (store, prefix) = store().await;
        for number in [1, 2] {
            let gone = Session { ended: Some(LOGOUT), ..with(number.into(), number) };
            store.insert(&gone).await.unwrap();
        }
        assert_eq!(ask::<u32>(&["DEL", &format!("{prefix}s:{}", session_id(1))]), 1);
        assert_eq!(store.release(days(1), 10).await.unwrap(), 1);
        assert_eq!(store.revoked(at(0)).await.unwrap(), []);
        for number in [1, 2] {
            assert!(store.insert(&with(u64::from(10 + number), number)).await.unwrap(), "{number}");
        }
    });
}

#[test]
fn corrupt_revocations_are_reported_and_do_not_block_releases() {
    run(async {
        let (store, prefix) = store().await;
        let set = format!("{prefix}r");
        // More than are released concurrently, and before all valid ones.
        for number in 0..200 {
            let _: u32 = ask(&["ZADD", &set, "0", &format!("horse {number}")]);
        }
        let ended_session =
            |number: u32| Session { ended: Some(LOGOUT), ..with(number.into(), number) };
        for number in 0..300 {
            store.insert(&ended_session(number)).await.unwrap();
        }
        let key = format!("{prefix}s:{}", session_id(0));
        assert_eq!(ask::<u32>(&["DEL", &key]), 1);
        let _: String = ask(&["SET", &key, "horse"]);
        for error in [
            store.revoked(at(0)).await.map(|_| 0).unwrap_err(),
            store.release(days(1), u32::MAX).await.unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
            assert!(error.to_string().contains(&prefix) && !error.to_string().contains("horse"));
        }
        for number in 1..300 {
            assert!(
                store.insert(&with(u64::from(1000 + number), number)).await.unwrap(),
                "{number}"
            );
        }
    });
}

#[test]
fn an_invalid_status_index_is_corrupt() {
    run(async {
        let (store, prefix) = store().await;
        store.insert(&with(1, 1)).await.unwrap();
        let key = format!("{prefix}s:{}", session_id(1));
        for bad in ["", "01", "-1", "4294967296", "one"] {
            let _: u32 = ask(&["HSET", &key, "status", bad]);
            let error = store.find(&session_id(1)).await.unwrap_err();
            assert!(matches!(error, StoreError::Corrupt { .. }), "{bad}");
        }
        let _: u32 = ask(&["HDEL", &key, "status"]);
        assert!(matches!(store.end(&session_id(1), LOGOUT).await.unwrap(), Outcome::Applied(_)));
        assert_eq!(store.revoked(at(0)).await.unwrap(), []);
    });
}
