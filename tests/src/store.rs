//! The stores that the program can use.
//!
//! Each database server is started once per test process and shared by its tests, whose accounts
//! and sessions are unique. It ends with the process.

use std::sync::OnceLock;

use aquaware_servers::{Mariadb, MariadbOptions, Postgres, PostgresOptions, Redis, RedisOptions};

/// A store of sessions and accounts.
#[derive(Clone, Copy, Debug)]
pub struct Store {
    /// The name used in tests.
    pub name: &'static str,
    /// Whether sessions survive a restart of the program.
    pub survives: bool,
    url: fn() -> String,
}

impl Store {
    /// A file in the data directory.
    pub const SQLITE: Self =
        Self { name: "sqlite", survives: true, url: || "sqlite:aquaware.db".to_owned() };
    /// The memory of the process.
    pub const MEMORY: Self = Self { name: "memory", survives: false, url: || "memory:".to_owned() };
    /// A Redis server.
    pub const REDIS: Self = Self { name: "redis", survives: true, url: redis };
    /// A PostgreSQL server.
    pub const POSTGRES: Self = Self { name: "postgres", survives: true, url: postgres };
    /// A MariaDB server.
    pub const MARIADB: Self = Self { name: "mariadb", survives: true, url: mariadb };

    /// Its URL for the configuration. Starts the database server if necessary.
    #[must_use]
    pub fn url(&self) -> String {
        (self.url)()
    }
}

fn redis() -> String {
    static SERVER: OnceLock<Redis> = OnceLock::new();
    let start = || Redis::start(RedisOptions::default()).expect("Redis can be started");
    SERVER.get_or_init(start).url()
}

fn postgres() -> String {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    let start = || Postgres::start(PostgresOptions::default()).expect("PostgreSQL can be started");
    SERVER.get_or_init(start).url()
}

fn mariadb() -> String {
    static SERVER: OnceLock<Mariadb> = OnceLock::new();
    let start = || Mariadb::start(MariadbOptions::default()).expect("MariaDB can be started");
    SERVER.get_or_init(start).url()
}

/// Generates a test per store for each of these functions, which take the [`Store`].
#[macro_export]
macro_rules! on_every_store {
    ($($fact:ident),* $(,)?) => { $(
        mod $fact {
            use $crate::Store;

            #[test]
            fn on_sqlite() {
                super::$fact(Store::SQLITE);
            }

            #[test]
            fn in_memory() {
                super::$fact(Store::MEMORY);
            }

            #[test]
            fn on_redis() {
                super::$fact(Store::REDIS);
            }

            #[test]
            fn on_postgres() {
                super::$fact(Store::POSTGRES);
            }

            #[test]
            fn on_mariadb() {
                super::$fact(Store::MARIADB);
            }
        }
    )* };
}

/// Generates a test per database server for each of these functions.
#[macro_export]
macro_rules! on_every_server {
    ($($fact:ident),* $(,)?) => { $(
        mod $fact {
            use $crate::Store;

            #[test]
            fn on_redis() {
                super::$fact(Store::REDIS);
            }

            #[test]
            fn on_postgres() {
                super::$fact(Store::POSTGRES);
            }

            #[test]
            fn on_mariadb() {
                super::$fact(Store::MARIADB);
            }
        }
    )* };
}
