//! `cargo xtask test`: builds the program, then runs every test of the workspace.
//!
//! All steps select the whole workspace and the same kind of targets, so that cargo settles on one
//! set of features and no dependency is built twice. Plain `cargo test`, so that it runs anywhere.
//! What tests need from outside reaches them as environment variables. Servers of stores they start
//! themselves; that the programs are installed is the first step.

use std::path::PathBuf;

use aquaware_servers::Kind;
use serde_json::Value;

use crate::cargo;
use crate::failure::Failure;
use crate::report::Report;
use crate::stores::{self, Permission};

/// The variable through which the end-to-end tests find the program.
const PROGRAM: &str = "AQUAWARE_BIN";
/// The program's name.
const NAME: &str = "aquaware";

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
    match report.step("build", build) {
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

/// Builds programs and tests alike, and gives the path of the program.
fn build() -> Result<PathBuf, Failure> {
    let mut command = cargo::cargo(&[
        "build",
        "--workspace",
        "--bins",
        "--tests",
        "--message-format=json-render-diagnostics",
    ]);
    cargo::announce(&command);
    program(&cargo::output(&mut command)?)
        .ok_or_else(|| Failure::Unexpected(format!("the build made no program `{NAME}`")))
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

/// The path of the program in what cargo reports of a build, one JSON document per line.
fn program(messages: &str) -> Option<PathBuf> {
    let reports = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    reports
        .filter(is_program)
        .find_map(|report| report.get("executable")?.as_str().map(PathBuf::from))
}

/// Whether cargo reports the program itself, not the tests compiled from its sources.
fn is_program(report: &Value) -> bool {
    report.pointer("/target/name").is_some_and(|name| name == NAME)
        && report.pointer("/target/kind/0").is_some_and(|kind| kind == "bin")
        && report.pointer("/profile/test").is_some_and(|test| test == false)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn artifact(name: &str, kind: &str, test: bool, executable: &str) -> String {
        json!({
            "reason": "compiler-artifact",
            "target": { "name": name, "kind": [kind] },
            "profile": { "test": test },
            "executable": executable,
        })
        .to_string()
    }

    #[test]
    fn the_program_is_found_among_what_was_built() {
        let messages = [
            "not json".to_owned(),
            artifact("xtask", "bin", false, "debug/xtask"),
            artifact("aquaware", "lib", false, "debug/libaquaware"),
            artifact("aquaware", "bin", true, "debug/deps/aquaware-0123"),
            artifact("aquaware", "bin", false, "debug/aquaware"),
            json!({ "reason": "build-finished", "success": true }).to_string(),
        ];
        assert_eq!(program(&messages.join("\n")), Some(PathBuf::from("debug/aquaware")));
    }

    #[test]
    fn a_build_without_the_program_gives_none() {
        assert_eq!(program(&artifact("aquaware", "bin", true, "debug/deps/aquaware-0123")), None);
        assert_eq!(program(""), None);
    }
}
