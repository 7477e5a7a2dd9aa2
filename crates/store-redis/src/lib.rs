//! Sessions, accounts, the outbox and the counters of limits in Redis ≥ 6.2 or Valkey: the ports of
//! `aquaware-core`, on one server, behind Sentinel, or in a Cluster.
//!
//! A session is one key, and every step on it is one script on that key, so it is atomic and
//! single-slot on every topology. Data that spans keys (the sessions of a subject, status indices,
//! the ids of accounts) is written in an order in which every interruption leaves something that is
//! ignored, and never a record that cannot be found. The scripts compare and update; all rules about
//! sessions are in the core.
//!
//! [`RedisStore::connect`] rejects a server that would lose what it acknowledged: one that evicts
//! keys, a replica, a version that is too old. Acknowledged writes are as durable as the persistence
//! and the replication of the server: after a failover, a replica may lack the last writes of its
//! master. The core detects that by the generations and repairs it.
//!
//! ```no_run
//! use aquaware_store_redis::{RedisOptions, RedisStore};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let options = RedisOptions::from_url("rediss://aquaware:password@redis.example:6380/0")?;
//! let store = RedisStore::connect(options).await?;
//! # Ok(())
//! # }
//! ```

mod accounts;
mod checks;
mod connection;
mod connector;
mod counters;
mod error;
mod keys;
mod logins;
mod options;
mod outbox;
mod record;
mod scripts;
mod sentinel;
mod server;
mod sessions;
mod status;
mod store;
mod subject;

pub use self::error::{ConnectError, RedisStoreError};
pub use self::options::{InvalidUrlError, RedisOptions};
pub use self::store::RedisStore;

// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
