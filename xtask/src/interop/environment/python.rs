//! Python's libraries: in a virtual environment, or in a plain directory where those are broken.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo;
use crate::failure::Failure;
use crate::interop::environment::fetch::fetched;
use crate::interop::environment::stamp::Stamp;
use crate::interop::environment::{Environment, directory, limited};
use crate::interop::suites::Language;

const REQUIREMENTS: &str = "requirements.txt";
/// Exactly what is pinned, by hash, and nothing that would have to be compiled.
const EXACTLY: [&str; 5] = [
    "--disable-pip-version-check",
    "--no-input",
    "--require-hashes",
    "--only-binary=:all:",
    "--requirement",
];

/// A Python with the libraries.
#[derive(Debug)]
pub(in crate::interop) struct Python {
    program: PathBuf,
    /// Where the libraries are, if not where the program looks by itself.
    path: Option<PathBuf>,
}

impl Python {
    /// Installs the libraries, unless they are there.
    ///
    /// # Errors
    /// They can't be had.
    pub(in crate::interop) fn prepare() -> Result<Self, Failure> {
        let pinned = pinned()?;
        let version = cargo::output(Command::new("python3").arg("--version"))?;
        let made_from = [version.as_str(), pinned.as_str()];
        let environment = Self::environment();
        let stamp = Stamp::new(directory("venv"), &made_from);
        if stamp.fits() {
            eprintln!("made from the same pins before: {}", directory("venv").display());
            return Ok(environment);
        }
        if let Err(failure) = make_environment() {
            eprintln!("{failure}; the libraries get a plain directory");
            return Self::prepare_plain(&made_from);
        }
        fetched(environment.pip().args(EXACTLY).arg(requirements()))?;
        stamp.set()?;
        Ok(environment)
    }

    fn prepare_plain(made_from: &[&str]) -> Result<Self, Failure> {
        let plain = Self::plain();
        let target = directory("python");
        let stamp = Stamp::new(target.clone(), made_from);
        if !stamp.fits() {
            remove(&target)?;
            let mut install = plain.pip();
            install.arg("--target").arg(&target).args(EXACTLY).arg(requirements());
            fetched(&mut install)?;
            stamp.set()?;
        }
        Ok(plain)
    }

    fn environment() -> Self {
        Self { program: directory("venv").join("bin").join("python"), path: None }
    }

    fn plain() -> Self {
        Self { program: "python3".into(), path: Some(directory("python")) }
    }

    /// `pip install`.
    fn pip(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["-m", "pip", "install"]);
        command
    }
}

impl Environment for Python {
    fn command(&self, script: &Path) -> Command {
        let mut command = limited(&self.program);
        // -B: no compiled files among the sources.
        command.arg("-B").arg(Language::Python.sources().join(script));
        match &self.path {
            Some(path) => command.env("PYTHONPATH", path),
            None => command.env_remove("PYTHONPATH"),
        };
        command
    }
}

fn make_environment() -> Result<(), Failure> {
    let target = directory("venv");
    remove(&target)?;
    cargo::run(Command::new("python3").args(["-m", "venv"]).arg(target))
}

fn remove(target: &Path) -> Result<(), Failure> {
    if !target.exists() {
        return Ok(());
    }
    fs::remove_dir_all(target).map_err(|source| Failure::Io {
        what: format!("can't remove {}", target.display()),
        source,
    })
}

fn requirements() -> PathBuf {
    Language::Python.sources().join(REQUIREMENTS)
}

fn pinned() -> Result<String, Failure> {
    fs::read_to_string(requirements())
        .map_err(|source| Failure::Io { what: format!("can't read {REQUIREMENTS}"), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_is_pinned_by_version_and_hash_and_none_by_address() {
        let text = pinned().unwrap();
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        for line in &lines {
            let (text, goes_on) = match line.strip_suffix('\\') {
                Some(text) => (text.trim(), true),
                None => (line.trim(), false),
            };
            let is_hash = text.starts_with("--hash=sha256:") && line.starts_with(' ');
            assert!(is_hash || (text.contains("==") && goes_on), "{line}");
        }
        assert!(!text.contains("://"));
        for name in ["authlib==", "pyjwt==", "requests==", "requests-oauthlib=="] {
            assert!(lines.iter().any(|line| line.starts_with(name)), "{name}");
        }
    }

    #[test]
    fn what_is_asked_for_is_what_is_pinned() {
        let pinned = pinned().unwrap();
        let asked = Language::Python.sources().join("requirements.in");
        for line in fs::read_to_string(asked).unwrap().lines() {
            let line = line.replace("[crypto]", "");
            assert!(line.starts_with('#') || pinned.contains(&format!("{line} \\\n")), "{line}");
        }
    }
}
