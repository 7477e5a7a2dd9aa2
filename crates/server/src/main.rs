//! The bundled server, `aquaware`: configuration, composition, command line.
//!
//! Nothing happens here: the command line decides what the program does, and its answer is the
//! exit status.

mod causes;
mod cli;
mod compose;
mod config;
mod demo;
mod telemetry;
mod tls;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
