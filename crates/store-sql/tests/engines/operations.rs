//! Operations: what the conformance suite cannot check, because it is inside the server.

use std::time::{Duration, Instant};

use aquaware_core::account::Login;
use aquaware_core::session::{Device, EndReason, Ended, Session};
use aquaware_core::status::StatusIndex;
use aquaware_core::store::{AccountChange, AccountStore, Outcome, SessionStore, StoreError, Touch};
use aquaware_servers::{Fault, Proxy};
use aquaware_store_sql::SqlError;

use crate::engine::{Engine, Maria, OpenWith, Postgresql, TestDatabase, sleep_of};
use crate::fixtures::{
    account, applied, at, cause, full_text, generation, id, run, session, step, subject,
};

on_each_engine!(
    a_use_recorded_twice_is_recorded_once,
    a_corrupt_session_can_still_be_ended,
    texts_are_compared_byte_by_byte,
    a_dropped_caller_leaves_no_open_transaction,
    a_locked_row_fails_its_own_operation_temporarily_and_no_other,
    missing_tables_are_reported_without_any_sql,
    an_additional_column_of_a_newer_release_is_ignored,
);

pub(crate) fn ended() -> Ended {
    Ended { at: at(5_000), reason: EndReason::LogoutAll }
}

fn a_use_recorded_twice_is_recorded_once<E: Engine>() {
    let database = TestDatabase::<E>::new();
    let store = database.open();
    run(async {
        store.insert(&session(1)).await.unwrap();
        for (millis, last) in [(2_000, 2_000), (2_000, 2_000), (1_500, 2_000), (2_001, 2_001)] {
            let touched = store
                .touch(
                    &id(1),
                    &Touch {
                        generation: generation(1),
                        at: at(millis),
                        visible_before: at(millis),
                    },
                )
                .await
                .unwrap();
            assert_eq!(applied(touched).last_used_at, at(last));
        }
        let other = store
            .touch(
                &id(1),
                &Touch { generation: generation(2), at: at(2_001), visible_before: at(2_001) },
            )
            .await
            .unwrap();
        assert!(matches!(other, Outcome::Refused(_)), "{other:?}");
        store.create(&account("ann")).await.unwrap();
        for _ in 0..2 {
            let ann = &account("ann").id;
            assert!(store.change(ann, AccountChange::SetDisabled(Some(at(1)))).await.unwrap());
            assert!(store.change(ann, AccountChange::SetClaims(&session(1).claims)).await.unwrap());
            assert!(
                store
                    .change(ann, AccountChange::SetPassword(&account("ann").password))
                    .await
                    .unwrap()
            );
            let same = account("ann").password;
            assert!(
                store
                    .change(ann, AccountChange::ReplacePassword { current: &same, new: &same })
                    .await
                    .unwrap()
            );
        }
    });
}

/// MariaDB counts rows found or rows changed, depending on a flag of the connection.
#[test]
fn outcomes_do_not_depend_on_how_rows_are_counted() {
    let database = TestDatabase::<Maria>::new();
    for flag in [true, false] {
        let url = format!("{}?client_found_rows={flag}", database.url());
        let store = Maria::open(&url, OpenWith::default()).unwrap();
        let number = u16::from(flag);
        run(async {
            assert!(store.insert(&session(number)).await.unwrap());
            assert!(!store.insert(&session(number)).await.unwrap());
            for _ in 0..2 {
                applied(
                    store
                        .touch(
                            &id(number),
                            &Touch {
                                generation: generation(1),
                                at: at(3_000),
                                visible_before: at(3_000),
                            },
                        )
                        .await
                        .unwrap(),
                );
            }
            applied(store.advance(&id(number), &step(1, 2_000)).await.unwrap());
            // The same advance again would change nothing.
            let again = store.advance(&id(number), &step(1, 2_000)).await.unwrap();
            assert!(matches!(again, Outcome::Refused(_)), "{again:?}");
            applied(store.end(&id(number), ended()).await.unwrap());
            let again = store.end(&id(number), ended()).await.unwrap();
            assert!(matches!(again, Outcome::Refused(_)), "{again:?}");
            let absent = store
                .touch(
                    &id(9),
                    &Touch { generation: generation(1), at: at(1), visible_before: at(1) },
                )
                .await
                .unwrap();
            assert!(matches!(absent, Outcome::NotFound), "{absent:?}");
            let name = format!("ann{number}");
            assert!(store.create(&account(&name)).await.unwrap());
            assert!(!store.create(&account(&name)).await.unwrap());
            let ann = account(&name);
            assert!(store.change(&ann.id, AccountChange::SetDisabled(None)).await.unwrap());
            assert!(
                store
                    .change(
                        &ann.id,
                        AccountChange::ReplacePassword {
                            current: &ann.password,
                            new: &ann.password
                        }
                    )
                    .await
                    .unwrap()
            );
            assert!(
                !store.change(&subject("unknown"), AccountChange::SetDisabled(None)).await.unwrap()
            );
        });
    }
}

fn a_corrupt_session_can_still_be_ended<E: Engine>() {
    let database = TestDatabase::<E>::new();
    let store = database.open();
    run(async {
        for number in 1..=3 {
            store.insert(&session(number)).await.unwrap();
        }
        database.ask("UPDATE sessions SET client = 's3cret!'");
        let errors = [
            store.end(&id(1), ended()).await.map(|_| ()).unwrap_err(),
            store.end_all(&subject("ann"), None, ended(), 10_000).await.map(|_| ()).unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
            assert!(!full_text(&error).contains("s3cret"), "{error:?}");
        }
        database.ask("UPDATE sessions SET client = 'web'");
        for number in 1..=3 {
            let outcome = store.advance(&id(number), &step(1, 6_000)).await.unwrap();
            let Outcome::Refused(session) = outcome else { panic!("{outcome:?}") };
            assert_eq!(session.ended, Some(ended()));
        }
    });
}

fn texts_are_compared_byte_by_byte<E: Engine>() {
    let database = TestDatabase::<E>::new();
    let store = database.open();
    // Equal under some collation, and in the order of their bytes.
    let subjects = ["RENE", "Rene", "rene", "rene ", "rene\u{301}", "ren\u{e9}", "\u{1F41F}"];
    let logins = [
        "a-b@example.com",
        "a.b@example.com",
        "a_b@example.com",
        "ab@example.com",
        "strasse@example.com",
        "stra\u{df}e@example.com",
        "\u{e9}@example.com",
    ];
    run(async {
        for (number, name) in subjects.iter().enumerate() {
            let number = u16::try_from(number).unwrap();
            let Ok(subject) = aquaware_core::id::Subject::new(*name) else { continue };
            let device = Device {
                name: Some("rene ".to_owned()),
                ip: Some(String::new()),
                user_agent: Some("\u{1F41F}".repeat(256)),
            };
            let session = Session { subject: subject.clone(), device, ..session(number) };
            assert!(store.insert(&session).await.unwrap());
            assert_eq!(
                SessionStore::list(&store, &subject, None, 10_000).await.unwrap(),
                [session]
            );
        }
        for (number, login) in logins.iter().enumerate().rev() {
            let login = Login::new(login).unwrap();
            let id = subject(&format!("id {number}"));
            let account = aquaware_core::account::Account { id, login, ..account("x") };
            assert!(store.create(&account).await.unwrap(), "{account:?}");
        }
        let mut last = None;
        for login in logins {
            let page = AccountStore::list(&store, last.as_ref(), 1).await.unwrap();
            assert_eq!(page[0].login.as_str(), login);
            last = Some(page[0].login.clone());
        }
        assert!(AccountStore::list(&store, last.as_ref(), 1).await.unwrap().is_empty());
    });
}

fn a_dropped_caller_leaves_no_open_transaction<E: Engine>() {
    let database = TestDatabase::<E>::new();
    let proxy = Proxy::to(E::address(database.server)).unwrap();
    let opening = OpenWith { pool_size: 1, ..OpenWith::default() };
    let store = E::open(&database.url_at(proxy.address()), opening).unwrap();
    run(async {
        store.insert(&session(1)).await.unwrap();
        let mut dropped = 0;
        for from in 1..=6 {
            // Each caller is dropped at another point, or after the operation if that has fewer
            // requests and the machine is busy.
            proxy.next(usize::try_from(from - 1).unwrap(), Fault::Pass);
            proxy.next(1, Fault::Delay(Duration::from_millis(300)));
            let step = step(from, 2_000);
            let one = id(1);
            let mut caller = Box::pin(store.advance(&one, &step));
            dropped += usize::from(futures_util::poll!(&mut caller).is_pending());
            drop(caller);
            // The operation is applied all the same, and the only connection is free again.
            let mut tries = 0..3_000;
            while store.find(&id(1)).await.unwrap().unwrap().generation != generation(from + 1) {
                assert!(tries.next().is_some(), "the advance is never applied");
                std::thread::park_timeout(Duration::from_millis(10));
            }
            proxy.pass();
            // Another client can change the row: no lock is left.
            database.ask("UPDATE sessions SET client = 'web'");
        }
        assert!(dropped > 0, "each operation ended before its caller was dropped");
        // The connection of the opening is closed as well, by now or a moment later.
        let mut tries = 0..3_000;
        while proxy.open() != 1 {
            assert!(tries.next().is_some(), "{} connections are open", proxy.open());
            std::thread::park_timeout(Duration::from_millis(10));
        }
    });
}

fn a_locked_row_fails_its_own_operation_temporarily_and_no_other<E: Engine>() {
    let database = TestDatabase::<E>::new();
    // The servers give up after three quarters of it, so two seconds before the caller.
    let timeout = Duration::from_secs(8);
    let store = database.open_with(OpenWith { timeout, ..OpenWith::default() });
    run(async {
        for number in 1..=2 {
            store.insert(&session(number)).await.unwrap();
        }
        let url = database.url();
        let held = E::bytes(id(1).as_bytes());
        let (sleep, asleep) = sleep_of::<E>(12);
        let holder = std::thread::spawn(move || {
            let lock = format!("SELECT id FROM sessions WHERE id = {held} FOR UPDATE");
            E::ask(&url, &format!("BEGIN; {lock}; {sleep}; COMMIT"));
        });
        database.wait_for(&asleep);
        let error = store.advance(&id(1), &step(1, 2_000)).await.unwrap_err();
        assert!(error.is_transient() && !error.is_unknown(), "{error:?}");
        assert!(
            matches!(cause(&error), SqlError::Locked | SqlError::StatementTimeout),
            "{error:?}"
        );
        applied(store.advance(&id(2), &step(1, 2_000)).await.unwrap());
        assert!(store.find(&id(1)).await.unwrap().is_some());
        holder.join().unwrap();
        applied(store.advance(&id(1), &step(1, 2_000)).await.unwrap());
    });
}

fn missing_tables_are_reported_without_any_sql<E: Engine>() {
    let database = TestDatabase::<E>::new();
    let store = database.open();
    database.ask("DROP TABLE sessions");
    run(async {
        for error in [
            store.find(&id(1)).await.unwrap_err(),
            store.insert(&session(1)).await.unwrap_err(),
            store.advance(&id(1), &step(1, 2_000)).await.unwrap_err(),
            SessionStore::list(&store, &subject("s3cret"), None, 10_000).await.unwrap_err(),
            store.purge(at(1), 1).await.unwrap_err(),
            SessionStore::ping(&store).await.unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::Rejected(_)), "{error:?}");
            assert_eq!(cause(&error), SqlError::NotMigrated);
            let text = full_text(&error);
            for word in ["SELECT", "INSERT", "sessions", "s3cret", "ann"] {
                assert!(!text.contains(word), "{text}");
            }
        }
    });
}

fn an_additional_column_of_a_newer_release_is_ignored<E: Engine>() {
    let database = TestDatabase::<E>::new();
    let store = database.open_with(OpenWith { pool_size: 1, ..OpenWith::default() });
    run(async {
        store.insert(&session(1)).await.unwrap();
        applied(store.advance(&id(1), &step(1, 2_000)).await.unwrap());
        assert!(store.find(&id(1)).await.unwrap().is_some());
        // The statements have been prepared by now.
        database.ask("ALTER TABLE sessions ADD COLUMN newer BIGINT");
        database.ask("ALTER TABLE accounts ADD COLUMN newer BIGINT");
        store.insert(&session(2)).await.unwrap();
        store.create(&account("ann")).await.unwrap();
        applied(store.advance(&id(1), &step(2, 2_000)).await.unwrap());
        assert!(store.find(&id(1)).await.unwrap().is_some());
        assert!(store.by_login(&account("ann").login).await.unwrap().is_some());
    });
}

/// Checks the number of messages of each operation: one per statement, so none is prepared again.
fn messages<E: Engine>(expected: [usize; 8]) {
    let database = TestDatabase::<E>::new();
    let proxy = Proxy::to(E::address(database.server)).unwrap();
    let opening = OpenWith { pool_size: 1, ..OpenWith::default() };
    let store = E::open(&database.url_at(proxy.address()), opening).unwrap();
    run(async {
        let mut rounds = 0;
        for number in 0..100 {
            let mut counts = Vec::new();
            let mut before = proxy.requests();
            let (mut last, mut was_idle) = (Instant::now(), false);
            let mut count = || {
                let now = proxy.requests();
                counts.push(now - before);
                before = now;
                // A connection that was idle for half a second is asked whether it is alive.
                was_idle |= last.elapsed() > Duration::from_millis(400);
                last = Instant::now();
            };
            store.insert(&session(number)).await.unwrap();
            count();
            applied(store.advance(&id(number), &step(1, 2_000)).await.unwrap());
            count();
            applied(
                store
                    .touch(
                        &id(number),
                        &Touch {
                            generation: generation(2),
                            at: at(3_000),
                            visible_before: at(3_000),
                        },
                    )
                    .await
                    .unwrap(),
            );
            count();
            let refused = store.advance(&id(number), &step(1, 2_000)).await.unwrap();
            assert!(matches!(refused, Outcome::Refused(_)));
            count();
            store.find(&id(number)).await.unwrap();
            count();
            SessionStore::list(&store, &subject("ann"), None, 10_000).await.unwrap();
            count();
            applied(store.end(&id(number), ended()).await.unwrap());
            count();
            store.revoked(at(0)).await.unwrap();
            count();
            if number > 0 && !was_idle {
                assert_eq!(counts, expected);
                rounds += 1;
            }
            if rounds == 3 {
                return;
            }
        }
        panic!("the machine is too busy");
    });
}

#[test]
fn an_operation_on_postgresql_is_one_message_and_a_refused_one_two() {
    messages::<Postgresql>([1, 1, 1, 2, 1, 1, 1, 1]);
}

#[test]
fn an_update_on_mariadb_is_four_messages() {
    messages::<Maria>([1, 4, 4, 4, 1, 1, 4, 1]);
}

/// An update that changes no index and finds room on its page leaves nothing to vacuum.
#[test]
fn a_refresh_on_postgresql_writes_to_no_index() {
    let database = TestDatabase::<Postgresql>::new();
    let store = database.open();
    run(async {
        let session = Session { status: Some(StatusIndex::from_number(7)), ..session(1) };
        store.insert(&session).await.unwrap();
        for from in 1..=200_u16 {
            let step = step(from.into(), 2_000 + i64::from(from));
            applied(store.advance(&id(1), &step).await.unwrap());
        }
    });
    drop(store);
    let counts = format!(
        "SELECT pg_stat_force_next_flush(); \
         SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables \
         WHERE schemaname = '{}' AND relname = 'sessions'",
        database.name
    );
    for _ in 0..300 {
        let rows = database.ask(&counts);
        let row = rows.last().unwrap();
        let (all, hot): (f64, f64) = (row[0].parse().unwrap(), row[1].parse().unwrap());
        if all >= 200.0 {
            assert!(hot >= all * 0.9, "{hot} of {all}");
            return;
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    panic!("the server does not count updates");
}
