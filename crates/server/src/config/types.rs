//! The types of values that only this program has: store URLs and named options.

use std::fmt;
use std::path::PathBuf;

use super::secret::{SecretText, masked_url};

/// The location of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoreUrl {
    /// In the memory of this process.
    Memory,
    /// An SQLite file. The path is not relative to the data directory any more.
    Sqlite(PathBuf),
    Server(Engine, SecretText),
}

/// Where a command looked, without passwords.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Server(_, url) => f.write_str(&masked_url(url.expose())),
        }
    }
}

/// The kinds of store servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Postgres,
    Mysql,
    /// Redis and Valkey. The scheme selects a single server, Cluster or Sentinel, and TLS.
    Redis,
}

impl Engine {
    /// The URL schemes and their engines.
    pub(super) const SCHEMES: [(&'static str, Self); 10] = [
        ("postgres", Self::Postgres),
        ("postgresql", Self::Postgres),
        ("mysql", Self::Mysql),
        ("mariadb", Self::Mysql),
        ("redis", Self::Redis),
        ("rediss", Self::Redis),
        ("redis-cluster", Self::Redis),
        ("redis-sentinel", Self::Redis),
        ("rediss-cluster", Self::Redis),
        ("rediss-sentinel", Self::Redis),
    ];
}

/// Who may sign up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signup {
    Open,
    /// Only the operator creates accounts.
    Closed,
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Text on a terminal, otherwise JSON.
    Auto,
    /// Text for people.
    Human,
    /// One flat JSON object per line.
    Json,
}
