//! Installing the distribution's packages, for commands that need programs which are missing.
//!
//! Nothing else in the workspace installs anything into the system. Services are never started.

use std::path::Path;
use std::process::Command;

use crate::cargo;
use crate::error::TaskError;

const SCRIPT: &str = include_str!("packages.sh");
/// The program that decides, on Debian and its derivatives, whether a service may start.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Whether packages may be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    Granted,
    Denied,
}

impl Permission {
    pub(crate) const fn unless(no_install: bool) -> Self {
        if no_install { Self::Denied } else { Self::Granted }
    }
}

/// A program that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) name: &'static str,
    /// The package of Debian and its derivatives that contains it.
    pub(crate) package: &'static str,
}

/// Installs the packages of the missing programs, as far as permitted.
///
/// # Errors
/// Nothing may be installed, or the installation fails.
pub(crate) fn install(missing: &[Missing], permission: Permission) -> Result<(), TaskError> {
    let shell = privileged_shell(permission).map_err(|why| unavailable(missing, why))?;
    let packages = packages(missing);
    eprintln!(
        "Missing: {}. Installing the distribution's packages {}; no service is started. \
         (Use --no-install to prevent this.)",
        names(missing),
        packages.join(", ")
    );
    run_script(shell, POLICY, &packages)
}

/// The error for programs that are missing, with the packages that contain them.
pub(crate) fn unavailable(missing: &[Missing], why: &str) -> TaskError {
    let packages = packages(missing).join(", ");
    let names = names(missing);
    TaskError::Message(format!("missing: {names}; install the packages {packages} ({why})"))
}

fn names(missing: &[Missing]) -> String {
    missing.iter().map(|program| program.name).collect::<Vec<_>>().join(", ")
}

fn packages(missing: &[Missing]) -> Vec<&'static str> {
    let mut packages: Vec<_> = missing.iter().map(|program| program.package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// A shell that may install packages, or why there is none.
fn privileged_shell(permission: Permission) -> Result<Command, &'static str> {
    if permission == Permission::Denied {
        return Err("--no-install was given");
    }
    if !Path::new("/usr/bin/apt-get").is_file() {
        return Err("this system has no apt-get");
    }
    if nix::unistd::Uid::effective().is_root() {
        return Ok(Command::new("sh"));
    }
    // -n: never ask for a password.
    if cargo::is_there(&["sudo", "-n", "true"]) {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "sh"]);
        return Ok(sudo);
    }
    Err("you are not root, and sudo requires a password")
}

fn run_script(mut shell: Command, policy: &str, packages: &[&str]) -> Result<(), TaskError> {
    let line = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    eprintln!("$ {line}");
    let status = shell.args(["-c", SCRIPT, "install", policy]).args(packages).status();
    match status.map_err(TaskError::io(format!("cannot run `{line}`")))? {
        status if status.success() => Ok(()),
        status => Err(TaskError::Program { line, status: status.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;

    /// Replaces apt-get: records its arguments, and whether a service could have started.
    const APT_GET: &str = r#"#!/bin/sh
here=$(dirname "$0")
code=0
"$here/policy" redis-server start || code=$?
echo "$DEBIAN_FRONTEND $code $*" >>"$here/calls"
case "$*" in *broken*) exit 100 ;; esac
"#;

    fn executable(path: PathBuf, text: &str) {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs the script with that apt-get in `directory`, and returns the calls of it.
    fn run(directory: &TempDir, packages: &[&str]) -> (Result<(), TaskError>, String) {
        executable(directory.path().join("apt-get"), APT_GET);
        let mut shell = Command::new("sh");
        shell.env("PATH", format!("{}:/usr/bin:/bin", directory.path().display()));
        let policy = directory.path().join("policy");
        let result = run_script(shell, policy.to_str().unwrap(), packages);
        (result, fs::read_to_string(directory.path().join("calls")).unwrap())
    }

    #[test]
    fn packages_are_installed_while_no_service_may_start() {
        let directory = TempDir::new().unwrap();
        let (result, calls) = run(&directory, &["redis-server", "postgresql"]);
        result.unwrap();
        let expected = "noninteractive 101 -o Acquire::Retries=3 update\n\
            noninteractive 101 install --yes --no-install-recommends \
            -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 redis-server postgresql\n";
        assert_eq!(calls, expected);
        assert!(!directory.path().join("policy").exists());
    }

    #[test]
    fn the_policy_of_the_system_is_restored_even_after_a_failure() {
        for package in ["redis-server", "broken"] {
            let directory = TempDir::new().unwrap();
            let policy = directory.path().join("policy");
            executable(policy.clone(), "#!/bin/sh\nexit 0\n");
            let (result, calls) = run(&directory, &[package]);
            assert_eq!(result.is_err(), package == "broken");
            assert!(calls.contains(" 101 install"), "{calls}");
            assert_eq!(fs::read_to_string(&policy).unwrap(), "#!/bin/sh\nexit 0\n");
            let left = fs::read_dir(directory.path()).unwrap().count();
            assert_eq!(left, 3, "apt-get, its calls and the policy");
        }
    }

    #[test]
    fn without_permission_the_missing_programs_and_their_packages_are_named() {
        let missing = [("initdb", "postgresql"), ("psql", "postgresql"), ("node", "nodejs")]
            .map(|(name, package)| Missing { name, package });
        assert_eq!(
            install(&missing, Permission::Denied).unwrap_err().to_string(),
            "missing: initdb, psql, node; install the packages nodejs, postgresql \
             (--no-install was given)"
        );
    }
}
