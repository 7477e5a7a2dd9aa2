//! `cargo xtask deploy`: checks the files in `deploy/` with the programs that will read them.
//!
//! End-to-end tests check what needs a running server: that expressions name existing metrics, and
//! that the configurations are valid.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::cargo;
use crate::error::TaskError;
use crate::packages::{Missing, Permission, install};
use crate::program;
use crate::report::Report;

/// The program, as `cargo xtask test` builds it.
const TARGETS: [&str; 4] = ["--bin", "aquaware", "--test", "servers"];
/// The unprivileged user of the image.
const USER: &str = "65532:65532";
/// `systemd-analyze security` rates a unit from 0 (isolated) to 10, times ten.
const MAX_EXPOSURE: &str = "20";

/// Runs the command.
///
/// # Errors
/// A program is missing and cannot be installed, or a file does not pass.
pub(crate) fn run(permission: Permission) -> Result<(), TaskError> {
    let mut report = Report::default();
    report.step("tools", || ensure(permission));
    report.step("alerts", alerts);
    report.step("systemd unit", unit);
    report.step("image", image);
    if cargo::is_there(&["kubectl", "version", "--client"]) {
        report.step("Kubernetes", || {
            let directory = directory("kubernetes");
            cargo::output(Command::new("kubectl").arg("kustomize").arg(directory)).map(drop)
        });
    } else {
        eprintln!("\nkubectl is not installed: the Kubernetes manifests are not rendered");
    }
    report.finish()
}

fn ensure(permission: Permission) -> Result<(), TaskError> {
    let tools = [
        (&["promtool", "--version"], Missing { name: "promtool", package: "prometheus" }),
        (
            &["systemd-analyze", "--version"],
            Missing { name: "systemd-analyze", package: "systemd" },
        ),
    ];
    let missing = tools.into_iter().filter(|(probe, _)| !cargo::is_there(*probe));
    let missing: Vec<_> = missing.map(|(_, missing)| missing).collect();
    if missing.is_empty() { Ok(()) } else { install(&missing, permission) }
}

/// The rules are well formed, and each alert fires in a test of its own.
fn alerts() -> Result<(), TaskError> {
    let promtool = |arguments: &[&str]| {
        cargo::run(Command::new("promtool").args(arguments).current_dir(directory("prometheus")))
    };
    promtool(&["check", "rules", "alerts.yml"])?;
    promtool(&["test", "rules", "alerts_test.yml"])
}

/// The unit is well formed and isolated. The program is not installed here, so another takes its
/// place.
fn unit() -> Result<(), TaskError> {
    let text = read(&directory("systemd").join("aquaware.service"))?;
    let scratch = TempDir::new().map_err(TaskError::io("cannot create a directory"))?;
    let unit = scratch.path().join("aquaware.service");
    fs::write(&unit, text.replace("/usr/bin/aquaware", "/bin/true"))
        .map_err(TaskError::io("cannot write a unit"))?;
    cargo::run(Command::new("systemd-analyze").arg("verify").arg(&unit))?;
    let mut security = Command::new("systemd-analyze");
    security.args(["security", "--no-pager", "--offline=true"]);
    security.arg(format!("--threshold={MAX_EXPOSURE}")).arg(&unit);
    cargo::output(&mut security).map(drop)
}

/// The root file system of the image contains all that the program needs. Only root may enter it.
fn image() -> Result<(), TaskError> {
    let program = program::build(&TARGETS)?;
    let scratch = TempDir::new().map_err(TaskError::io("cannot create a directory"))?;
    let root = scratch.path().join("rootfs");
    let script = directory("container").join("rootfs.sh");
    cargo::run(Command::new(script).arg(program).arg(&root))?;
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("you are not root: the program is not started in the image");
        return Ok(());
    }
    let mut inside = Command::new("chroot");
    inside.arg(format!("--userspec={USER}")).arg(&root).args([
        "/usr/bin/aquaware",
        "config",
        "check",
    ]);
    inside.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    inside.envs(environment()?).env("AQUAWARE_ISSUER", "https://login.example");
    cargo::run(&mut inside)
}

/// The variables that the Containerfile sets.
fn environment() -> Result<Vec<(String, String)>, TaskError> {
    let text = read(&directory("container").join("Containerfile"))?;
    let words = text.split_whitespace().filter_map(|word| word.split_once('='));
    let settings = words.filter(|(name, _)| name.starts_with("AQUAWARE_"));
    Ok(settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn directory(name: &str) -> PathBuf {
    cargo::root().join("deploy").join(name)
}

fn read(path: &Path) -> Result<String, TaskError> {
    fs::read_to_string(path).map_err(TaskError::io(format!("cannot read {}", path.display())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn alert_names(file: &str, key: &str) -> BTreeSet<String> {
        let text = read(&directory("prometheus").join(file)).unwrap();
        let names = text.lines().filter_map(|line| line.trim_start().strip_prefix(key));
        names.map(|name| name.trim().to_owned()).collect()
    }

    #[test]
    fn every_alert_has_a_runbook_entry_and_a_test() {
        let alerts = alert_names("alerts.yml", "- alert:");
        assert!(alerts.len() > 10);
        assert_eq!(alerts, alert_names("alerts_test.yml", "- alertname:"));
        let page = read(&cargo::root().join("docs/operations.md")).unwrap();
        let headings = page.lines().filter_map(|line| line.strip_prefix("### Aquaware"));
        let headings: BTreeSet<_> = headings.map(|rest| format!("Aquaware{rest}")).collect();
        assert_eq!(headings, alerts);
        let rules = read(&directory("prometheus").join("alerts.yml")).unwrap();
        for alert in alerts {
            let url = format!("docs/operations.md#{}\n", alert.to_lowercase());
            assert!(rules.contains(&url), "{url}");
        }
    }

    #[test]
    fn the_containerfile_sets_known_variables() {
        let names: Vec<_> = environment().unwrap().into_iter().map(|it| it.0).collect();
        let expected = [
            "AQUAWARE_ISSUER",
            "AQUAWARE_DATA_DIR",
            "AQUAWARE_LISTEN__PUBLIC",
            "AQUAWARE_LISTEN__MANAGEMENT",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn the_files_of_the_debian_package_exist() {
        let manifest = read(&cargo::root().join("crates/server/Cargo.toml")).unwrap();
        let package = cargo::root().join("crates/server");
        let quoted = manifest.split('"').filter(|text| text.starts_with("../../"));
        let files: Vec<_> = quoted.collect();
        assert!(files.len() > 6);
        for file in files {
            assert!(package.join(file).exists(), "{file}");
        }
    }
}
