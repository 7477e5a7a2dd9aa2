//! Developer commands, run as `cargo xtask COMMAND`.
//!
//! Only the command line lives here; each command has a file of its own. They are written in Rust
//! and start from nothing but the toolchain: what else a command needs it installs, or names.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to its user")]

mod cargo;
mod deny;
mod failure;
mod interop;
mod layers;
mod lint;
mod packages;
mod program;
mod report;
mod stores;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;
use crate::packages::Permission;

/// Developer commands of Aquaware.
///
/// Before a change goes in, `cargo xtask lint`, `test` and `interop` must pass.
/// Exit status: 0 all is well, 1 something failed, 2 wrong use.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct CommandLine {
    #[command(subcommand)]
    command: Task,
}

#[derive(Clone, Debug, Subcommand)]
enum Task {
    /// Build the program and run every test there is, end to end and in documentation included.
    ///
    /// The end-to-end tests find the built program through AQUAWARE_BIN, which this command sets.
    /// Tests on real stores start servers of their own; their programs are installed first where
    /// they are missing, from the distribution's packages, if you are root or sudo asks for no
    /// password. What is missing is a failure, never a skip.
    Test {
        /// Install nothing.
        #[arg(long)]
        no_install: bool,
    },
    /// Build the program and let clients that others wrote use it: Python's and Node's libraries.
    ///
    /// Their versions are pinned in tests/interop, and installed below target/interop. python3 and
    /// node themselves are installed first where they are missing, as by `test`. The last line
    /// counts the checks; what is missing is a failure, never a skip.
    Interop {
        /// Install nothing from the distribution's packages.
        #[arg(long)]
        no_install: bool,
    },
    /// Start throwaway servers of every kind of store, until Ctrl-C.
    ///
    /// They listen on free ports of the loopback, and their data is removed when they stop. Their
    /// programs are installed first where they are missing, as by `test`.
    Stores(stores::Options),
    /// Run every static check: fmt, layers, tidy, clippy, rustdoc, cargo-deny.
    ///
    /// All of them run even if one fails; a summary comes last. cargo-deny is taken from the PATH
    /// or from target/tools, and installed into the latter if it is in neither.
    Lint,
    /// Check that crates depend on each other, and on outside crates, only as the layers allow.
    Layers,
    /// Check the text of tracked files: size, openings, banned words, links, decision records.
    Tidy,
}

impl Task {
    fn run(self) -> Result<(), Failure> {
        match self {
            Self::Test { no_install } => test::run(Permission::unless(no_install)),
            Self::Interop { no_install } => interop::run(Permission::unless(no_install)),
            Self::Stores(options) => stores::run(&options),
            Self::Lint => lint::run(),
            Self::Layers => layers::run(),
            Self::Tidy => tidy::run(),
        }
    }
}

fn main() -> ExitCode {
    match CommandLine::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_does() {
        for command in CommandLine::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
        }
    }
}
