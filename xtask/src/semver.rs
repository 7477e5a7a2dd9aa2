//! `cargo xtask semver`: compares the public interfaces of the libraries with the last release.

use std::process::Command;

use crate::cargo;
use crate::error::TaskError;

/// Runs cargo-semver-checks against the last tag, if both exist; otherwise reports what is missing.
///
/// # Errors
/// An interface changed in a way that its version number does not announce.
pub(crate) fn run() -> Result<(), TaskError> {
    if !cargo::is_there(&["cargo-semver-checks", "--version"]) {
        eprintln!(
            "cargo-semver-checks is not installed (`cargo install cargo-semver-checks`): NOTHING \
             WAS CHECKED"
        );
        return Ok(());
    }
    let describe = ["describe", "--tags", "--abbrev=0"];
    let Ok(tag) = cargo::output(Command::new("git").args(describe).current_dir(cargo::root()))
    else {
        eprintln!("there is no tag of a release to compare with: NOTHING WAS CHECKED");
        return Ok(());
    };
    let check = ["semver-checks", "--workspace", "--baseline-rev", tag.trim()];
    cargo::run(&mut cargo::cargo(&check))
}
