//! The address of a store and how to reach it. URLs are parsed by hand, because a general parser
//! accepts and rewrites more than is intended. Passwords are never formatted.

mod url;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// The text is not the URL of a Redis store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct InvalidUrlError(&'static str);

/// How to reach a store. [`from_url`](Self::from_url) creates it; the public fields can be changed
/// afterwards.
#[derive(Clone)]
pub struct RedisOptions {
    /// How long a call of a port may take, including connecting. Must not be zero.
    pub timeout: Duration,
    /// The beginning of every key, so that several stores can share a database.
    ///
    /// If it contains a `{tag}`, all keys are on one node of a Cluster.
    pub prefix: String,
    /// A PEM file with the certificate authority of the server; without it, the authorities of the
    /// system are used. Only with TLS.
    pub authority: Option<PathBuf>,
    pub(crate) topology: Topology,
    pub(crate) tls: bool,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) database: i64,
}

/// The servers of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Topology {
    /// One server.
    Single(Host),
    /// Sentinels that monitor the master with this name.
    Sentinel { sentinels: Vec<Host>, master: String },
    /// Some nodes of a Cluster.
    Cluster(Vec<Host>),
}

/// A host name or an address without brackets, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) port: u16,
}

/// The credentials of the server's user.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// The ACL user; `None` for the default one.
    pub(crate) user: Option<String>,
    pub(crate) password: String,
}

impl RedisOptions {
    /// The default [`timeout`](Self::timeout).
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);
    /// The default [`prefix`](Self::prefix).
    pub const DEFAULT_PREFIX: &'static str = "aquaware:";
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("timeout", &self.timeout)
            .field("prefix", &self.prefix)
            .field("authority", &self.authority)
            .field("topology", &self.topology)
            .field("tls", &self.tls)
            .field("user", &self.credentials.as_ref().map(|credentials| &credentials.user))
            .field("database", &self.database)
            .finish()
    }
}
