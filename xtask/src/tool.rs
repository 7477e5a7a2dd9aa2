//! Programs that a command needs, installed from the distribution's packages if they are missing.

use crate::cargo;
use crate::error::TaskError;
use crate::packages::{Missing, Permission, install, unavailable};

/// A program that is installed if this command line succeeds.
#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) probe: &'static [&'static str],
    pub(crate) package: &'static str,
}

/// The proxies of the tests of the guard.
pub(crate) const PROXIES: [Tool; 3] = [
    Tool { name: "nginx", probe: &["nginx", "-v"], package: "nginx" },
    Tool { name: "caddy", probe: &["caddy", "version"], package: "caddy" },
    Tool { name: "haproxy", probe: &["haproxy", "-v"], package: "haproxy" },
];

/// What backs up an SQLite database. The tools of the other databases come with their servers.
pub(crate) const BACKUPS: [Tool; 1] =
    [Tool { name: "sqlite3", probe: &["sqlite3", "--version"], package: "sqlite3" }];

/// The library that gives a tested program a wrong clock.
pub(crate) const CLOCKS: [Tool; 1] =
    [Tool { name: "faketime", probe: &["faketime", "--version"], package: "faketime" }];

/// Installs the tools that are missing.
///
/// # Errors
/// Tools are missing, and they may not be installed or the packages do not contain them.
pub(crate) fn ensure(tools: &[Tool], permission: Permission) -> Result<(), TaskError> {
    let names = tools.iter().map(|tool| tool.name).collect::<Vec<_>>().join(", ");
    let found = missing(tools);
    if found.is_empty() {
        eprintln!("installed: {names}");
        return Ok(());
    }
    install(&found, permission)?;
    let left = missing(tools);
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
