//! `cargo xtask test`: builds the program, then runs every test of the workspace.
//!
//! All steps select the whole workspace and the same kind of targets, so that cargo settles on one
//! set of features and no dependency is built twice. Plain `cargo test`, so that it runs anywhere.
//! What tests need from outside reaches them as environment variables. Servers of stores they start
//! themselves; that the programs are installed is the first step.

use std::path::PathBuf;

use aquaware_servers::Kind;

use crate::failure::Failure;
use crate::packages::Permission;
use crate::report::Report;
use crate::{cargo, program, stores};

/// The variable through which the end-to-end tests find the program.
const PROGRAM: &str = "AQUAWARE_BIN";

/// What tests get from outside.
type Environment = Vec<(&'static str, PathBuf)>;

/// Runs the command.
///
/// # Errors
/// A server program is missing, anything doesn't build, or any test fails.
pub(crate) fn run(permission: Permission) -> Result<(), Failure> {
    let mut report = Report::default();
    // Without them the tests that need no server still run; the whole has failed.
    report.step("stores", || stores::ensure(&Kind::ALL, permission));
    match report.step("build", || program::build(&["--bins", "--tests"])) {
        Some(program) => {
            let environment = vec![(PROGRAM, program)];
            let targets = ["--lib", "--bins", "--tests", "--examples"];
            report.step("tests", || test(&targets, &environment));
            report.step("doc tests", || test(&["--doc"], &environment));
        }
        None => {
            report.skip("tests", "the build failed");
            report.skip("doc tests", "the build failed");
        }
    }
    report.finish()
}

fn test(targets: &[&str], environment: &Environment) -> Result<(), Failure> {
    let mut command = cargo::cargo(&["test", "--workspace", "--no-fail-fast"]);
    command.args(targets);
    for (name, value) in environment {
        eprintln!("{name}={}", value.display());
        command.env(name, value);
    }
    cargo::run(&mut command)
}
