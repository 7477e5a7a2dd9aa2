//! Starts a server of each given kind, prints their URLs, and keeps them running until
//! standard input ends.
//!
//! Used by this package's tests, which kill it and check what it leaves behind. For developers
//! there is `cargo xtask stores`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to its caller")]

use std::any::Any;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use aquaware_servers::{
    Cluster, Durability, Kind, Mariadb, MariadbOptions, PgBouncer, PgBouncerOptions, Postgres,
    PostgresOptions, Redis, RedisOptions, Sentinel, ServersError,
};

fn main() -> ExitCode {
    match hold() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn hold() -> Result<(), Box<dyn std::error::Error>> {
    let mut held = Vec::new();
    for name in std::env::args().skip(1) {
        // `postgres-paused` is a server that is suspended when its holder ends.
        let (kind, paused) = name.strip_suffix("-paused").map_or((&*name, false), |k| (k, true));
        held.push(start(kind.parse()?, paused)?);
    }
    println!("ready");
    // The input is ignored; only its end matters.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    Ok(())
}

fn start(kind: Kind, paused: bool) -> Result<Box<dyn Any>, ServersError> {
    Ok(match kind {
        Kind::Redis => {
            let mut server = Redis::start(RedisOptions::default())?;
            show(server.directory());
            if paused {
                server.pause()?;
            }
            Box::new(server)
        }
        Kind::Sentinel => {
            let server = Sentinel::start()?;
            show(server.directory());
            Box::new(server)
        }
        Kind::Cluster => {
            let server = Cluster::start()?;
            show(server.directory());
            Box::new(server)
        }
        Kind::Postgres => {
            let durability = Durability::Fast;
            let options = PostgresOptions { durability, ..PostgresOptions::default() };
            let mut server = Postgres::start(options)?;
            show(server.directory());
            if paused {
                server.pause()?;
            }
            Box::new(server)
        }
        Kind::PgBouncer => {
            let server = PgBouncer::start(PgBouncerOptions::default())?;
            show(server.directory());
            Box::new(server)
        }
        Kind::Mariadb => {
            let durability = Durability::Fast;
            let options = MariadbOptions { durability, ..MariadbOptions::default() };
            let server = Mariadb::start(options)?;
            show(server.directory());
            Box::new(server)
        }
    })
}

fn show(directory: &Path) {
    println!("{}", directory.display());
}
