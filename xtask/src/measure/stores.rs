//! The table that compares the stores.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use aquaware_servers::{
    Kind, Mariadb, MariadbOptions, Postgres, PostgresOptions, Redis, RedisOptions, ServersError,
};
use clap::Args;
use serde_json::json;
use tempfile::TempDir;

use super::Program;
use super::cpu::used_by;
use super::telemetry::median;
use crate::error::TaskError;
use crate::load::{self, Connection};
use crate::packages::Permission;
use crate::server::Server;
use crate::{cargo, stores};

/// The number of sessions of an account.
const SESSIONS_EACH: u64 = 1000;
/// Connections that log in or refresh at the same time.
const CONNECTIONS: usize = 16;
/// How often refreshes are measured, and for how long.
const WINDOWS: usize = 5;
const WINDOW: Duration = Duration::from_secs(4);

/// The options of the command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    program: Program,
    /// Only these: sqlite, postgres, mariadb, redis.
    #[arg(long, value_delimiter = ',', value_name = "STORE")]
    only: Vec<String>,
    /// How many sessions are in the store, in thousands.
    #[arg(long, default_value_t = 100, value_name = "COUNT")]
    thousands: u64,
    /// Install nothing; fail if a server program is missing.
    #[arg(long)]
    no_install: bool,
}

enum Store {
    Sqlite,
    Postgres(Postgres),
    Mariadb(Mariadb),
    Redis(Box<Redis>),
}

/// The figures of a store.
struct Figures {
    name: String,
    rate: f64,
    p50: Duration,
    p99: Duration,
    /// CPU time of a refresh, in microseconds.
    server: f64,
    store: f64,
    bytes: u64,
    revoked: u64,
    revoke: Duration,
}

pub(super) fn run(options: &Options) -> Result<(), TaskError> {
    let program = options.program.path()?;
    let kinds = [Kind::Postgres, Kind::Mariadb, Kind::Redis];
    stores::ensure(&kinds, Permission::unless(options.no_install))?;
    let names = ["sqlite", "postgres", "mariadb", "redis"];
    let is_chosen =
        |name: &&str| options.only.is_empty() || options.only.iter().any(|only| only == name);
    let mut figures = Vec::new();
    for name in names.into_iter().filter(is_chosen) {
        eprintln!("{name}");
        figures.push(measure(name, &program, options.thousands)?);
    }
    println!("{}", table(&figures));
    Ok(())
}

impl Store {
    fn start(name: &str) -> Result<Self, ServersError> {
        Ok(match name {
            "postgres" => Self::Postgres(Postgres::start(PostgresOptions::default())?),
            "mariadb" => Self::Mariadb(Mariadb::start(MariadbOptions::default())?),
            "redis" => Self::Redis(Box::new(Redis::start(RedisOptions::default())?)),
            _ => Self::Sqlite,
        })
    }

    fn url(&self) -> String {
        match self {
            Self::Sqlite => "sqlite:aquaware.db".to_owned(),
            Self::Postgres(server) => server.url(),
            Self::Mariadb(server) => server.url(),
            Self::Redis(server) => server.url(),
        }
    }

    /// The CPU time of its processes; none of its own for SQLite.
    fn used(&self) -> Duration {
        let id = match self {
            Self::Sqlite => None,
            Self::Postgres(server) => server.id(),
            Self::Mariadb(server) => server.id(),
            Self::Redis(server) => server.id(),
        };
        id.and_then(|id| u32::try_from(id).ok()).map_or(Duration::ZERO, used_by)
    }

    /// The size of its sessions, with their indices; of everything in SQLite and Redis.
    fn bytes(&self, directory: &Path) -> Result<u64, TaskError> {
        let length = |path: &Path| {
            let failed = TaskError::io(format!("cannot read {}", path.display()));
            fs::metadata(path).map(|found| found.len()).map_err(failed)
        };
        match self {
            Self::Sqlite => length(&directory.join("aquaware.db")),
            Self::Postgres(server) => {
                let query = "SELECT pg_total_relation_size('sessions')";
                let mut psql = Command::new("psql");
                let text = cargo::output(psql.args([&server.url(), "-Atc", query]))?;
                text.trim().parse().map_err(|_| TaskError::Message(format!("psql: {text}")))
            }
            Self::Mariadb(server) => length(&server.directory().join("data/aquaware/sessions.ibd")),
            Self::Redis(server) => {
                let info = server.command(&["INFO", "memory"]).map_err(message)?;
                let lines = info.text().unwrap_or_default().lines();
                let used = lines.filter_map(|line| line.strip_prefix("used_memory:")).next();
                let used = used.and_then(|text| text.trim().parse().ok());
                used.ok_or_else(|| TaskError::Message("no used_memory".to_owned()))
            }
        }
    }
}

fn message(error: impl std::fmt::Debug) -> TaskError {
    TaskError::Message(format!("{error:?}"))
}

fn measure(name: &str, program: &Path, thousands: u64) -> Result<Figures, TaskError> {
    let store = Store::start(name).map_err(message)?;
    let directory = TempDir::new().map_err(TaskError::io("cannot create a directory"))?;
    let url = store.url();
    let settings = [
        ("store.sessions", url.as_str()),
        ("store.accounts", &url),
        ("store.timeout", "30s"),
        ("limits.sessions_per_account", "unlimited"),
    ];
    let mut server = Server::start(program, directory.path(), &settings)?;
    let before = store.bytes(directory.path())?;
    let start = Instant::now();
    fill(&server, thousands)?;
    eprintln!("{thousands},000 sessions in {:.0} s", start.elapsed().as_secs_f64());
    // SQLite moves its log into the file when it is closed.
    server.replace(program)?;
    let bytes = store.bytes(directory.path())?.saturating_sub(before) / (thousands * SESSIONS_EACH);

    let mut clients = load::clients(server.address(), 0, CONNECTIONS)?;
    let _ = load::refresh(&mut clients, WINDOW / 4)?;
    let (mut rates, mut servers, mut databases) = (Vec::new(), Vec::new(), Vec::new());
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for _ in 0..WINDOWS {
        let (of_server, of_store) = (used_by(server.id()), store.used());
        let sample = load::refresh(&mut clients, WINDOW)?;
        let each = |used: Duration| used.as_secs_f64() * 1e6 / f64::from(sample.count());
        servers.push(each(used_by(server.id()).saturating_sub(of_server)));
        databases.push(each(store.used().saturating_sub(of_store)));
        rates.push(sample.rate());
        p50.push(sample.quantile(500));
        p99.push(sample.quantile(990));
    }
    drop(clients);
    let (revoked, revoke) = revoke(&server, thousands)?;
    p50.sort_unstable();
    p99.sort_unstable();
    let middle = |times: &[Duration]| times.get(WINDOWS / 2).copied().unwrap_or_default();
    Ok(Figures {
        name: name.to_owned(),
        rate: median(&mut rates),
        p50: middle(&p50),
        p99: middle(&p99),
        server: median(&mut servers),
        store: median(&mut databases),
        bytes,
        revoked,
        revoke,
    })
}

/// Opens the sessions: a thousand of each account.
fn fill(server: &Server, accounts: u64) -> Result<(), TaskError> {
    let mut connection = Connection::open(server.address())?;
    (0..accounts).try_for_each(|account| connection.sign_up(account))?;
    let step = u64::try_from(CONNECTIONS).unwrap_or(1);
    let share = |first: u64| {
        let mut connection = Connection::open(server.address())?;
        let mut numbers = (first..accounts * SESSIONS_EACH).step_by(CONNECTIONS);
        numbers.try_for_each(|number| connection.log_in(number % accounts).map(drop))
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..step).map(|first| scope.spawn(move || share(first))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(message)?)
    })
}

/// Ends all sessions of the last account.
fn revoke(server: &Server, accounts: u64) -> Result<(u64, Duration), TaskError> {
    let mut connection = Connection::open(server.address())?;
    let tokens = connection.log_in(accounts - 1)?;
    let start = Instant::now();
    let bearer = format!("Bearer {}", tokens.access);
    match connection.post("/auth/logout-all", &[("Authorization", &bearer)], &json!({}))? {
        (200, body) => {
            let revoked = body.get("revoked").and_then(serde_json::Value::as_u64);
            Ok((revoked.unwrap_or_default(), start.elapsed()))
        }
        (status, body) => Err(TaskError::Message(format!("logout-all: {status} {body}"))),
    }
}

/// The figures as a table in Markdown.
fn table(figures: &[Figures]) -> String {
    let milliseconds = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    let row = |title: &str, value: &dyn Fn(&Figures) -> String| {
        let cells: Vec<String> = figures.iter().map(value).collect();
        format!("| {title} | {} |\n", cells.join(" | "))
    };
    let rule = format!("| --- |{}\n", " --- |".repeat(figures.len()));
    [
        row("", &|it| it.name.clone()),
        rule,
        row("refreshes per second", &|it| format!("{:.0}", it.rate)),
        row("response time, median", &|it| milliseconds(it.p50)),
        row("response time, 99 %", &|it| milliseconds(it.p99)),
        row("CPU of the server for a refresh", &|it| format!("{:.0} µs", it.server)),
        row("CPU of the database for a refresh", &|it| format!("{:.0} µs", it.store)),
        row("bytes of a session", &|it| it.bytes.to_string()),
        row("end of all sessions of an account", &|it| {
            format!("{} in {}", it.revoked, milliseconds(it.revoke))
        }),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_column_for_each_store() {
        let figures = ["sqlite", "redis"].map(|name| Figures {
            name: name.to_owned(),
            rate: 1234.4,
            p50: Duration::from_micros(1500),
            p99: Duration::from_millis(20),
            server: 54.2,
            store: 0.0,
            bytes: 321,
            revoked: 1001,
            revoke: Duration::from_millis(15),
        });
        let text = table(&figures);
        assert!(text.starts_with("|  | sqlite | redis |\n| --- | --- | --- |\n"), "{text}");
        assert!(text.contains("| refreshes per second | 1234 | 1234 |\n"), "{text}");
        assert!(text.contains("| 1001 in 15.0 ms | 1001 in 15.0 ms |\n"), "{text}");
    }
}
