//! PostgreSQL databases that are not as the others: of another language, of another encoding, and
//! with a commit that fails.

use aquaware_core::account::{Account, Login};
use aquaware_core::store::{AccountStore, SessionStore, StoreError};
use aquaware_store_sql::{Failure, OpenError, Refusal};

use crate::engine::{Engine, Opening, Postgresql, Space};
use crate::sample::{account, cause, id, run, session, step, subject};

/// The URL of a new database made with `how`.
fn database(name: &str, how: &str) -> String {
    let server = Postgresql::shared();
    Postgresql::ask(&server.url(), &format!("CREATE DATABASE {name} TEMPLATE template0 {how}"));
    let url = server.url();
    let (server, _) = url.rsplit_once('/').unwrap();
    format!("{server}/{name}")
}

#[test]
fn logins_are_in_the_order_of_their_bytes_in_any_language() {
    let url = database("icu", "LOCALE_PROVIDER icu ICU_LOCALE 'de-u-ks-level1'");
    let sorted = "SELECT text FROM (VALUES ('a-b@x'), ('aa@x'), ('a.c@x'), ('zz@x'), ('ä@x')) \
                  AS texts (text) ORDER BY text";
    let logins = ["a-b@example.com", "a.c@example.com", "aa@example.com", "zz@example.com"];
    let last = Postgresql::ask(&url, sorted).pop().unwrap();
    assert_eq!(last, ["zz@x"], "the language has another order than bytes have");
    let store = Postgresql::open(&url, Opening::default()).unwrap();
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
fn a_database_that_cannot_keep_every_text_is_refused() {
    let url = database("latin", "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'");
    let Err(error) = Postgresql::open(&url, Opening::default()) else { panic!("opened") };
    assert!(matches!(error, OpenError::Server { why: Refusal::Encoding, .. }), "{error:?}");
}

/// The row comes before the commit: a step that stops reading at the row is not done.
#[test]
fn a_step_whose_commit_fails_is_not_acknowledged() {
    let space = Space::<Postgresql>::new();
    let store = space.open();
    run(async {
        store.insert(&session(1)).await.unwrap();
        space.ask(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '53100'; END $$; \
             CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON sessions \
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()",
        );
        let errors = [
            store.advance(&id(1), &step(1, 2_000)).await.map(|_| ()).unwrap_err(),
            store.end(&id(1), crate::steps::ended()).await.map(|_| ()).unwrap_err(),
            store
                .end_all(&subject("ann"), None, crate::steps::ended())
                .await
                .map(|_| ())
                .unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, StoreError::Rejected(_)), "{error:?}");
            assert_eq!(cause(&error), Failure::Full);
        }
        assert_eq!(store.find(&id(1)).await.unwrap(), Some(session(1)));
    });
}
