//! Throwaway database servers on free loopback ports, and a bad network in front of them.
//!
//! For tests and developer commands only: no published crate may depend on this package. It can
//! start, disturb and stop servers, and does not depend on what is stored in them.
//!
//! It guarantees:
//! - Many servers can run at the same time. Each has its own directory and ports.
//! - When a handle is dropped, its processes are ended and its directory is removed.
//! - The same applies when the test process panics or is killed: each server runs under a small
//!   shell that ends it as soon as the process that started it has ended.
//! - Nothing is installed, and no service of the system is started or changed.
//! - Waiting is bounded. A timeout is an error that contains the server's log.
//!
//! ```no_run
//! use aquaware_servers::{Postgres, PostgresOptions, Proxy, Fault};
//!
//! # fn main() -> Result<(), aquaware_servers::ServersError> {
//! let mut postgres = Postgres::start(PostgresOptions::default())?;
//! let proxy = Proxy::to(postgres.address())?;
//! let url = postgres.url_at(proxy.address());
//! // … a store connects to `url` …
//! proxy.next(1, Fault::CutAfter);
//! // … its next request is executed, but the response is lost …
//! postgres.stop_immediate()?;
//! postgres.restart()?;
//! # Ok(())
//! # }
//! ```

mod data_dir;
mod error;
mod find;
mod kind;
mod mariadb;
mod options;
mod pgbouncer;
mod port;
mod postgres;
mod process;
mod proxy;
mod redis;
mod service;
mod url;
mod wait;

pub use error::ServersError;
pub use find::{missing, require};
pub use kind::Kind;
pub use mariadb::{Mariadb, MariadbOptions};
pub use options::{Durability, Tls};
pub use pgbouncer::{PgBouncer, PgBouncerOptions, PoolMode};
pub use port::Port;
pub use postgres::{Postgres, PostgresOptions};
pub use proxy::{Fault, Proxy};
pub use redis::{
    Cluster, ClusterOptions, MASTER_NAME, Redis, RedisOptions, Reply, Sentinel, SentinelOptions,
};
