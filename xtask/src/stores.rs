//! `cargo xtask stores`: throwaway servers of every kind of store, until Ctrl-C.
//!
//! The package `aquaware-servers` starts and stops them, as it does for tests.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use aquaware_servers::{
    Cluster, Kind, Mariadb, MariadbOptions, PgBouncer, PgBouncerOptions, Postgres, PostgresOptions,
    Redis, RedisOptions, Sentinel, ServersError, missing, require,
};
use clap::Args;
use nix::sys::signal::{SigSet, Signal};

use crate::error::TaskError;
use crate::packages::{self, Missing, Permission};

/// The options of the command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Start only these: redis, sentinel, cluster, postgres, pgbouncer, mariadb.
    #[arg(long, value_delimiter = ',', value_name = "KIND")]
    only: Vec<Kind>,
    /// Install missing server programs and start nothing.
    #[arg(long)]
    install: bool,
    /// Install nothing; fail if a server program is missing.
    #[arg(long, conflicts_with = "install")]
    no_install: bool,
}

/// A running store. It is stopped when dropped.
#[derive(Debug)]
enum Store {
    Redis(Redis),
    Sentinel(Sentinel),
    Cluster(Cluster),
    Postgres(Postgres),
    PgBouncer(PgBouncer),
    Mariadb(Mariadb),
}

impl Store {
    fn start(kind: Kind) -> Result<Self, ServersError> {
        Ok(match kind {
            Kind::Redis => Self::Redis(Redis::start(RedisOptions::default())?),
            Kind::Sentinel => Self::Sentinel(Sentinel::start()?),
            Kind::Cluster => Self::Cluster(Cluster::start()?),
            Kind::Postgres => Self::Postgres(Postgres::start(PostgresOptions::default())?),
            Kind::PgBouncer => Self::PgBouncer(PgBouncer::start(PgBouncerOptions::default())?),
            Kind::Mariadb => Self::Mariadb(Mariadb::start(MariadbOptions::default())?),
        })
    }

    fn url(&self) -> String {
        match self {
            Self::Redis(server) => server.url(),
            Self::Sentinel(servers) => servers.url(),
            Self::Cluster(servers) => servers.url(),
            Self::Postgres(server) => server.url(),
            Self::PgBouncer(pooler) => pooler.url(),
            Self::Mariadb(server) => server.url(),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// A program is missing and cannot be installed, or a server does not start.
pub(crate) fn run(options: &Options) -> Result<(), TaskError> {
    let kinds = kinds(&options.only);
    ensure(&kinds, Permission::unless(options.no_install))?;
    if options.install {
        return Ok(());
    }
    // Signals are blocked until all servers run, so that Ctrl-C always stops them in order.
    let end = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    let failed = || TaskError::io("cannot wait for Ctrl-C");
    end.thread_block().map_err(|error| failed()(error.into()))?;
    let mut stores = Vec::new();
    for kind in kinds {
        eprintln!("starting {kind}");
        let store = Store::start(kind).map_err(|error| TaskError::Message(format!("{error:?}")))?;
        stores.push((kind, store));
    }
    let urls: Vec<_> = stores.iter().map(|(kind, store)| (*kind, store.url())).collect();
    println!("{}", table(&urls));
    eprintln!("Ctrl-C stops them and removes their data.");
    end.wait().map_err(|error| failed()(error.into()))?;
    eprintln!("stopping");
    Ok(())
}

/// Installs the programs of these kinds of servers if they are missing.
///
/// # Errors
/// Programs are missing, and they may not be installed or the packages do not contain them.
pub(crate) fn ensure(kinds: &[Kind], permission: Permission) -> Result<(), TaskError> {
    let missing = missing(kinds);
    if missing.is_empty() {
        eprintln!("the server programs are installed");
        return Ok(());
    }
    let program = |kind: &Kind| Missing { name: kind.name(), package: kind.package() };
    let programs: Vec<_> = missing.iter().map(program).collect();
    packages::install(&programs, permission)?;
    require(kinds).map_err(|error| TaskError::Message(error.to_string()))
}

/// The requested kinds, each once; all if none is requested.
fn kinds(only: &[Kind]) -> Vec<Kind> {
    let requested: BTreeSet<Kind> = only.iter().copied().collect();
    if requested.is_empty() { Kind::ALL.into() } else { requested.into_iter().collect() }
}

/// The URLs of the stores, and the settings that make the server use one of them.
fn table(urls: &[(Kind, String)]) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    for (kind, url) in urls {
        let _ = writeln!(text, "{:<9} {url}", kind.name());
    }
    for (kind, url) in urls {
        let _ = write!(text, "\n# the server on {kind}\n");
        for port in ["SESSIONS", "ACCOUNTS"] {
            let _ = writeln!(text, "export AQUAWARE_STORE__{port}='{url}'");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_are_started_unless_some_are_requested() {
        assert_eq!(kinds(&[]), Kind::ALL);
        let twice = [Kind::Postgres, Kind::Redis, Kind::Postgres];
        assert_eq!(kinds(&twice), [Kind::Redis, Kind::Postgres]);
    }

    #[test]
    fn the_table_lists_urls_and_settings_to_paste() {
        let urls = [(Kind::Redis, "redis://x".to_owned()), (Kind::Postgres, "postgres://y".into())];
        let text = table(&urls);
        assert!(text.starts_with("redis     redis://x\npostgres  postgres://y\n"), "{text}");
        let line = "\n# the server on postgres\nexport AQUAWARE_STORE__SESSIONS='postgres://y'\n";
        assert!(text.contains(line), "{text}");
    }
}
