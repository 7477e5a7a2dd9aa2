//! The server `aquaware`: configuration, composition and command line.
//!
//! The command line decides what the program does; see `cli`.

mod cli;
mod compose;
mod config;
#[cfg(feature = "demo")]
mod demo;
mod engine;
mod guard;
mod mail;
mod messages;
mod outbox;
mod telemetry;
mod tls;
mod webhook;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
