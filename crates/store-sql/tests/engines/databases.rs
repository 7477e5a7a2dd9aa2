//! Unusual PostgreSQL databases: another locale, another encoding, and a commit that fails.

use aquaware_core::account::{Account, Login};
use aquaware_core::store::{AccountStore, SessionStore, StoreError};
use aquaware_store_sql::{OpenError, ServerError, SqlError};

use crate::engine::{Engine, OpenWith, Postgresql, TestDatabase};
use crate::fixtures::{account, cause, id, run, session, step, subject};

/// The URL of a new database with these options.
fn create(name: &str, options: &str) -> String {
    let server = Postgresql::shared();
    Postgresql::ask(&server.url(), &format!("CREATE DATABASE {name} TEMPLATE template0 {options}"));
    let url = server.url();
    let (server, _) = url.rsplit_once('/').unwrap();
    format!("{server}/{name}")
}

#[test]
fn logins_are_sorted_by_bytes_in_any_locale() {
    let url = create("icu", "LOCALE_PROVIDER icu ICU_LOCALE 'de-u-ks-level1'");
    let sorted = "SELECT text FROM (VALUES ('a-b@x'), ('aa@x'), ('a.c@x'), ('zz@x'), ('ä@x')) \
                  AS texts (text) ORDER BY text";
    let logins = ["a-b@example.com", "a.c@example.com", "aa@example.com", "zz@example.com"];
    let last = Postgresql::ask(&url, sorted).pop().unwrap();
    assert_eq!(last, ["zz@x"], "the locale does not sort by bytes");
    let store = Postgresql::open(&url, OpenWith::default()).unwrap();
    run(async {
        for (number, login) in logins.iter().chain(&["\u{e4}@example.com"]).enumerate() {
            let account = Account {
                id: subject(&format!("id {number}")),
                login: Login::new(login).unwrap(),
                ..account("x")
            };
            assert!(store.create(&account).await.unwrap());
        }
        let page = AccountStore::list(&store, None, 4).await.unwrap();
        assert_eq!(page.iter().map(|it| it.login.as_str()).collect::<Vec<_>>(), logins);
    });
}

#[test]
fn a_database_without_utf8_is_rejected() {
    let url = create("latin", "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'");
    let Err(error) = Postgresql::open(&url, OpenWith::default()) else { panic!("opened") };
    assert!(matches!(error, OpenError::Server { reason: ServerError::Encoding, .. }), "{error:?}");
}

/// The row arrives before the commit: reading must not stop at the row.
#[test]
fn an_operation_whose_commit_fails_is_not_acknowledged() {
    let database = TestDatabase::<Postgresql>::new();
    let store = database.open();
    run(async {
        store.insert(&session(1)).await.unwrap();
        database.ask(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '53100'; END $$; \
             CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON sessions \
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()",
        );
        let errors = [
            store.advance(&id(1), &step(1, 2_000)).await.map(|_| ()).unwrap_err(),
            store.end(&id(1), crate::operations::ended()).await.map(|_| ()).unwrap_err(),
            store
                .end_all(&subject("ann"), None, crate::operations::ended(), 10_000)
                .await
                .map(|_| ())
                .unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, StoreError::Rejected(_)), "{error:?}");
            assert_eq!(cause(&error), SqlError::DiskFull);
        }
        assert_eq!(store.find(&id(1)).await.unwrap(), Some(session(1)));
    });
}
