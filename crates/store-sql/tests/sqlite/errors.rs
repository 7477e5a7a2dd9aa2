//! Errors: corrupt rows, a damaged file, a held lock.

use std::error::Error as StdError;
use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::time::Duration;

use aquaware_core::session::{EndReason, Session};
use aquaware_core::store::{AccountChange, AccountStore, Outcome, SessionStore, StoreError, Touch};
use aquaware_store_sql::{SqlError, SqliteStore};
use diesel::RunQueryDsl as _;
use diesel::connection::SimpleConnection as _;
use diesel::deserialize::QueryableByName;
use diesel::sql_types::BigInt;

use crate::fixtures::{
    TempStore, account, at, ended, generation, hash, id, index, run, session, step, subject,
};

/// The full text of an error, including its causes.
fn full_text(error: &StoreError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(" {cause} {cause:?}"));
        next = cause.source();
    }
    text
}

fn cause(error: &StoreError) -> SqlError {
    *error.source().unwrap().downcast_ref().unwrap()
}

fn assert_corrupt<T: std::fmt::Debug>(result: Result<T, StoreError>, key: &str) {
    let error = result.unwrap_err();
    assert!(!error.is_transient());
    let StoreError::Corrupt { key: named, .. } = &error else { panic!("{error:?}") };
    assert!(named.contains(key), "{named} does not contain {key}");
    assert!(!full_text(&error).contains("s3cret"), "{}", full_text(&error));
}

#[test]
fn a_corrupt_session_is_reported_by_every_operation() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async {
        for number in 1..=3 {
            store.insert(&session(number)).await.unwrap();
        }
        let hex: String = id(2).as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        temp.execute(&format!("UPDATE sessions SET client = 's3cret!' WHERE id = x'{hex}'"));
        let key = id(2).to_string();
        assert_corrupt(store.find(&id(2)).await, &key);
        assert_corrupt(SessionStore::list(&store, &subject("ann"), None, 10_000).await, &key);
        assert_corrupt(store.advance(&id(2), &step(1, 2_000)).await, &key);
        assert_corrupt(store.advance(&id(2), &step(9, 2_000)).await, &key);
        assert_corrupt(
            store
                .touch(
                    &id(2),
                    &Touch { generation: generation(1), at: at(2_000), visible_before: at(2_000) },
                )
                .await,
            &key,
        );

        temp.execute("UPDATE sessions SET client = 'web'");
        assert_eq!(store.find(&id(2)).await.unwrap(), Some(session(2)), "nothing has changed");
    });
}

#[test]
fn an_invalid_status_index_is_reported_and_never_skipped() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async {
        for number in 1..=3_u16 {
            let status = Some(index(number.into()));
            store.insert(&Session { status, ..session(number) }).await.unwrap();
        }
        let _ =
            store.end_all(&subject("ann"), None, ended(2_000, EndReason::LogoutAll), 10_000).await;
        temp.execute("UPDATE sessions SET status_index = 4294967296 WHERE status_index = 2");
        assert_corrupt(store.find(&id(2)).await, &id(2).to_string());
        assert_corrupt(store.revoked(at(0)).await, "4294967296");
    });
}

#[test]
fn a_corrupt_session_can_still_be_ended() {
    let temp = TempStore::new();
    let store = temp.open();
    let (one, all) = (ended(2_000, EndReason::Logout), ended(3_000, EndReason::LogoutAll));
    run(async {
        for number in 1..=3 {
            store.insert(&session(number)).await.unwrap();
        }
        temp.execute("UPDATE sessions SET client = 's3cret!'");
        assert_corrupt(store.end(&id(1), one).await, &id(1).to_string());
        assert_corrupt(store.end_all(&subject("ann"), None, all, 10_000).await, "session");
        temp.execute("UPDATE sessions SET client = 'web'");
        for (number, expected) in [(1, one), (2, all), (3, all)] {
            let outcome = store.advance(&id(number), &step(1, 4_000)).await.unwrap();
            let Outcome::Refused(session) = outcome else { panic!("{outcome:?}") };
            assert_eq!(session.ended, Some(expected));
        }
    });
}

#[test]
fn a_corrupt_account_is_reported_by_every_operation() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async {
        for name in ["ann", "bob"] {
            store.create(&account(name)).await.unwrap();
        }
        temp.execute("UPDATE accounts SET claims = '[\"s3cret\"]' WHERE id = 'id-of-bob'");
        assert_corrupt(store.by_id(&account("bob").id).await, "id-of-bob");
        assert_corrupt(store.by_login(&account("bob").login).await, "id-of-bob");
        assert_corrupt(AccountStore::list(&store, None, 10).await, "id-of-bob");
        assert!(store.by_id(&account("ann").id).await.unwrap().is_some());
        assert!(
            store
                .change(&account("bob").id, AccountChange::SetPassword(&hash("$new")))
                .await
                .unwrap()
        );
    });
}

#[test]
fn the_tables_reject_values_of_another_type() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async { store.insert(&session(1)).await.unwrap() });
    let mut connection = temp.connect();
    for change in [
        "generation = 'two'",
        "expires_at = 1.5",
        "mark = 'text'",
        "subject = NULL",
        "status_index = 'two'",
    ] {
        let result = connection.batch_execute(&format!("UPDATE sessions SET {change}"));
        assert!(result.is_err(), "{change}");
    }
}

#[derive(QueryableByName)]
struct Page {
    #[diesel(sql_type = BigInt)]
    page: i64,
    #[diesel(sql_type = BigInt)]
    size: i64,
}

#[test]
fn a_damaged_file_is_an_error_and_not_a_missing_session() {
    let temp = TempStore::new();
    let store = temp.open();
    run(async { store.insert(&session(1)).await.unwrap() });
    drop(store);
    let page: Page = diesel::sql_query(
        "SELECT rootpage AS page, page_size AS size FROM sqlite_schema, pragma_page_size \
         WHERE name = 'sessions'",
    )
    .get_result(&mut temp.connect())
    .unwrap();
    let mut file = fs::OpenOptions::new().write(true).open(temp.path()).unwrap();
    let offset = u64::try_from((page.page - 1) * page.size).unwrap();
    file.seek(SeekFrom::Start(offset)).unwrap();
    file.write_all(&vec![0xFF; usize::try_from(page.size).unwrap()]).unwrap();
    drop(file);

    let store = temp.open();
    run(async {
        for error in [
            store.find(&id(1)).await.unwrap_err(),
            store.advance(&id(1), &step(1, 2_000)).await.unwrap_err(),
            SessionStore::ping(&store).await.unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::Rejected(_)), "{error:?}");
            assert_eq!(cause(&error), SqlError::Damaged);
        }
    });
}

#[test]
fn missing_tables_are_reported_without_any_sql() {
    let temp = TempStore::new();
    let store = temp.open();
    temp.execute("DROP TABLE sessions");
    run(async {
        for error in [
            store.find(&id(1)).await.unwrap_err(),
            store.insert(&session(1)).await.unwrap_err(),
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

#[test]
fn a_held_lock_fails_writes_temporarily_and_reads_never() {
    let temp = TempStore::new();
    let mut options = temp.options();
    options.timeout = Duration::from_secs(5);
    let store = SqliteStore::open(options).unwrap();
    run(async {
        store.insert(&session(1)).await.unwrap();
        let mut other = temp.connect();
        other.batch_execute("BEGIN IMMEDIATE").unwrap();
        let error = store.advance(&id(1), &step(1, 2_000)).await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        assert_eq!(store.find(&id(1)).await.unwrap(), Some(session(1)));
        other.batch_execute("COMMIT").unwrap();
        let outcome = store.advance(&id(1), &step(1, 2_000)).await.unwrap();
        assert!(!matches!(outcome, Outcome::NotFound));
    });
}
