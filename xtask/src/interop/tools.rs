//! Making sure that python3, node and npm are there, from the distribution's packages if need be.

use std::process::{Command, Stdio};

use crate::failure::Failure;
use crate::packages::{Installer, Permission};

/// A program that is there if this command line succeeds.
#[derive(Debug)]
struct Tool {
    name: &'static str,
    probe: &'static [&'static str],
    /// The package of Debian and its kin that has it.
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
        name: "node, 18 at least",
        probe: &["node", "-e", "process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)"],
        package: "nodejs",
    },
    Tool { name: "npm", probe: &["npm", "--version"], package: "npm" },
];

/// Makes sure that all of them are there.
///
/// # Errors
/// Some are missing and nothing may be installed, or can't be, or it didn't help.
pub(super) fn ensure(permission: Permission) -> Result<(), Failure> {
    let missing = missing(&TOOLS);
    if missing.is_empty() {
        eprintln!("python3, node and npm are installed");
        return Ok(());
    }
    let installer = Installer::with(permission).map_err(|why| unavailable(&missing, &why))?;
    let packages: Vec<_> = missing.iter().map(|tool| tool.package).collect();
    eprintln!(
        "The clients need {}. Installing the distribution's packages {}. (--no-install refuses \
         this.)",
        names(&missing),
        packages.join(", ")
    );
    installer.install(&packages)?;
    let missing = self::missing(missing);
    if missing.is_empty() {
        return Ok(());
    }
    Err(unavailable(&missing, "the packages don't have them"))
}

fn missing<'a>(tools: impl IntoIterator<Item = &'a Tool>) -> Vec<&'a Tool> {
    tools.into_iter().filter(|tool| !is_there(tool.probe)).collect()
}

fn is_there(probe: &[&str]) -> bool {
    let Some((program, arguments)) = probe.split_first() else { return false };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn names(tools: &[&Tool]) -> String {
    tools.iter().map(|tool| tool.name).collect::<Vec<_>>().join(", ")
}

fn unavailable(missing: &[&Tool], why: &str) -> Failure {
    let packages: Vec<_> = missing.iter().map(|tool| tool.package).collect();
    Failure::Unexpected(format!(
        "missing: {}; Debian and its kin have them in the packages {}\n({why})",
        names(missing),
        packages.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Tool = Tool { name: "here", probe: &["true"], package: "here-package" };
    const FAILS: Tool = Tool { name: "fails", probe: &["false"], package: "fails-package" };
    const ABSENT: Tool =
        Tool { name: "absent", probe: &["no-such-program-anywhere"], package: "absent-package" };

    #[test]
    fn what_fails_or_is_absent_is_missing() {
        assert_eq!(names(&missing(&[HERE, FAILS, ABSENT])), "fails, absent");
    }

    #[test]
    fn what_is_missing_and_may_not_be_installed_is_named_with_its_package() {
        let text = unavailable(&[&ABSENT], "nothing may be installed").to_string();
        assert!(text.contains("missing: absent;") && text.contains("absent-package"), "{text}");
        assert!(text.ends_with("(nothing may be installed)"), "{text}");
    }
}
