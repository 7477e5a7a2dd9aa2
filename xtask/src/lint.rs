//! `cargo xtask lint`: every static check, the quick ones first.

use crate::cargo::{cargo, run as run_program};
use crate::error::TaskError;
use crate::report::Report;
use crate::{deny, layers, package, tidy};

/// Runs the command.
///
/// # Errors
/// A check failed; all of them have run.
pub(crate) fn run() -> Result<(), TaskError> {
    let mut report = Report::default();
    report.step("fmt", fmt);
    report.step("layers", layers::run);
    report.step("tidy", tidy::run);
    report.step("clippy", clippy);
    report.step("features", features);
    report.step("doc", doc);
    report.step("deny", deny::run);
    report.step("packages", package::run);
    report.finish()
}

fn fmt() -> Result<(), TaskError> {
    run_program(&mut cargo(&["fmt", "--all", "--", "--check"]))
}

fn clippy() -> Result<(), TaskError> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    run_program(&mut cargo(&arguments))
}

/// The program builds without each of its optional parts, and without all of them.
fn features() -> Result<(), TaskError> {
    for features in ["", "demo", "otlp"] {
        let set = ["--no-default-features", "--features", features];
        let program = ["clippy", "--package", "aquaware", "--bins"];
        run_program(&mut cargo(&[&program[..], &set, &["--", "-D", "warnings"]].concat()))?;
    }
    Ok(())
}

/// Public items only: with private ones included, rustdoc would let public text link to them.
fn doc() -> Result<(), TaskError> {
    let mut command = cargo(&["doc", "--workspace", "--no-deps"]);
    run_program(command.env("RUSTDOCFLAGS", "-D warnings"))
}
