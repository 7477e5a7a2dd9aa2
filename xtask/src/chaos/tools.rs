//! The programs that the libraries' tests need, installed from the distribution's packages if they
//! are missing.

use crate::cargo;
use crate::error::TaskError;
use crate::packages::{Missing, Permission, install, unavailable};

/// Programs, the command line that succeeds if they are there, and their packages.
const TOOLS: [(&str, &[&str], &str); 4] = [
    ("g++", &["g++", "--version"], "g++"),
    ("size", &["size", "--version"], "binutils"),
    ("python3's venv", &["python3", "-c", "import venv, ensurepip"], "python3-venv"),
    (
        "node",
        &["node", "-e", "process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)"],
        "nodejs",
    ),
];

/// Installs the tools that are missing.
///
/// # Errors
/// Tools are missing, and they may not be installed or the packages do not contain them.
pub(super) fn ensure(permission: Permission) -> Result<(), TaskError> {
    let found = missing();
    if found.is_empty() {
        return Ok(());
    }
    install(&found, permission)?;
    match missing() {
        left if left.is_empty() => Ok(()),
        left => Err(unavailable(&left, "the installed packages do not contain them")),
    }
}

fn missing() -> Vec<Missing> {
    let absent = TOOLS.iter().filter(|(_, probe, _)| !cargo::is_there(probe));
    absent.map(|&(name, _, package)| Missing { name, package }).collect()
}
