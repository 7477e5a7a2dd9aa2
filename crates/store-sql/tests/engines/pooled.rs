//! PostgreSQL behind PgBouncer, which gives each transaction any of a few server connections.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use aquaware_core::id::{SessionId, Subject};
use aquaware_core::store::SessionStore as _;
use aquaware_servers::{
    Durability, PgBouncer, PgBouncerOptions, PoolMode, PostgresOptions as PostgresServer,
};
use aquaware_store_sql::{OpenError, PostgresStore, ServerError};
use aquaware_store_testkit::{
    ACCOUNT_CHECKS, Harness, OUTBOX_CHECKS, SESSION_CHECKS, Settings, run_account_check,
    run_outbox_check, run_session_check,
};
use async_trait::async_trait;

use crate::engine::{Engine, OpenWith, Postgresql, block_on};
use crate::fixtures::{applied, id, run, session, step};

/// PgBouncer with two connections to the server.
fn start(mode: PoolMode) -> PgBouncer {
    start_with(mode, &[])
}

fn start_with(mode: PoolMode, more: &[(&str, &str)]) -> PgBouncer {
    let durability = Durability::Fast;
    let postgres = PostgresServer { durability, ..PostgresServer::default() };
    let settings = [("default_pool_size", "2")].iter().chain(more);
    let settings =
        settings.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    PgBouncer::start(PgBouncerOptions { postgres, mode, settings }).unwrap()
}

fn refused(url: &str) -> (ServerError, String) {
    match Postgresql::open(url, OpenWith::default()) {
        Err(error @ OpenError::Server { .. }) => {
            let text = error.to_string();
            let OpenError::Server { reason, .. } = error else { unreachable!() };
            (reason, text)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn concurrent_refreshes_of_two_replicas_through_a_transaction_pooler_succeed() {
    const SESSIONS: u16 = 16;
    let pooler = start(PoolMode::Transaction);
    let opening = OpenWith { pool_size: 8, ..OpenWith::default() };
    let open = || Arc::new(Postgresql::open(&pooler.url(), opening).unwrap());
    let stores = [open(), open()];
    run(async {
        let mut refreshes = Vec::new();
        for number in 0..SESSIONS {
            assert!(stores[0].insert(&session(number)).await.unwrap());
            let store = Arc::clone(&stores[usize::from(number % 2)]);
            refreshes.push(tokio::spawn(async move {
                for generation in 1..=20 {
                    let at = 1_000 + i64::try_from(generation).unwrap();
                    let advanced = store.advance(&id(number), &step(generation, at)).await;
                    let _ = applied(advanced.unwrap());
                }
            }));
        }
        for refresh in refreshes {
            refresh.await.unwrap();
        }
        let facts = stores[0].facts().await.unwrap();
        assert_eq!(facts.engine, "PostgreSQL through a connection pooler");
    });
    // Other programs that share the connections find them as they were.
    for question in ["SHOW statement_timeout", "SELECT count(*) FROM pg_prepared_statements"] {
        assert_eq!(Postgresql::ask(&pooler.url(), question), [["0"]], "{question}");
    }
}

#[test]
fn a_pooler_in_session_mode_works() {
    let pooler = start(PoolMode::Session);
    let opening = OpenWith { pool_size: 2, ..OpenWith::default() };
    let store = Postgresql::open(&pooler.url(), opening).unwrap();
    run(async {
        assert!(store.insert(&session(1)).await.unwrap());
        let _ = applied(store.advance(&id(1), &step(1, 2_000)).await.unwrap());
    });
}

#[test]
fn a_pooler_in_statement_mode_is_refused_with_the_remedy() {
    let pooler = start(PoolMode::Statement);
    let (reason, text) = refused(&pooler.url());
    assert_eq!(reason, ServerError::StatementPooling, "{}", pooler.log());
    assert!(text.contains("pool_mode") && text.contains("transaction"), "{text}");
}

#[test]
fn what_a_pooler_rejects_is_named() {
    let pooler = start(PoolMode::Transaction);
    let url = pooler.url();
    let (reason, text) = refused(&format!("{url}?options=-csearch_path%3Dother"));
    assert_eq!(reason, ServerError::StartupParameter);
    assert!(text.contains("remove `options`"), "{text}");
    let password = pooler.postgres().password();
    assert_eq!(refused(&url.replace(password, "wrong")).0, ServerError::Authentication);
    let (server, _) = url.rsplit_once('/').unwrap();
    assert_eq!(refused(&format!("{server}/missing")).0, ServerError::UnknownDatabase);
}

#[test]
fn an_operation_that_waits_too_long_for_the_pooler_has_not_happened() {
    let pooler = start(PoolMode::Transaction);
    let timeout = Duration::from_secs(5);
    let store =
        Postgresql::open(&pooler.url(), OpenWith { timeout, ..OpenWith::default() }).unwrap();
    block_on(async {
        assert!(store.insert(&session(1)).await.unwrap());
        // Two transactions of another program hold both connections to the server.
        let mut held = Vec::new();
        for _ in 0..2 {
            let url = pooler.url();
            let (client, connection) =
                tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            client.simple_query("BEGIN; SELECT 1").await.unwrap();
            held.push(client);
        }
        let error = store.advance(&id(1), &step(1, 2_000)).await.unwrap_err();
        assert!(error.is_transient() && !error.is_unknown(), "{error:?}");
        for client in held {
            client.simple_query("COMMIT").await.unwrap();
        }
        let _ = applied(store.advance(&id(1), &step(1, 2_000)).await.unwrap());
    });
}

/// The conformance suite in databases behind one pooler; a check uses one at a time.
struct Pooled {
    url: Mutex<String>,
}

impl Pooled {
    fn new() -> Self {
        Self { url: Mutex::default() }
    }

    fn url(&self) -> String {
        self.url.lock().unwrap().clone()
    }

    fn open(&self) -> PostgresStore {
        Postgresql::open(&self.url(), OpenWith { pool_size: 3, ..OpenWith::default() }).unwrap()
    }
}

#[async_trait]
impl Harness for Pooled {
    type Store = PostgresStore;

    async fn fresh(&self) -> PostgresStore {
        // A password costs more than all else when hundreds of connections are opened.
        static SHARED: LazyLock<PgBouncer> =
            LazyLock::new(|| start_with(PoolMode::Transaction, &[("auth_type", "trust")]));
        Postgresql::ask(&SHARED.url(), "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
        *self.url.lock().unwrap() = SHARED.url();
        self.open()
    }

    async fn replica(&self, _: &PostgresStore) -> Option<PostgresStore> {
        Some(self.open())
    }

    async fn reopen(&self, store: PostgresStore) -> Option<PostgresStore> {
        drop(store);
        Some(self.open())
    }

    async fn corrupt_session(&self, _: &PostgresStore, id: &SessionId) -> bool {
        let id = Postgresql::bytes(id.as_bytes());
        let corrupt = format!("UPDATE sessions SET generation = 0 WHERE id = {id}");
        Postgresql::ask(&self.url(), &corrupt);
        true
    }

    async fn corrupt_account(&self, _: &PostgresStore, id: &Subject) -> bool {
        let corrupt = format!("UPDATE accounts SET claims = '[]' WHERE id = '{}'", id.as_str());
        Postgresql::ask(&self.url(), &corrupt);
        true
    }

    fn settings(&self) -> Settings {
        Settings {
            sequences: 2,
            max_steps: 20,
            concurrency: 16,
            rounds: 1,
            generations: 20,
            ..Settings::default()
        }
    }
}

/// In one test, because all of it shares one pooler and one database.
#[test]
fn a_store_behind_a_transaction_pooler_passes_the_conformance_suite() {
    for check in SESSION_CHECKS {
        let result = run_session_check(check.name(), Pooled::new);
        assert!(result.is_ok(), "{}: {result:?}", check.name());
    }
    for check in OUTBOX_CHECKS {
        let result = run_outbox_check(check.name(), Pooled::new);
        assert!(result.is_ok(), "{}: {result:?}", check.name());
    }
    for check in ACCOUNT_CHECKS {
        let result = run_account_check(check.name(), Pooled::new);
        assert!(result.is_ok(), "{}: {result:?}", check.name());
    }
}
