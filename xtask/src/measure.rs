//! `cargo xtask measure`: figures of the release build, which the documents quote.
//!
//! On a machine that does other work too, ratios within one run are comparable, and CPU time is more
//! so than rates.

mod cpu;
mod sink;
mod stores;
mod telemetry;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::error::TaskError;
use crate::program;

/// What to measure.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Measurement {
    /// Compare the stores: refreshes, CPU, bytes of a session, and the end of many sessions.
    ///
    /// Prints the table of docs/choosing-a-store.md. Takes some minutes for each store. Missing server
    /// programs are installed as `test` does.
    Stores(stores::Options),
    /// Compare the CPU time of a refresh with traces and a webhook to that without.
    ///
    /// Two servers with stores in memory take turns, so that other load on the machine affects both.
    Telemetry(telemetry::Options),
}

/// The program to measure.
#[derive(Clone, Debug, Args)]
struct Program {
    /// Measure this program instead of building one.
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
}

impl Program {
    fn path(&self) -> Result<PathBuf, TaskError> {
        match &self.program {
            Some(path) => Ok(path.clone()),
            None => program::build(&["--release", "--bin", "aquaware"]),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Something is missing, or does not work as it should.
pub(crate) fn run(measurement: &Measurement) -> Result<(), TaskError> {
    match measurement {
        Measurement::Stores(options) => stores::run(options),
        Measurement::Telemetry(options) => telemetry::run(options),
    }
}
