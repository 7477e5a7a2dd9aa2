//! Throwaway database servers on free loopback ports, and a bad network in front of them.
//!
//! For tests and developer commands only: nothing that is shipped may name this package. It knows
//! how to start, disturb and stop servers, and nothing of what is stored in them.
//!
//! Promises to the tests that use it:
//! - Many servers run side by side. Each has a directory and ports of its own.
//! - When a handle is dropped, its processes are gone and its directory is removed.
//! - The same holds when the test process panics or is killed: each server runs under a small
//!   shell that ends it as soon as the process that started it is no more.
//! - Nothing is installed here, and no service of the system is started or touched.
//! - Waiting is bounded. What doesn't come true in time is an error that shows the server's log.
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
//! // … its next request is carried out, and the answer is lost …
//! postgres.stop_immediate()?;
//! postgres.restart()?;
//! # Ok(())
//! # }
//! ```

mod error;
mod find;
mod home;
mod mariadb;
mod options;
mod port;
mod postgres;
mod process;
mod proxy;
mod redis;
mod service;
mod url;
mod wait;

pub use error::ServersError;
pub use find::{Kind, missing, require};
pub use mariadb::{Mariadb, MariadbOptions};
pub use options::{Durability, Tls};
pub use port::Port;
pub use postgres::{Postgres, PostgresOptions};
pub use proxy::{Fault, Proxy};
pub use redis::{
    Cluster, ClusterOptions, MASTER_NAME, Redis, RedisOptions, Reply, Sentinel, SentinelOptions,
};
