//! `cargo xtask test`: builds the program, then runs every test of the workspace.
//!
//! All steps select the whole workspace and the same kinds of targets, so that cargo settles on one
//! set of features and builds no dependency twice. Plain `cargo test` is used, which runs anywhere.
//! Tests start database servers and set clocks themselves; the first steps install the programs for
//! that.

use std::path::Path;

use aquaware_servers::Kind;

use crate::error::TaskError;
use crate::packages::Permission;
use crate::report::Report;
use crate::tool::{BACKUPS, CLOCKS, PROXIES};
use crate::{cargo, program, stores, tool};

/// The variable through which the end-to-end tests find the program.
const PROGRAM: &str = "AQUAWARE_BIN";

/// Runs the command.
///
/// # Errors
/// A server program is missing, the build fails, or a test fails.
pub(crate) fn run(permission: Permission) -> Result<(), TaskError> {
    let mut report = Report::default();
    // If this fails, the tests that need no server still run, but the command fails.
    report.step("stores", || stores::ensure(&Kind::ALL, permission));
    report.step("proxies", || tool::ensure(&PROXIES, permission));
    report.step("wrong clocks", || tool::ensure(&CLOCKS, permission));
    report.step("backups", || tool::ensure(&BACKUPS, permission));
    match report.step("build", || program::build(&["--bins", "--tests"])) {
        Some(program) => {
            let targets = ["--lib", "--bins", "--tests", "--examples"];
            report.step("tests", || test(&targets, &program));
            report.step("doc tests", || test(&["--doc"], &program));
        }
        None => {
            report.skip("tests", "the build failed");
            report.skip("doc tests", "the build failed");
        }
    }
    report.finish()
}

fn test(targets: &[&str], program: &Path) -> Result<(), TaskError> {
    let mut command = cargo::cargo(&["test", "--workspace", "--no-fail-fast"]);
    command.args(targets);
    eprintln!("{PROGRAM}={}", program.display());
    command.env(PROGRAM, program);
    cargo::run(&mut command)
}
