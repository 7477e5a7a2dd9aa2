//! A database of one test, with the tools that its users have: a backup while the server runs, and a
//! restore while it is stopped, as docs/operations.md describes them.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use aquaware_servers::{Mariadb, MariadbOptions, Postgres, PostgresOptions, Redis, RedisOptions};
use tempfile::TempDir;

use crate::setup::Setup;
use crate::store::Store;
use crate::time::wait_for;

/// The name of a database and its user on a server that a test started.
const NAME: &str = "aquaware";

/// A database that no other test uses.
#[derive(Debug)]
pub struct Database {
    engine: Engine,
    /// The directory of the backup.
    backup: TempDir,
}

#[derive(Debug)]
enum Engine {
    Sqlite,
    Postgres(Postgres),
    Mariadb(Mariadb),
    Redis(Box<Redis>),
}

impl Database {
    /// A database of the kind of `store`.
    #[must_use]
    pub fn of(store: Store) -> Self {
        let engine = match store.name {
            "sqlite" => Engine::Sqlite,
            "postgres" => {
                let server = Postgres::start(PostgresOptions::default());
                Engine::Postgres(server.expect("PostgreSQL can be started"))
            }
            "mariadb" => {
                let server = Mariadb::start(MariadbOptions::default());
                Engine::Mariadb(server.expect("MariaDB can be started"))
            }
            "redis" => {
                let server = Redis::start(RedisOptions::default());
                Engine::Redis(Box::new(server.expect("Redis can be started")))
            }
            other => panic!("{other} has no backup"),
        };
        let backup = TempDir::new().expect("a temporary directory can be made");
        Self { engine, backup }
    }

    /// A server with its sessions and accounts in this database.
    #[must_use]
    pub fn setup(&self) -> Setup {
        let url = match &self.engine {
            Engine::Sqlite => return Setup::new(),
            Engine::Postgres(server) => server.url(),
            Engine::Mariadb(server) => server.url(),
            Engine::Redis(server) => server.url(),
        };
        Setup::new().set("store.sessions", &url).set("store.accounts", &url)
    }

    fn file(&self) -> String {
        self.backup.path().join("backup").display().to_string()
    }

    /// Backs the database up while it is in use.
    pub fn back_up(&self, setup: &Setup) {
        let file = self.file();
        let mut command = match &self.engine {
            Engine::Sqlite => {
                let mut tool = tool("sqlite3", "sqlite3");
                let _ = tool.arg(setup.file("aquaware.db")).arg(format!(".backup '{file}'"));
                tool
            }
            Engine::Postgres(server) => {
                let mut tool = tool("pg_dump", "postgresql");
                let _ = tool.args(["--format=custom", "--file", &file, &server.url()]);
                tool
            }
            Engine::Mariadb(server) => {
                let mut tool = mariadb_tool("mariadb-dump", server);
                let _ = tool.args(["--single-transaction", "--hex-blob"]);
                let _ = tool.arg(format!("--result-file={file}")).arg(NAME);
                tool
            }
            Engine::Redis(server) => {
                let mut tool = tool("redis-cli", "redis-server");
                let _ = tool.args(["-u", &server.url(), "--rdb", &file]);
                tool
            }
        };
        run(&mut command);
    }

    /// Restores the backup. No server may be running on the database.
    pub fn restore(&mut self, setup: &Setup) {
        let file = self.file();
        match &mut self.engine {
            Engine::Sqlite => restore_sqlite(setup, Path::new(&file)),
            Engine::Postgres(server) => {
                let mut command = tool("pg_restore", "postgresql");
                let options = ["--clean", "--if-exists", "--single-transaction", "--dbname"];
                run(command.args(options).args([&server.url(), &file]));
            }
            Engine::Mariadb(server) => {
                let dump = fs::File::open(&file).expect("there is a backup");
                run(mariadb_tool("mariadb", server).arg(NAME).stdin(dump));
            }
            Engine::Redis(server) => restore_redis(server, Path::new(&file)),
        }
    }
}

fn restore_sqlite(setup: &Setup, backup: &Path) {
    for left in ["aquaware.db-wal", "aquaware.db-shm"] {
        let _ = fs::remove_file(setup.file(left));
    }
    fs::copy(backup, setup.file("aquaware.db")).expect("the file can be replaced");
}

/// A server with an AOF ignores an RDB file, so it starts without one and writes a new one.
fn restore_redis(server: &mut Redis, backup: &Path) {
    server.stop().expect("Redis stops");
    let directory = server.directory().to_owned();
    fs::remove_dir_all(directory.join("appendonlydir")).expect("there is an AOF");
    fs::copy(backup, directory.join("dump.rdb")).expect("the file can be replaced");
    server.set("appendonly", "no");
    server.restart().expect("Redis starts");
    let _ = server.command(&["CONFIG", "SET", "appendonly", "yes"]).expect("Redis obeys");
    // Until the first AOF is complete, Redis refuses to stop.
    wait_for("the first AOF", Duration::from_secs(60), || {
        let reply = server.command(&["INFO", "persistence"]).ok()?;
        let lines: Vec<&str> = reply.text()?.lines().collect();
        let done = ["aof_enabled:1", "aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0"];
        done.iter().all(|line| lines.contains(line)).then_some(())
    });
}

fn mariadb_tool(name: &str, server: &Mariadb) -> Command {
    let mut command = tool(name, "mariadb-server");
    let _ = command
        .arg("--no-defaults")
        .arg("--protocol=tcp")
        .arg(format!("--host={}", server.address().ip()))
        .arg(format!("--port={}", server.address().port()))
        .arg(format!("--user={NAME}"))
        .env("MYSQL_PWD", server.password());
    command
}

/// A tool of the distribution's `package`, which `cargo xtask test` installs.
fn tool(name: &str, package: &str) -> Command {
    let found = Command::new(name).arg("--version").output();
    assert!(found.is_ok(), "there is no {name}: install the package {package}");
    Command::new(name)
}

fn run(command: &mut Command) {
    let output = command.output().expect("a tool can be started");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
}
