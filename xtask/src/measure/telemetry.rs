//! What traces and a webhook cost: two servers take turns.

use std::time::Duration;

use clap::Args;
use tempfile::TempDir;

use super::Program;
use super::cpu::used_by;
use super::sink::Sink;
use crate::error::TaskError;
use crate::load::{self, Client, Connection};
use crate::server::Server;

/// The secret of a webhook, as docs/configuration.md shows it.
const SECRET: &str = "whsec_QXF1YXdhcmUgc2lnbnMgbWVzc2FnZXMgd2l0aCBpdC4=";

/// The options of the command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    program: Program,
    /// How often the two servers take turns.
    #[arg(long, default_value_t = 15, value_name = "COUNT")]
    pairs: usize,
    /// How long each turn takes, in seconds.
    #[arg(long, default_value_t = 2, value_name = "SECONDS")]
    seconds: u64,
    /// The number of clients, each with a session and a connection.
    #[arg(long, default_value_t = 16, value_name = "COUNT")]
    clients: usize,
}

/// A server and its clients.
struct Side {
    server: Server,
    clients: Vec<Client>,
    _directory: TempDir,
}

impl Side {
    fn start(options: &Options, settings: &[(&str, &str)]) -> Result<Self, TaskError> {
        let directory = TempDir::new().map_err(TaskError::io("cannot create a directory"))?;
        let memory = [
            ("store.sessions", "memory:"),
            ("store.accounts", "memory:"),
            ("limits.sessions_per_account", "unlimited"),
        ];
        let settings = [&memory, settings].concat();
        let server = Server::start(&options.program.path()?, directory.path(), &settings)?;
        Connection::open(server.address())?.sign_up(1)?;
        let clients = load::clients(server.address(), 1, options.clients)?;
        Ok(Self { server, clients, _directory: directory })
    }

    /// The CPU time of a refresh, in microseconds.
    fn turn(&mut self, time: Duration) -> Result<f64, TaskError> {
        let before = used_by(self.server.id());
        let sample = load::refresh(&mut self.clients, time)?;
        let used = used_by(self.server.id()).saturating_sub(before);
        Ok(used.as_secs_f64() * 1e6 / f64::from(sample.count()))
    }
}

pub(super) fn run(options: &Options) -> Result<(), TaskError> {
    let sink = || Sink::start().map_err(TaskError::io("cannot listen"));
    let (collector, receiver) = (sink()?, sink()?);
    let hook = receiver.url();
    let traced = [
        ("telemetry.otlp_endpoint", collector.url()),
        ("webhook.url", format!("{hook}/hook")),
        ("webhook.secret", SECRET.to_owned()),
    ];
    let traced: Vec<(&str, &str)> = traced.iter().map(|(key, it)| (*key, it.as_str())).collect();
    let (mut plain, mut traced) = (Side::start(options, &[])?, Side::start(options, &traced)?);
    let time = Duration::from_secs(options.seconds);
    let (mut without, mut with, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..=options.pairs {
        // The first of a pair changes, and the very first pair only warms up.
        let (off, on) = match pair % 2 {
            0 => (plain.turn(time)?, traced.turn(time)?),
            _ => {
                let on = traced.turn(time)?;
                (plain.turn(time)?, on)
            }
        };
        if pair > 0 {
            eprintln!("{off:.1} µs, {on:.1} µs: {:.3}", on / off);
            without.push(off);
            with.push(on);
            ratios.push(on / off);
        }
    }
    println!(
        "CPU of a refresh without and with traces and a webhook: {:.1} µs, {:.1} µs; \
         median of the ratios: {:.3}; {} bytes of spans",
        median(&mut without),
        median(&mut with),
        median(&mut ratios),
        collector.bytes(),
    );
    Ok(())
}

pub(super) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_value() {
        assert!((median(&mut [3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!(median(&mut []).abs() < 1e-9);
    }
}
