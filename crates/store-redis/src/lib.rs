//! Sessions and accounts in Redis ≥ 6.2 or Valkey: both ports of `aquaware-core`, on one server,
//! behind Sentinel, or in a Cluster.
//!
//! A session is one key, and each step on it is one script on that key, so it is atomic and
//! single-slot everywhere. What spans keys (the sessions of a subject, status indices, the names of
//! an account) is ordered so that whatever breaks off leaves something dangling, which is passed
//! over, and never something alive that can't be found. No rule about sessions is decided here:
//! scripts compare and advance.
//!
//! [`RedisStore::connect`] refuses a server that would lose what it acknowledged: one that evicts,
//! a replica, a version too old. What was acknowledged survives as far as the server's own
//! persistence and replication promise; a Redis replica may miss the last writes of a master that
//! died. The core recognises that by the generations and heals it.
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
mod error;
mod keys;
mod link;
mod options;
mod record;
mod scripts;
mod sessions;
mod status;
mod store;
mod subject;

pub use self::error::{ConnectError, Failure};
pub use self::options::{InvalidUrl, RedisOptions};
pub use self::store::RedisStore;
