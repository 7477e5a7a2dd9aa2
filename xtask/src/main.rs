//! Developer commands, run as `cargo xtask COMMAND`.
//!
//! This file contains only the command line; each command has its own file. The commands need
//! nothing but the toolchain: any other program is installed, or its absence is reported.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command prints its results")]
#![allow(
    clippy::disallowed_methods,
    reason = "commands wait for programs and read the environment"
)]

mod cargo;
mod chaos;
mod deny;
mod deploy;
mod error;
mod interop;
mod layers;
mod lint;
mod load;
mod measure;
mod package;
mod packages;
mod program;
mod report;
mod semver;
mod server;
mod stores;
mod test;
mod tidy;
mod tool;
mod tree;
mod upgrade;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::TaskError;
use crate::packages::Permission;

/// Developer commands of Aquaware.
///
/// Every change must pass `cargo xtask lint`, `test`, `interop` and `chaos`.
/// Exit status: 0 success, 1 something failed, 2 invalid arguments.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct CommandLine {
    #[command(subcommand)]
    command: Task,
}

#[derive(Clone, Debug, Subcommand)]
enum Task {
    /// Build the program and run every test: unit, end-to-end and documentation tests.
    ///
    /// The end-to-end tests find the built program through AQUAWARE_BIN, which this command sets.
    /// Tests on real stores start their own database servers. Missing server programs are
    /// installed from the distribution's packages if you are root or sudo requires no password;
    /// otherwise the command fails. No test is skipped.
    Test {
        /// Do not install the distribution's packages.
        #[arg(long)]
        no_install: bool,
    },
    /// Build the program and use it through client libraries of Python, Node and Go.
    ///
    /// Their versions are pinned in tests/interop and installed below target/interop; those of Go
    /// are the distribution's. python3, node, go and Chromium are installed if they are missing, as
    /// `test` does. The last line counts the checks. No check is skipped.
    Interop(interop::Options),
    /// Build the program, and take the client libraries through their tests and a storm.
    ///
    /// The storm is a network that loses answers, a server that is killed, clients that are killed,
    /// and thieves. The sizes of the libraries are checked as well. Missing tools are installed as
    /// `test` does.
    Chaos(chaos::Options),
    /// Check the files in deploy/ with promtool, systemd-analyze and the built program.
    ///
    /// Missing programs are installed as `test` does. With kubectl, the manifests are rendered.
    Deploy {
        /// Do not install the distribution's packages.
        #[arg(long)]
        no_install: bool,
    },
    /// Measure a release build, for the figures in the documents.
    #[command(subcommand)]
    Measure(measure::Measurement),
    /// Upgrade from an earlier revision and back, while clients refresh.
    ///
    /// Two replicas on PostgreSQL, MariaDB and Redis are replaced one after the other, and one server
    /// on SQLite. No client may be logged out. The first run builds the whole earlier program.
    Upgrade(upgrade::Options),
    /// Start throwaway servers of every kind of store, until Ctrl-C.
    ///
    /// They listen on free loopback ports, and their data is removed when they stop. Missing
    /// programs are installed as `test` does.
    Stores(stores::Options),
    /// Run every static check: fmt, layers, tidy, clippy, rustdoc, packages, cargo-deny.
    ///
    /// All of them run even if one fails, and a summary is printed. cargo-deny is taken from the
    /// PATH or from target/tools, and installed there if it is in neither.
    Lint,
    /// Check that crates depend on each other only downwards, and that files of a crate do not
    /// import each other in circles.
    Layers,
    /// Check the text of tracked files: size, language, links, named tests, decision records.
    Tidy,
    /// Package the library crates, and run their unit tests from the packages.
    Package,
    /// Check the dependencies for known vulnerabilities, if an advisory database can be had.
    Advisories,
    /// Compare the public interfaces with the last tag, if cargo-semver-checks is installed.
    Semver,
}

impl Task {
    fn run(self) -> Result<(), TaskError> {
        match self {
            Self::Test { no_install } => test::run(Permission::unless(no_install)),
            Self::Interop(options) => interop::run(&options),
            Self::Chaos(options) => chaos::run(&options),
            Self::Deploy { no_install } => deploy::run(Permission::unless(no_install)),
            Self::Measure(measurement) => measure::run(&measurement),
            Self::Upgrade(options) => upgrade::run(&options),
            Self::Stores(options) => stores::run(&options),
            Self::Lint => lint::run(),
            Self::Layers => layers::run(),
            Self::Tidy => tidy::run(),
            Self::Package => package::run(),
            Self::Advisories => deny::advisories(),
            Self::Semver => semver::run(),
        }
    }
}

fn main() -> ExitCode {
    match CommandLine::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn every_command_has_a_description() {
        for command in CommandLine::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
        }
    }
}
