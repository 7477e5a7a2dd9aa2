//! Where the store is and how to reach it. URLs are read here by hand: a general parser would take,
//! and rewrite, more than is meant. No password is ever formatted.

mod url;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// A URL that names no Redis store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct InvalidUrl(pub(crate) &'static str);

/// How to reach a store.
#[derive(Clone)]
pub struct RedisOptions {
    /// How long a call of a port may take, connecting included. More than zero.
    pub timeout: Duration,
    /// What every key begins with, so that several stores share one database.
    ///
    /// With a `{tag}` in it, all keys of a Cluster lie on one node.
    pub prefix: String,
    /// A PEM file of the authority that signed the server's certificate; the system's authorities
    /// otherwise. Only with TLS.
    pub authority: Option<PathBuf>,
    pub(crate) place: Place,
    pub(crate) tls: bool,
    pub(crate) login: Option<Login>,
    pub(crate) database: i64,
}

/// The servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// One server.
    Single(Host),
    /// The Sentinels that know where the master called `master` is.
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

/// Who logs in to the server.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login {
    /// The ACL user; none for the default one.
    pub(crate) user: Option<String>,
    pub(crate) password: String,
}

impl RedisOptions {
    /// How long a call may take unless something else is said.
    pub const TIMEOUT: Duration = Duration::from_secs(2);
    /// What keys begin with unless something else is said.
    pub const PREFIX: &'static str = "aquaware:";

    /// Reads one of
    /// - `redis://[user:password@]host[:port][/database]`
    /// - `redis-sentinel://[user:password@]host[:port][,host[:port]…]/master[/database]`; what is
    ///   said of user and password goes for the servers, and for the Sentinels if they ask
    /// - `redis-cluster://[user:password@]host[:port][,host[:port]…]`
    ///
    /// with `rediss` in place of `redis` for TLS, and behind it `?prefix=…` and, with TLS,
    /// `authority=FILE`. `%XX` stands for a byte everywhere but in hosts.
    ///
    /// # Errors
    /// [`InvalidUrl`] says what is wrong; it never repeats the URL.
    pub fn from_url(url: &str) -> Result<Self, InvalidUrl> {
        url::read(url)
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("timeout", &self.timeout)
            .field("prefix", &self.prefix)
            .field("authority", &self.authority)
            .field("place", &self.place)
            .field("tls", &self.tls)
            .field("user", &self.login.as_ref().map(|login| &login.user))
            .field("database", &self.database)
            .finish()
    }
}
