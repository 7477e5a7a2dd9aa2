//! Building the program of an earlier revision.

use std::path::PathBuf;
use std::process::Command;

use crate::cargo;
use crate::error::TaskError;

/// Builds the program of `revision`, by default of the last tag before this revision or else of the
/// commit before it, and returns its path.
///
/// # Errors
/// The revision is unknown, or does not build.
pub(super) fn build(revision: Option<&str>) -> Result<PathBuf, TaskError> {
    let revision = match revision {
        Some(revision) => revision.to_owned(),
        None => last_tag().unwrap_or_else(|| "HEAD~1".to_owned()),
    };
    let commit = git(&["rev-parse", "--verify", &format!("{revision}^{{commit}}")])?;
    let place = cargo::root().join("target/upgrade");
    let source = place.join("source");
    let path = source.display().to_string();
    if source.join(".git").exists() {
        let _ = git(&["-C", &path, "checkout", "--quiet", "--detach", &commit])?;
    } else {
        let _ = git(&["worktree", "prune"])?;
        let _ = git(&["worktree", "add", "--quiet", "--detach", &path, &commit])?;
    }
    eprintln!("the earlier program is {revision}, {commit}");
    let mut command = cargo::cargo(&["build", "--locked", "--package", "aquaware"]);
    command.current_dir(&source).env("CARGO_TARGET_DIR", place.join("build"));
    cargo::run(&mut command)?;
    Ok(place.join("build/debug/aquaware"))
}

/// The last tag before this revision.
fn last_tag() -> Option<String> {
    git(&["describe", "--tags", "--abbrev=0", "HEAD~1"]).ok()
}

fn git(arguments: &[&str]) -> Result<String, TaskError> {
    let mut command = Command::new("git");
    command.args(arguments).current_dir(cargo::root());
    Ok(cargo::output(&mut command)?.trim().to_owned())
}
