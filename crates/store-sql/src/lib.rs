//! Sessions and accounts in SQL, through diesel: both ports of `aquaware-core`, one table each.
//!
//! [`SqliteStore`] is the embedded engine, [`PostgresStore`] and [`MysqlStore`] are servers. Each is
//! a cargo feature (`sqlite`, `postgres`, `mysql`, all of them by default), and none needs a client
//! library on the system. Every step of a port is one conditional statement whose answer is looked
//! at; a step that was acknowledged is on the disk, as far as the engine is set to. What belongs to
//! no engine (tables, rows, errors) is in modules of its own, so that another engine is one more
//! module and a folder of migrations. No rule about sessions is decided here.
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
//! After a clean stop the database is one file. While a server runs, or after a crash, it is the
//! file and its `-wal` beside it: copy a live one with SQLite's own backup (`.backup`, `VACUUM
//! INTO`). To go back, stop the server, remove `-wal` and `-shm`, and put the older file in place.

#[cfg(not(any(feature = "sqlite", feature = "postgres", feature = "mysql")))]
compile_error!("choose an engine: the feature `sqlite`, `postgres` or `mysql`");

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod bites;
mod error;
mod facts;
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

pub use self::error::{Failure, OpenError, Refusal, SqlState};
pub use self::facts::{Setting, StoreFacts};
#[cfg(feature = "mysql")]
pub use self::mysql::{MysqlOptions, MysqlStore};
#[cfg(feature = "postgres")]
pub use self::postgres::{PostgresOptions, PostgresStore};
#[cfg(feature = "sqlite")]
pub use self::sqlite::{SqliteOptions, SqliteStore, WriteCounts};
