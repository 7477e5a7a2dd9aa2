//! `cargo xtask stores`: throwaway servers of every kind of store, until Ctrl-C.
//!
//! How they are started and stopped is the business of the package `aquaware-servers`, by which
//! tests start their own. What is decided here is what a person sees.

mod install;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use aquaware_servers::{
    Cluster, Kind, Mariadb, MariadbOptions, Postgres, PostgresOptions, Redis, RedisOptions,
    Sentinel, ServersError,
};
use clap::Args;
use nix::sys::signal::{SigSet, Signal};

use crate::failure::Failure;
use crate::packages::Permission;
pub(crate) use crate::stores::install::ensure;

/// What to start.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Start these only: redis, sentinel, cluster, postgres, mariadb.
    #[arg(long, value_delimiter = ',', value_name = "KIND")]
    only: Vec<Kind>,
    /// Install the server programs that are missing, and start nothing.
    #[arg(long)]
    install: bool,
    /// Install nothing: fail if a server program is missing.
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
    Mariadb(Mariadb),
}

impl Store {
    fn start(kind: Kind) -> Result<Self, ServersError> {
        Ok(match kind {
            Kind::Redis => Self::Redis(Redis::start(RedisOptions::default())?),
            Kind::Sentinel => Self::Sentinel(Sentinel::start()?),
            Kind::Cluster => Self::Cluster(Cluster::start()?),
            Kind::Postgres => Self::Postgres(Postgres::start(PostgresOptions::default())?),
            Kind::Mariadb => Self::Mariadb(Mariadb::start(MariadbOptions::default())?),
        })
    }

    fn url(&self) -> String {
        match self {
            Self::Redis(server) => server.url(),
            Self::Sentinel(servers) => servers.url(),
            Self::Cluster(servers) => servers.url(),
            Self::Postgres(server) => server.url(),
            Self::Mariadb(server) => server.url(),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// A program is missing and can't or may not be installed, or a server doesn't start.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let kinds = kinds(&options.only);
    ensure(&kinds, Permission::unless(options.no_install))?;
    if options.install {
        return Ok(());
    }
    // Held back until all run, so that a Ctrl-C ends in the same orderly way at any time.
    let end = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    end.thread_block().map_err(|error| signal_failed(error.into()))?;
    let mut stores = Vec::new();
    for kind in kinds {
        eprintln!("starting {kind}");
        let store =
            Store::start(kind).map_err(|error| Failure::Unexpected(format!("{error:?}")))?;
        stores.push((kind, store));
    }
    let urls: Vec<_> = stores.iter().map(|(kind, store)| (*kind, store.url())).collect();
    println!("{}", table(&urls));
    eprintln!("Ctrl-C stops them and removes their data.");
    end.wait().map_err(|error| signal_failed(error.into()))?;
    eprintln!("stopping");
    Ok(())
}

/// Those that were asked for, once each; without a word, all.
fn kinds(only: &[Kind]) -> Vec<Kind> {
    let asked: BTreeSet<Kind> = only.iter().copied().collect();
    if asked.is_empty() { Kind::ALL.into() } else { asked.into_iter().collect() }
}

/// Where the stores are, and what to tell the server so that it uses one.
fn table(urls: &[(Kind, String)]) -> String {
    let mut text = String::new();
    // Writing to a String can't fail.
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

fn signal_failed(source: std::io::Error) -> Failure {
    Failure::Io { what: "can't wait for Ctrl-C".into(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_are_meant_unless_some_are_named() {
        assert_eq!(kinds(&[]), Kind::ALL);
        let twice = [Kind::Postgres, Kind::Redis, Kind::Postgres];
        assert_eq!(kinds(&twice), [Kind::Redis, Kind::Postgres]);
    }

    #[test]
    fn the_table_can_be_read_and_pasted() {
        let urls = [(Kind::Redis, "redis://x".to_owned()), (Kind::Postgres, "postgres://y".into())];
        let text = table(&urls);
        assert!(text.starts_with("redis     redis://x\npostgres  postgres://y\n"), "{text}");
        let line = "\n# the server on postgres\nexport AQUAWARE_STORE__SESSIONS='postgres://y'\n";
        assert!(text.contains(line), "{text}");
    }
}
