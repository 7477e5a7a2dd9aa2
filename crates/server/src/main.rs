//! The bundled server, `aquaware`: configuration, composition, HTTP mapping, command line.
//!
//! Nothing happens here: the command line decides what the program does, and its answer is the
//! exit status.

mod causes;
mod cli;
mod compose;
mod config;
mod demo;
mod hashing;
mod http;
mod key_directory;
mod telemetry;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
