//! Installing the distribution's packages, for commands that need programs which are missing.
//!
//! Nothing else in the workspace installs anything into the system. Services are never started.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::failure::Failure;

const SCRIPT: &str = include_str!("packages.sh");
/// Where Debian and its kin ask whether a service may start.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Whether something may be installed.
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

/// A way to install packages. Whoever has one may.
#[derive(Debug)]
pub(crate) struct Installer<'a> {
    shell: Command,
    policy: &'a str,
}

impl Installer<'static> {
    /// The one of this system, or why there is none.
    pub(crate) fn with(permission: Permission) -> Result<Self, String> {
        if permission == Permission::Denied {
            return Err("nothing may be installed".into());
        }
        Ok(Self { shell: privileged_shell()?, policy: POLICY })
    }
}

impl Installer<'_> {
    /// Installs the packages and keeps their services from starting.
    ///
    /// # Errors
    /// The system's installer says no.
    pub(crate) fn install(mut self, packages: &[&str]) -> Result<(), Failure> {
        let line = format!("apt-get install --no-install-recommends {}", packages.join(" "));
        eprintln!("$ {line}");
        let arguments = ["-c", SCRIPT, "install", self.policy];
        let status = self.shell.args(arguments).args(packages).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Failure::Program { line, status: status.to_string() }),
            Err(source) => Err(Failure::Io { what: format!("can't run `{line}`"), source }),
        }
    }
}

/// A shell that may install packages, or why there is none.
fn privileged_shell() -> Result<Command, String> {
    if !Path::new("/usr/bin/apt-get").is_file() {
        return Err("this system has no apt-get".into());
    }
    if nix::unistd::Uid::effective().is_root() {
        return Ok(Command::new("sh"));
    }
    let quiet = |command: &mut Command| -> io::Result<bool> {
        let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        silent.status().map(|status| status.success())
    };
    // -n: never ask for a password.
    if quiet(Command::new("sudo").args(["-n", "true"])).unwrap_or(false) {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "sh"]);
        return Ok(sudo);
    }
    Err("you are not root, and sudo wants a password".into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;

    /// Stands in for apt-get: notes what it was given, and whether a service might start.
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

    /// Runs the script in a directory with that apt-get, and gives what it was called with.
    fn run(directory: &TempDir, packages: &[&str]) -> (Result<(), Failure>, String) {
        executable(directory.path().join("apt-get"), APT_GET);
        let mut shell = Command::new("sh");
        shell.env("PATH", format!("{}:/usr/bin:/bin", directory.path().display()));
        let policy = directory.path().join("policy");
        let installer = Installer { shell, policy: policy.to_str().unwrap() };
        let result = installer.install(packages);
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
    fn the_policy_of_the_system_is_as_before_even_after_a_failure() {
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
    fn who_may_not_install_is_told_so() {
        let refusal = Installer::with(Permission::Denied).unwrap_err();
        assert_eq!(refusal, "nothing may be installed");
    }
}
