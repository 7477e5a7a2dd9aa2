//! Sessions and accounts in SQL, through diesel: both ports of `aquaware-core`, one table each.
//!
//! [`SqliteStore`] is the embedded engine. Every step of a port is one conditional statement whose
//! answer is looked at; a step that was acknowledged is on the disk. What belongs to no engine
//! (tables, rows, errors) is in modules of its own, so that another engine is one more module
//! beside `sqlite` and a folder of migrations. No rule about sessions is decided here.
//!
//! ```
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

mod error;
mod row;
mod schema;
mod sqlite;

pub use self::error::{Failure, OpenError};
pub use self::sqlite::{SqliteOptions, SqliteStore, WriteCounts};
