//! `cargo xtask upgrade`: an upgrade to this revision, and back, while clients refresh.
//!
//! The earlier program is built in a git worktree below target/upgrade. On PostgreSQL, MariaDB and
//! Redis two replicas are replaced one after the other; on SQLite the only server is. No client may
//! be logged out, and no request may fail while another replica runs.

mod clients;
mod earlier;

use std::path::PathBuf;
use std::time::Duration;

use aquaware_servers::{
    Kind, Mariadb, MariadbOptions, Postgres, PostgresOptions, Redis, RedisOptions,
};
use clap::Args;
use tempfile::TempDir;

use crate::error::TaskError;
use crate::packages::Permission;
use crate::report::Report;
use crate::server::Server;
use crate::upgrade::clients::Clients;
use crate::{program, stores};

/// How long clients refresh between two replacements.
const PAUSE: Duration = Duration::from_secs(3);

/// The options of the command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// The earlier revision; by default the last tag, or the commit before this one.
    revision: Option<String>,
    /// Use this program as the earlier one instead of building it.
    #[arg(long, value_name = "PATH", conflicts_with = "revision")]
    old: Option<PathBuf>,
    /// Use this program as the later one instead of building it.
    #[arg(long, value_name = "PATH")]
    new: Option<PathBuf>,
    /// Install nothing; fail if a server program is missing.
    #[arg(long)]
    no_install: bool,
}

/// The two programs.
struct Programs {
    old: PathBuf,
    new: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// A build fails, a server does not start, or a client is logged out.
pub(crate) fn run(options: &Options) -> Result<(), TaskError> {
    let mut report = Report::default();
    let kinds = [Kind::Postgres, Kind::Mariadb, Kind::Redis];
    let permission = Permission::unless(options.no_install);
    let installed = report.step("stores", || stores::ensure(&kinds, permission));
    let programs = report.step("programs", || {
        let old = match &options.old {
            Some(path) => path.clone(),
            None => earlier::build(options.revision.as_deref())?,
        };
        let new = match &options.new {
            Some(path) => path.clone(),
            None => program::build(&["--bin", "aquaware"])?,
        };
        Ok(Programs { old, new })
    });
    let (Some(()), Some(programs)) = (installed, programs) else { return report.finish() };
    report.step("PostgreSQL", || {
        let store = Postgres::start(PostgresOptions::default()).map_err(message)?;
        replicas(&programs, &store.url())
    });
    report.step("MariaDB", || {
        let store = Mariadb::start(MariadbOptions::default()).map_err(message)?;
        replicas(&programs, &store.url())
    });
    report.step("Redis", || {
        let store = Redis::start(RedisOptions::default()).map_err(message)?;
        replicas(&programs, &store.url())
    });
    report.step("SQLite", || one_server(&programs));
    report.finish()
}

fn message(error: impl std::fmt::Debug) -> TaskError {
    TaskError::Message(format!("{error:?}"))
}

/// Two replicas with one store and one key directory.
fn replicas(programs: &Programs, url: &str) -> Result<(), TaskError> {
    let directory = TempDir::new().map_err(TaskError::io("cannot create a directory"))?;
    let keys = directory.path().join("keys");
    let keys = keys.to_str().ok_or_else(|| message("a path that is not UTF-8"))?;
    let settings = [
        ("issuer", "http://127.0.0.1:1"),
        ("keys.directory", keys),
        ("store.sessions", url),
        ("store.accounts", url),
    ];
    let start = |name: &str| {
        let place = directory.path().join(name);
        std::fs::create_dir(&place).map_err(TaskError::io("cannot create a directory"))?;
        Server::start(&programs.old, &place, &settings)
    };
    let (mut first, mut second) = (start("first")?, start("second")?);
    let clients = Clients::start(vec![first.address(), second.address()])?;
    let step = |what: &str, act: &mut dyn FnMut() -> Result<(), TaskError>| {
        act()?;
        clients.work(what, PAUSE)
    };
    step("old and old", &mut || Ok(()))?;
    step("new and old", &mut || first.replace(&programs.new))?;
    step("new and new", &mut || second.replace(&programs.new))?;
    step("new and old again", &mut || second.replace(&programs.old))?;
    step("old and old again", &mut || first.replace(&programs.old))?;
    step("new and old a second time", &mut || first.replace(&programs.new))?;
    clients.finish()
}

/// One server with SQLite: clients wait while it is replaced.
fn one_server(programs: &Programs) -> Result<(), TaskError> {
    let directory = TempDir::new().map_err(TaskError::io("cannot create a directory"))?;
    let mut server = Server::start(&programs.old, directory.path(), &[])?;
    let clients = Clients::start(vec![server.address()])?;
    clients.work("old", PAUSE)?;
    server.replace(&programs.new)?;
    clients.work("new", PAUSE)?;
    server.replace(&programs.old)?;
    clients.work("old again", PAUSE)?;
    server.replace(&programs.new)?;
    clients.work("new again", PAUSE)?;
    clients.finish()
}
