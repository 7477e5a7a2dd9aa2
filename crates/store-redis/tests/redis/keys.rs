//! The keys on the server: when they expire, and unexpected content.

use std::time::Duration;

use aquaware_core::session::{EndReason, RETENTION, Session};
use aquaware_core::store::{AccountStore, Outcome, SessionStore, StoreError, Touch};
use aquaware_servers::{Redis, RedisOptions as ServerOptions};
use aquaware_store_redis::RedisStore;
use redis::FromRedisValue;

use aquaware_store_testkit::sample::{account, ended, minimal, session_id, subject};

use crate::records::{applied, at, days, step};
use crate::servers::{SINGLE, command, connect, prefix, run, until};

fn ask<T: FromRedisValue>(words: &[&str]) -> T {
    command(SINGLE.address(), words)
}

/// A store and its prefix.
async fn store() -> (RedisStore, String) {
    let prefix = prefix();
    (connect(&SINGLE.url(), &prefix).await, prefix)
}

/// The server's time in milliseconds.
fn now() -> i64 {
    let (seconds, _): (i64, i64) = ask(&["TIME"]);
    seconds * 1000
}

/// When a key expires, in milliseconds.
fn expiry(key: &str) -> i64 {
    ask(&["PEXPIRETIME", key])
}

#[test]
fn a_key_expires_when_its_session_may_be_dropped() {
    run(async {
        let (store, prefix) = store().await;
        let key = format!("{prefix}s:{}", session_id(1));
        assert!(store.insert(&minimal(1)).await.unwrap());
        // Up to a second more, because the core rounds.
        let expires_with = |session: &Session| {
            let wanted = session.forget_at().millis();
            assert!((wanted..wanted + 1000).contains(&expiry(&key)), "{session:?}");
        };
        expires_with(&minimal(1));
        let moved = applied(store.advance(&session_id(1), &step(1)).await.unwrap());
        expires_with(&moved);
        // Now the absolute lifetime ends first.
        let last = aquaware_core::store::Advance { expires_at: days(999), ..step(2) };
        let moved = applied(store.advance(&session_id(1), &last).await.unwrap());
        assert_eq!(moved.forget_at(), moved.ends_at.floor().plus(RETENTION));
        expires_with(&moved);
    });
}

#[test]
fn an_ended_session_stays_until_its_tokens_expire() {
    run(async {
        let (store, prefix) = store().await;
        let key = format!("{prefix}s:{}", session_id(1));
        store.insert(&minimal(1)).await.unwrap();
        let before = expiry(&key);
        let tombstone = applied(store.end(&session_id(1), ended(EndReason::Reuse)).await.unwrap());
        assert_eq!(expiry(&key), before);
        assert_eq!(store.purge(days(9999), u32::MAX).await.unwrap(), 0);
        assert_eq!(store.find(&session_id(1)).await.unwrap(), Some(tombstone.clone()));
        let late = store.advance(&session_id(1), &step(1)).await.unwrap();
        assert_eq!(late, Outcome::Refused(tombstone));
    });
}

#[test]
fn no_key_expires_earlier_than_the_retention_from_now() {
    run(async {
        let (store, prefix) = store().await;
        let key = format!("{prefix}s:{}", session_id(1));
        let before = now();
        for (number, time) in (1..).zip([at(-1), at(0), at(1_000), at(now())]) {
            let old = Session { expires_at: time, ends_at: time, ..minimal(number) };
            assert!(store.insert(&old).await.unwrap());
            assert_eq!(store.find(&old.id).await.unwrap(), Some(old));
        }
        let retention = i64::try_from(RETENTION.as_millis()).unwrap();
        assert!((before..before + 60_000).contains(&(expiry(&key) - retention)));
    });
}

#[test]
fn a_session_without_a_representable_expiry_never_expires() {
    run(async {
        let (store, prefix) = store().await;
        let endless = Session { expires_at: at(i64::MAX), ends_at: at(i64::MAX), ..minimal(1) };
        assert!(store.insert(&endless).await.unwrap());
        assert_eq!(store.find(&session_id(1)).await.unwrap(), Some(endless));
        assert_eq!(expiry(&format!("{prefix}s:{}", session_id(1))), -1);
        assert_eq!(expiry(&format!("{prefix}u:ann")), -1);
    });
}

#[test]
fn scripts_unknown_to_the_server_are_sent_again() {
    // Other tests count the requests of a step, so they need the scripts on the shared server.
    let server = Redis::start(ServerOptions::default()).unwrap();
    let flush = || server.command(&["SCRIPT", "FLUSH"]).unwrap();
    run(async {
        let store = connect(&server.url(), "").await;
        for number in 1..5 {
            flush();
            assert!(store.insert(&minimal(number)).await.unwrap());
            flush();
            let _ = applied(store.advance(&session_id(number), &step(1)).await.unwrap());
        }
    });
}

#[test]
fn a_lost_index_entry_is_restored_by_the_sixteenth_use() {
    run(async {
        let (store, prefix) = store().await;
        let index = format!("{prefix}u:ann");
        store.insert(&minimal(1)).await.unwrap();
        let _: u32 = ask(&["DEL", &index]);
        for from in 1..16 {
            assert!(
                SessionStore::list(&store, &subject("ann"), None, 10_000).await.unwrap().is_empty(),
                "{from}"
            );
            let _ = applied(store.advance(&session_id(1), &step(from)).await.unwrap());
        }
        until("the entry is restored", async || {
            SessionStore::list(&store, &subject("ann"), None, 10_000).await.unwrap().len() == 1
        })
        .await;
        let everywhere = ended(EndReason::LogoutAll);
        assert_eq!(
            store.end_all(&subject("ann"), None, everywhere, 10_000).await.unwrap().len(),
            1
        );
    });
}

#[test]
fn an_advance_past_lost_writes_restores_the_index_entry_at_once() {
    run(async {
        let (store, prefix) = store().await;
        store.insert(&minimal(1)).await.unwrap();
        let _: u32 = ask(&["DEL", &format!("{prefix}u:ann")]);
        let to = aquaware_core::id::Generation::new(3).unwrap();
        let leap = aquaware_core::store::Advance { to, ..step(1) };
        let _ = applied(store.advance(&session_id(1), &leap).await.unwrap());
        until("the entry is restored", async || {
            SessionStore::list(&store, &subject("ann"), None, 10_000).await.unwrap().len() == 1
        })
        .await;
    });
}

#[test]
fn touches_restore_a_lost_index_entry() {
    run(async {
        let (store, prefix) = store().await;
        store.insert(&minimal(1)).await.unwrap();
        let _: u32 = ask(&["DEL", &format!("{prefix}u:ann")]);
        for number in 0..16 {
            let used = at(minimal(1).last_used_at.millis() + number);
            let _ = applied(
                store
                    .touch(
                        &session_id(1),
                        &Touch {
                            generation: minimal(1).generation,
                            at: used,
                            visible_before: used,
                        },
                    )
                    .await
                    .unwrap(),
            );
        }
        until("the entry is restored", async || {
            SessionStore::list(&store, &subject("ann"), None, 10_000).await.unwrap().len() == 1
        })
        .await;
    });
}

#[test]
fn stale_index_entries_are_removed_unless_an_insert_may_be_in_progress() {
    run(async {
        let (store, prefix) = store().await;
        let index = format!("{prefix}u:ann");
        let old = Session { created_at: at(now() - 7_200_000), ..minimal(1) };
        let young = Session { created_at: at(now()), ..minimal(2) };
        for gone in [&old, &young] {
            store.insert(gone).await.unwrap();
            let _: u32 = ask(&["DEL", &format!("{prefix}s:{}", gone.id)]);
        }
        store.insert(&minimal(3)).await.unwrap();
        assert_eq!(
            SessionStore::list(&store, &subject("ann"), None, 10_000).await.unwrap(),
            [minimal(3)]
        );
        until("the old entry is removed", async || {
            let entries: Vec<String> = ask(&["ZRANGE", &index, "0", "-1"]);
            !entries.iter().any(|entry| entry.starts_with(&old.id.to_string()))
        })
        .await;
        let entries: Vec<String> = ask(&["ZRANGE", &index, "0", "-1"]);
        assert!(entries.iter().any(|entry| entry.starts_with(&young.id.to_string())));
        assert_eq!(entries.len(), 2);
    });
}

#[test]
fn index_entries_of_expired_sessions_are_removed_at_the_next_login() {
    run(async {
        let (store, prefix) = store().await;
        let index = format!("{prefix}u:ann");
        let _: u32 = ask(&["ZADD", &index, "1000", &format!("{} 0", session_id(7))]);
        store.insert(&minimal(1)).await.unwrap();
        let entries: Vec<String> = ask(&["ZRANGE", &index, "0", "-1"]);
        assert_eq!(entries, [format!("{} {}", session_id(1), minimal(1).created_at.millis())]);
    });
}

#[test]
fn an_index_outlives_all_of_its_sessions() {
    run(async {
        let (store, prefix) = store().await;
        let index = format!("{prefix}u:ann");
        let mut longest = 0;
        for (number, end) in [(1, 50), (2, 400), (3, 60)] {
            let session = Session { ends_at: days(end), ..minimal(number) };
            store.insert(&session).await.unwrap();
            longest = longest.max(session.ends_at.plus(RETENTION).millis());
            assert!(expiry(&index) >= longest, "after {end} days");
            assert!(expiry(&index) <= longest + 2 * 86_400_000);
        }
    });
}

#[test]
fn index_entries_for_sessions_of_other_subjects_are_ignored() {
    run(async {
        let (store, prefix) = store().await;
        store.insert(&minimal(1)).await.unwrap();
        let foreign = format!("{} {}", session_id(1), minimal(1).created_at.millis());
        let _: u32 = ask(&["ZADD", &format!("{prefix}u:eve"), "9e15", &foreign]);
        let _: u32 = ask(&["ZADD", &format!("{prefix}u:eve"), "9e15", "no entry"]);
        let eve = subject("eve");
        assert!(SessionStore::list(&store, &eve, None, 10_000).await.unwrap().is_empty());
        assert!(
            store.end_all(&eve, None, ended(EndReason::Revoked), 10_000).await.unwrap().is_empty()
        );
        assert_eq!(store.find(&session_id(1)).await.unwrap(), Some(minimal(1)));
    });
}

#[test]
fn end_all_ends_all_other_sessions_if_one_is_corrupt() {
    run(async {
        let (store, prefix) = store().await;
        // More than are processed concurrently, and the corrupt one first.
        let corrupt = Session { ends_at: days(40), ..minimal(0) };
        store.insert(&corrupt).await.unwrap();
        for number in 1..300 {
            store.insert(&minimal(number)).await.unwrap();
        }
        let _: u32 =
            ask(&["HSET", &format!("{prefix}s:{}", session_id(0)), "client", "no client!"]);
        let error = store.end_all(&subject("ann"), None, ended(EndReason::Revoked), 10_000).await;
        assert!(matches!(error, Err(StoreError::Corrupt { .. })));
        for number in 1..300 {
            assert!(
                store.find(&session_id(number)).await.unwrap().unwrap().ended.is_some(),
                "{number}"
            );
        }
    });
}

#[test]
fn a_key_of_another_type_is_reported_as_corrupt() {
    run(async {
        let (store, prefix) = store().await;
        let key = format!("{prefix}s:{}", session_id(1));
        let _: String = ask(&["SET", &key, "horse"]);
        let failed = [
            store.find(&session_id(1)).await.unwrap_err(),
            store.advance(&session_id(1), &step(1)).await.unwrap_err(),
            store.end(&session_id(1), ended(EndReason::Logout)).await.unwrap_err(),
        ];
        for error in failed {
            assert!(matches!(&error, StoreError::Corrupt { key: named, .. } if *named == key));
            assert!(!format!("{error} {error:?}").contains("horse"));
        }
    });
}

#[test]
fn an_interrupted_creation_leaves_no_visible_account() {
    run(async {
        let (store, prefix) = store().await;
        let ann = account(1);
        let login = ann.login.as_str();
        let _: String = ask(&["SET", &format!("{prefix}i:{}", ann.id), login]);
        let _: u32 = ask(&["ZADD", &format!("{prefix}a"), "0", login]);
        assert_eq!(store.by_id(&ann.id).await.unwrap(), None);
        assert_eq!(store.by_login(&ann.login).await.unwrap(), None);
        assert!(AccountStore::list(&store, None, 10).await.unwrap().is_empty());
        assert!(!store.delete(&ann.id).await.unwrap());
        // The same creation can be repeated.
        assert!(store.create(&ann).await.unwrap());
        assert_eq!(store.by_id(&ann.id).await.unwrap(), Some(ann.clone()));
        assert_eq!(AccountStore::list(&store, None, 10).await.unwrap(), [ann]);
    });
}

#[test]
fn a_deleted_account_leaves_no_keys() {
    run(async {
        let (store, prefix) = store().await;
        for number in [1, 2] {
            assert!(store.create(&account(number)).await.unwrap());
        }
        // Rejected because its login is taken. It must not leave a key either.
        let twin = aquaware_core::account::Account { id: subject("twin"), ..account(1) };
        assert!(!store.create(&twin).await.unwrap());
        for number in [1, 2] {
            assert!(store.delete(&account(number).id).await.unwrap());
        }
        let keys: Vec<String> = ask(&["KEYS", &format!("{prefix}*")]);
        assert!(keys.is_empty(), "{keys:?}");
    });
}

#[test]
fn stores_with_different_prefixes_are_separate() {
    run(async {
        let ((one, _), (two, _)) = (store().await, store().await);
        one.insert(&minimal(1)).await.unwrap();
        one.create(&account(1)).await.unwrap();
        assert_eq!(two.find(&session_id(1)).await.unwrap(), None);
        assert!(SessionStore::list(&two, &subject("ann"), None, 10_000).await.unwrap().is_empty());
        assert!(AccountStore::list(&two, None, 10).await.unwrap().is_empty());
        assert!(two.insert(&minimal(1)).await.unwrap());
        assert!(two.create(&account(1)).await.unwrap());
    });
}

#[test]
fn a_store_can_be_used_from_another_runtime() {
    let home = tokio::runtime::Runtime::new().unwrap();
    let store = home.block_on(store()).0;
    // Like a worker of the server.
    let mut worker = tokio::runtime::Builder::new_current_thread();
    worker.enable_time().build().unwrap().block_on(async {
        store.insert(&minimal(1)).await.unwrap();
        let moved = applied(store.advance(&session_id(1), &step(1)).await.unwrap());
        let found = tokio::time::timeout(Duration::from_secs(30), store.find(&session_id(1))).await;
        assert_eq!(found.unwrap().unwrap(), Some(moved));
    });
}
