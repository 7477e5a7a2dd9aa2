//! python3, node and npm, installed from the distribution's packages if they are missing.

use crate::cargo;
use crate::error::TaskError;
use crate::packages::{Missing, Permission, install, unavailable};

/// A program that is installed if this command line succeeds.
#[derive(Debug)]
struct Tool {
    name: &'static str,
    probe: &'static [&'static str],
    package: &'static str,
}

const TOOLS: [Tool; 4] = [
    Tool { name: "python3", probe: &["python3", "--version"], package: "python3" },
    Tool {
        name: "python3's venv or pip",
        probe: &["sh", "-c", "python3 -c 'import venv, ensurepip' || python3 -m pip --version"],
        package: "python3-venv",
    },
    Tool {
        name: "node 18 or later",
        probe: &["node", "-e", "process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)"],
        package: "nodejs",
    },
    Tool { name: "npm", probe: &["npm", "--version"], package: "npm" },
];

/// Installs the tools that are missing.
///
/// # Errors
/// Tools are missing, and they may not be installed or the packages do not contain them.
pub(super) fn ensure(permission: Permission) -> Result<(), TaskError> {
    let found = missing(&TOOLS);
    if found.is_empty() {
        eprintln!("python3, node and npm are installed");
        return Ok(());
    }
    install(&found, permission)?;
    let left = missing(&TOOLS);
    if left.is_empty() {
        return Ok(());
    }
    Err(unavailable(&left, "the installed packages do not contain them"))
}

fn missing(tools: &[Tool]) -> Vec<Missing> {
    let absent = tools.iter().filter(|tool| !cargo::is_there(tool.probe));
    absent.map(|tool| Missing { name: tool.name, package: tool.package }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_that_fail_or_do_not_exist_are_missing() {
        let tool = |name, probe| Tool { name, probe, package: "package" };
        let tools = [
            tool("here", &["true"]),
            tool("fails", &["false"]),
            tool("absent", &["no-such-program-anywhere"]),
        ];
        let names = missing(&tools).into_iter().map(|tool| tool.name);
        assert_eq!(names.collect::<Vec<_>>(), ["fails", "absent"]);
    }
}
