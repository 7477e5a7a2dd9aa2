//! Sessions and accounts in SQL databases, through diesel: both ports of `aquaware-core`, with one
//! table each.
//!
//! [`SqliteStore`] is the embedded engine; [`PostgresStore`] and [`MysqlStore`] use servers. Each has
//! a cargo feature (`sqlite`, `postgres`, `mysql`, all enabled by default), and none needs a client
//! library on the system. Every operation is one conditional statement, and its result is checked. An
//! acknowledged operation is on the disk, as far as the engine is configured for that. The statements
//! are written once for all engines; each engine's module adds what is different there. No rule about
//! sessions is decided here.
//!
#![cfg_attr(feature = "sqlite", doc = "```")]
#![cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
//! use aquaware_core::store::SessionStore as _;
//! use aquaware_store_sql::{SqliteOptions, SqliteStore};
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("aquaware.db");
//! let store = SqliteStore::open(SqliteOptions::new(path))?;
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
//! # runtime.block_on(async {
//! store.ping().await?;
//! # Ok::<(), aquaware_core::store::StoreError>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Backup and restore of an SQLite store
//! After a clean stop the database is a single file. While a server is running, or after a crash, it
//! is that file and the `-wal` file beside it: back up a running database with SQLite's own tools
//! (`.backup`, `VACUUM INTO`). To restore, stop the server, delete `-wal` and `-shm`, and put the
//! backup in place of the file.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(any(feature = "sqlite", feature = "postgres", feature = "mysql")))]
compile_error!("choose an engine: the feature `sqlite`, `postgres` or `mysql`");

mod batches;
mod error;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
mod row;
mod schema;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "sqlite")]
mod sqlite;
mod statements;
mod update;

pub use aquaware_core::store::{Setting, StoreFacts};

pub use self::error::{OpenError, ServerError, SqlError, SqlState};
#[cfg(feature = "mysql")]
pub use self::mysql::{MysqlOptions, MysqlStore};
#[cfg(feature = "postgres")]
pub use self::postgres::{PostgresOptions, PostgresStore};
#[cfg(feature = "sqlite")]
pub use self::sqlite::{SqliteOptions, SqliteStore, WriteCounts};

#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../README.md")]
struct Readme;
