//! Where the libraries live: below `target/interop`, made from the pinned versions.
//!
//! What was made from the same pins is used again. Nothing is written among the sources.

mod fetch;
mod node;
mod python;
mod stamp;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo;
pub(super) use crate::interop::environment::node::Node;
pub(super) use crate::interop::environment::python::Python;

/// How long a script may take: none waits for more than a few lifetimes of seconds.
const AT_MOST: &str = "120";

/// Something that runs scripts.
pub(super) trait Environment {
    /// The command that runs the script.
    fn command(&self, script: &Path) -> Command;
}

/// A directory below `target/interop`.
fn directory(name: &str) -> PathBuf {
    cargo::root().join("target").join("interop").join(name)
}

/// The program with a limit of time.
fn limited(program: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--foreground", AT_MOST]).arg(program);
    command
}
