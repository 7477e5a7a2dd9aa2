//! Licences, sources and bans of dependencies, judged by cargo-deny after `deny.toml`.
//!
//! Its fourth check, advisories, is left out: it fetches a database, which not every machine that
//! runs the checks can.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::cargo;
use crate::failure::Failure;

/// The version `deny.toml` is written for.
const VERSION: &str = "0.20.2";
/// Where it is installed to, if it has to be.
const TOOLS: &str = "target/tools";

/// Runs cargo-deny, after installing it if need be.
///
/// # Errors
/// It can't be installed, or it objects to a dependency.
pub(crate) fn run() -> Result<(), Failure> {
    let mut command = Command::new(find_or_install()?);
    command
        .args(["check", "--hide-inclusion-graph", "bans", "licenses", "sources"])
        .current_dir(cargo::root());
    cargo::run(&mut command)
}

fn find_or_install() -> Result<PathBuf, Failure> {
    let own = cargo::root().join(TOOLS).join("bin").join("cargo-deny");
    for candidate in [PathBuf::from("cargo-deny"), own.clone()] {
        if version(&candidate).is_some_and(|answer| fits(&answer)) {
            return Ok(candidate);
        }
    }
    install()?;
    Ok(own)
}

fn install() -> Result<(), Failure> {
    eprintln!(
        "cargo-deny {VERSION} checks licences, sources and bans of dependencies. It is in neither \
         the PATH nor {TOOLS}, so it is built from source into {TOOLS} now, once: some minutes."
    );
    let version = format!("={VERSION}");
    cargo::run(&mut cargo::cargo(&[
        "install",
        "cargo-deny",
        "--locked",
        "--version",
        &version,
        "--root",
        TOOLS,
    ]))
}

/// What the program says its version is; `None` if there is no such program.
fn version(program: &PathBuf) -> Option<String> {
    let output = Command::new(program).arg("--version").stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()
}

/// Whether the answer names a version that reads `deny.toml` alike: the same up to its patch.
fn fits(answer: &str) -> bool {
    let series = |version: &str| version.rsplit_once('.').map(|(series, _)| series.to_owned());
    answer.trim().strip_prefix("cargo-deny ").and_then(series) == series(VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_patch_of_the_same_series_will_do() {
        assert!(fits("cargo-deny 0.20.2\n"));
        assert!(fits("cargo-deny 0.20.9"));
    }

    #[test]
    fn another_series_or_another_program_will_not_do() {
        for answer in ["cargo-deny 0.19.2", "cargo-deny 0.2.20", "cargo-deny", "", "deny 0.20.2"] {
            assert!(!fits(answer), "{answer}");
        }
    }

    #[test]
    fn a_program_that_is_missing_has_no_version() {
        assert_eq!(version(&PathBuf::from("no-such-program-anywhere")), None);
    }
}
