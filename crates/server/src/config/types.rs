//! The kinds of value that are this program's own: rates, origins, addresses of stores, words.

use std::path::PathBuf;

use super::secret::SecretText;

/// A web origin exactly as a browser sends it: `scheme://host[:port]`, lower case, no default port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin(pub(super) String);

impl Origin {
    /// The text that an `Origin` header must be equal to.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoreUrl {
    /// In this process, gone when it ends.
    Memory,
    /// In this SQLite file; relative paths are resolved already.
    Sqlite(PathBuf),
    /// In a server.
    Server(Engine, SecretText),
}

/// The kinds of server that keep sessions or accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// PostgreSQL and what speaks its protocol.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
    /// Redis and Valkey: single, Cluster or Sentinel, plain or TLS, as the scheme says.
    Redis,
}

impl Engine {
    /// The schemes of URLs and the engines they name.
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
    /// Everybody.
    Open,
    /// Nobody: accounts are made by the operator.
    Closed,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Human on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Human,
    /// One flat JSON object a line.
    Json,
}
