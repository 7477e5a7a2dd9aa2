//! The two engines, as far as the tests differ: how a server is started, how each test gets a database
//! of its own, how a store is opened there, and how another client queries the server.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use aquaware_core::store::{AccountStore, Outbox, SessionStore, StoreError};
use aquaware_servers::{
    Durability, Mariadb, MariadbOptions, Postgres, PostgresOptions as PostgresServer, Tls,
};
use aquaware_store_sql::{
    MysqlOptions, MysqlStore, OpenError, PostgresOptions, PostgresStore, StoreFacts,
};
use async_trait::async_trait;
use mysql_async::prelude::Queryable as _;
use tokio_postgres::SimpleQueryMessage;

/// How a store is opened.
#[derive(Clone, Copy)]
pub(crate) struct OpenWith {
    pub(crate) pool_size: usize,
    pub(crate) timeout: Duration,
    pub(crate) migrate: bool,
}

impl Default for OpenWith {
    /// With a long timeout: the tests share their machine.
    fn default() -> Self {
        Self { pool_size: 4, timeout: Duration::from_secs(60), migrate: true }
    }
}

/// How a server is started.
#[derive(Clone, Default)]
pub(crate) struct ServerConfig {
    pub(crate) tls: Option<Tls>,
    /// As in production.
    pub(crate) durability: Durability,
}

impl ServerConfig {
    fn fast() -> Self {
        Self { durability: Durability::Fast, ..Self::default() }
    }
}

#[async_trait]
pub(crate) trait Engine: Send + Sync + 'static {
    const NAME: &'static str;
    /// The tables of the first release.
    const FIRST: &'static str;

    type Store: SessionStore + AccountStore + Outbox + Send + Sync + 'static;
    type Server: Send + Sync + 'static;

    fn start(starting: &ServerConfig) -> Self::Server;
    /// The server of the tests that do not change it.
    fn shared() -> &'static Self::Server;
    fn address(server: &Self::Server) -> SocketAddr;
    fn stop_at_once(server: &mut Self::Server);
    fn restart(server: &mut Self::Server);
    fn pause(server: &mut Self::Server);
    fn resume(server: &mut Self::Server);
    /// Makes it read-only from its next start.
    fn set_read_only(server: &mut Self::Server);
    fn password(server: &Self::Server) -> &str;
    /// Creates an empty database on `server`.
    fn create_database(server: &Self::Server, name: &str);
    /// The URL of the database, with the server reached at `address`.
    fn url(server: &Self::Server, name: &str, address: SocketAddr) -> String;
    fn open(url: &str, opening: OpenWith) -> Result<Self::Store, OpenError>;
    async fn facts(store: &Self::Store) -> Result<StoreFacts, StoreError>;
    /// Queries the server as another client; returns the rows with each column as text.
    fn ask(url: &str, sql: &str) -> Vec<Vec<String>>;
    /// A literal with these bytes.
    fn bytes(bytes: &[u8]) -> String;
}

/// A database of its own on a server: a schema on PostgreSQL.
pub(crate) struct TestDatabase<'s, E: Engine> {
    pub(crate) server: &'s E::Server,
    pub(crate) name: String,
}

impl<E: Engine> TestDatabase<'static, E> {
    pub(crate) fn new() -> Self {
        Self::on(E::shared())
    }
}

impl<'s, E: Engine> TestDatabase<'s, E> {
    pub(crate) fn on(server: &'s E::Server) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}", MADE.fetch_add(1, Ordering::Relaxed));
        E::create_database(server, &name);
        Self { server, name }
    }

    pub(crate) fn url(&self) -> String {
        self.url_at(E::address(self.server))
    }

    pub(crate) fn url_at(&self, address: SocketAddr) -> String {
        E::url(self.server, &self.name, address)
    }

    pub(crate) fn open(&self) -> E::Store {
        self.open_with(OpenWith::default())
    }

    pub(crate) fn open_with(&self, opening: OpenWith) -> E::Store {
        E::open(&self.url(), opening).unwrap()
    }

    pub(crate) fn ask(&self, sql: &str) -> Vec<Vec<String>> {
        E::ask(&self.url(), sql)
    }

    /// Waits until the server counts at least one row in `from`.
    pub(crate) fn wait_for(&self, from: &str) {
        for _ in 0..3_000 {
            if self.value(&format!("SELECT count(*) FROM {from}")) != "0" {
                return;
            }
            thread::park_timeout(Duration::from_millis(10));
        }
        panic!("no rows in {from}");
    }

    /// The single value that `sql` returns.
    pub(crate) fn value(&self, sql: &str) -> String {
        self.ask(sql)[0][0].clone()
    }
}

/// A query that sleeps, and the rows that show [`TestDatabase::wait_for`] that it does.
pub(crate) fn sleep_of<E: Engine>(seconds: u8) -> (String, String) {
    if E::NAME == "PostgreSQL" {
        let asleep = format!("wait_event = 'PgSleep' AND query LIKE '%({seconds})%'");
        (format!("SELECT pg_sleep({seconds})"), format!("pg_stat_activity WHERE {asleep}"))
    } else {
        let asleep = format!("db = DATABASE() AND info LIKE '%({seconds})'");
        (
            format!("SELECT SLEEP({seconds})"),
            format!("information_schema.processlist WHERE {asleep}"),
        )
    }
}

/// Runs `future` in a runtime of its own, on another thread.
pub(crate) fn block_on<T: Send>(future: impl Future<Output = T> + Send) -> T {
    thread::scope(|scope| {
        scope
            .spawn(|| {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap()
                    .block_on(future)
            })
            .join()
            .unwrap()
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) struct Postgresql;

#[async_trait]
impl Engine for Postgresql {
    const NAME: &'static str = "PostgreSQL";
    const FIRST: &'static str =
        include_str!("../../migrations/postgres/2026-11-23-000000_sessions_and_accounts/up.sql");

    type Store = PostgresStore;
    type Server = Postgres;

    fn start(starting: &ServerConfig) -> Postgres {
        let options = PostgresServer {
            durability: starting.durability,
            tls: starting.tls.clone(),
            ..PostgresServer::default()
        };
        Postgres::start(options).unwrap()
    }

    fn shared() -> &'static Postgres {
        static SHARED: LazyLock<Postgres> =
            LazyLock::new(|| Postgresql::start(&ServerConfig::fast()));
        &SHARED
    }

    fn address(server: &Postgres) -> SocketAddr {
        server.address()
    }

    fn stop_at_once(server: &mut Postgres) {
        server.stop_immediate().unwrap();
    }

    fn restart(server: &mut Postgres) {
        server.restart().unwrap();
    }

    fn pause(server: &mut Postgres) {
        server.pause().unwrap();
    }

    fn resume(server: &mut Postgres) {
        server.resume().unwrap();
    }

    fn set_read_only(server: &mut Postgres) {
        server.set("default_transaction_read_only", "on");
    }

    fn password(server: &Postgres) -> &str {
        server.password()
    }

    fn create_database(server: &Postgres, name: &str) {
        Self::ask(&server.url(), &format!("CREATE SCHEMA {name}"));
    }

    fn url(server: &Postgres, name: &str, address: SocketAddr) -> String {
        format!("{}?options=-csearch_path%3D{name}", server.url_at(address))
    }

    fn open(url: &str, opening: OpenWith) -> Result<PostgresStore, OpenError> {
        let OpenWith { pool_size, timeout, migrate } = opening;
        let mut options = PostgresOptions::new(url);
        options.pool_size = pool_size;
        options.timeout = timeout;
        options.migrate = migrate;
        PostgresStore::open(options)
    }

    async fn facts(store: &PostgresStore) -> Result<StoreFacts, StoreError> {
        store.facts().await
    }

    fn ask(url: &str, sql: &str) -> Vec<Vec<String>> {
        block_on(async {
            let (client, connection) =
                tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            let messages = client.simple_query(sql).await.unwrap();
            let row = |message: &SimpleQueryMessage| match message {
                SimpleQueryMessage::Row(row) => {
                    Some((0..row.len()).map(|n| row.get(n).unwrap_or("NULL").to_owned()).collect())
                }
                _ => None,
            };
            messages.iter().filter_map(row).collect()
        })
    }

    fn bytes(bytes: &[u8]) -> String {
        format!("'\\x{}'::bytea", hex(bytes))
    }
}

pub(crate) struct Maria;

#[async_trait]
impl Engine for Maria {
    const NAME: &'static str = "MariaDB";
    const FIRST: &'static str =
        include_str!("../../migrations/mysql/2026-11-23-000000_sessions_and_accounts/up.sql");

    type Store = MysqlStore;
    type Server = Mariadb;

    fn start(starting: &ServerConfig) -> Mariadb {
        let options = MariadbOptions {
            durability: starting.durability,
            tls: starting.tls.clone(),
            ..MariadbOptions::default()
        };
        Mariadb::start(options).unwrap()
    }

    fn shared() -> &'static Mariadb {
        static SHARED: LazyLock<Mariadb> = LazyLock::new(|| Maria::start(&ServerConfig::fast()));
        &SHARED
    }

    fn address(server: &Mariadb) -> SocketAddr {
        server.address()
    }

    fn stop_at_once(server: &mut Mariadb) {
        server.kill().unwrap();
    }

    fn restart(server: &mut Mariadb) {
        server.restart().unwrap();
    }

    fn pause(server: &mut Mariadb) {
        server.pause().unwrap();
    }

    fn resume(server: &mut Mariadb) {
        server.resume().unwrap();
    }

    fn set_read_only(server: &mut Mariadb) {
        server.set("read-only", "1");
    }

    fn password(server: &Mariadb) -> &str {
        server.password()
    }

    fn create_database(server: &Mariadb, name: &str) {
        Self::ask(&server.url(), &format!("CREATE DATABASE aquaware_{name}"));
    }

    fn url(server: &Mariadb, name: &str, address: SocketAddr) -> String {
        format!("{}_{name}", server.url_at(address))
    }

    fn open(url: &str, opening: OpenWith) -> Result<MysqlStore, OpenError> {
        let OpenWith { pool_size, timeout, migrate } = opening;
        let mut options = MysqlOptions::new(url);
        options.pool_size = pool_size;
        options.timeout = timeout;
        options.migrate = migrate;
        MysqlStore::open(options)
    }

    async fn facts(store: &MysqlStore) -> Result<StoreFacts, StoreError> {
        store.facts().await
    }

    fn ask(url: &str, sql: &str) -> Vec<Vec<String>> {
        block_on(async {
            let options = mysql_async::Opts::from_url(url).unwrap();
            let options = mysql_async::OptsBuilder::from_opts(options).prefer_socket(false);
            let mut connection = mysql_async::Conn::new(options).await.unwrap();
            let rows: Vec<mysql_async::Row> = connection.query(sql).await.unwrap();
            let text = |value: mysql_async::Value| match value {
                mysql_async::Value::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                mysql_async::Value::NULL => "NULL".to_owned(),
                other => other.as_sql(true),
            };
            let rows =
                rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect();
            connection.disconnect().await.unwrap();
            rows
        })
    }

    fn bytes(bytes: &[u8]) -> String {
        format!("x'{}'", hex(bytes))
    }
}
