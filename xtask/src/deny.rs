//! Licences, sources, bans and advisories of dependencies, checked by cargo-deny as `deny.toml`
//! says.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo;
use crate::error::TaskError;

/// The version for which `deny.toml` is written.
const VERSION: &str = "0.20.2";
/// Where it is installed if the PATH does not contain it.
const TOOLS: &str = "target/tools";
/// Where it keeps databases of advisories, in cargo's own directory.
const DATABASES: &str = "advisory-dbs";

/// Checks everything that needs no database.
///
/// # Errors
/// cargo-deny cannot be installed, or it rejects a dependency.
pub(crate) fn run() -> Result<(), TaskError> {
    let check = ["check", "--hide-inclusion-graph", "bans", "licenses", "sources"];
    deny(&find_or_install()?, &check)
}

/// Checks for known vulnerabilities, with the fetched database or else a local copy of it.
///
/// Without either nothing is checked, which is reported but is not an error: not every machine
/// can reach the database.
///
/// # Errors
/// cargo-deny cannot be installed, or a dependency has a known vulnerability.
pub(crate) fn advisories() -> Result<(), TaskError> {
    let program = find_or_install()?;
    if let Err(error) = deny(&program, &["fetch", "db"]) {
        eprintln!("the advisory database could not be fetched: {error}");
    }
    if !has_database() {
        eprintln!("there is no local advisory database either: NO ADVISORIES WERE CHECKED");
        return Ok(());
    }
    deny(&program, &["check", "--disable-fetch", "advisories"])
}

fn deny(program: &Path, arguments: &[&str]) -> Result<(), TaskError> {
    cargo::run(Command::new(program).args(arguments).current_dir(cargo::root()))
}

fn has_database() -> bool {
    let home = env_path("CARGO_HOME").or_else(|| Some(env_path("HOME")?.join(".cargo")));
    let entries = home.and_then(|home| fs::read_dir(home.join(DATABASES)).ok());
    entries.is_some_and(|mut entries| entries.any(|entry| entry.is_ok_and(|it| it.path().is_dir())))
}

fn env_path(name: &str) -> Option<PathBuf> {
    env::var_os(name).map(PathBuf::from)
}

fn find_or_install() -> Result<PathBuf, TaskError> {
    let installed = cargo::root().join(TOOLS).join("bin").join("cargo-deny");
    for candidate in [PathBuf::from("cargo-deny"), installed.clone()] {
        if version(&candidate).is_some_and(|output| is_compatible(&output)) {
            return Ok(candidate);
        }
    }
    eprintln!(
        "cargo-deny {VERSION} checks dependencies. It is neither in the PATH nor in {TOOLS}, and is \
         built from source into {TOOLS} now, once. This takes some minutes."
    );
    let version = format!("={VERSION}");
    let install = ["install", "cargo-deny", "--locked", "--root", TOOLS, "--version", &version];
    cargo::run(&mut cargo::cargo(&install))?;
    Ok(installed)
}

/// The output of `--version`; `None` if the program does not exist.
fn version(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()
}

/// Whether a program with this `--version` reads `deny.toml` the same way: up to its patch number.
fn is_compatible(output: &str) -> bool {
    let series = |version: &str| version.rsplit_once('.').map(|(series, _)| series.to_owned());
    output.trim().strip_prefix("cargo-deny ").and_then(series) == series(VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_patch_releases_are_compatible() {
        assert!(is_compatible("cargo-deny 0.20.2\n"));
        assert!(is_compatible("cargo-deny 0.20.9"));
    }

    #[test]
    fn other_releases_and_other_programs_are_not_compatible() {
        for output in ["cargo-deny 0.19.2", "cargo-deny 0.2.20", "cargo-deny", "", "deny 0.20.2"] {
            assert!(!is_compatible(output), "{output}");
        }
    }
}
