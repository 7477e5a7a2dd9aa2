//! Python's libraries, in a virtual environment, or in a plain directory where `venv` is broken.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo;
use crate::error::TaskError;
use crate::interop::environment::{Environment, Stamp, directory, download, limited};
use crate::interop::language::Language;

const REQUIREMENTS: &str = "requirements.txt";
/// Exactly the pinned versions, checked by hash, and nothing that would have to be compiled.
const EXACTLY: [&str; 5] = [
    "--disable-pip-version-check",
    "--no-input",
    "--require-hashes",
    "--only-binary=:all:",
    "--requirement",
];

/// A Python with the libraries.
#[derive(Debug)]
pub(super) struct Python {
    program: PathBuf,
    /// The directory of the libraries, if the program does not find them on its own.
    path: Option<PathBuf>,
}

impl Python {
    /// Installs the libraries, unless they are installed already.
    ///
    /// # Errors
    /// They cannot be installed.
    pub(super) fn prepare() -> Result<Self, TaskError> {
        let pinned = pinned()?;
        let version = cargo::output(Command::new("python3").arg("--version"))?;
        let made_from = [version.as_str(), pinned.as_str()];
        let environment = Self::environment();
        let stamp = Stamp::new(directory("venv"), &made_from);
        if stamp.is_current() {
            return Ok(environment);
        }
        if let Err(error) = make_environment() {
            eprintln!("{error}; installing into a plain directory instead");
            return Self::prepare_plain(&made_from);
        }
        download(environment.pip().args(EXACTLY).arg(requirements()))?;
        stamp.set()?;
        Ok(environment)
    }

    fn prepare_plain(made_from: &[&str]) -> Result<Self, TaskError> {
        let plain = Self::plain();
        let target = directory("python");
        let stamp = Stamp::new(target.clone(), made_from);
        if !stamp.is_current() {
            remove(&target)?;
            let mut install = plain.pip();
            install.arg("--target").arg(&target).args(EXACTLY).arg(requirements());
            download(&mut install)?;
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

fn make_environment() -> Result<(), TaskError> {
    let target = directory("venv");
    remove(&target)?;
    cargo::run(Command::new("python3").args(["-m", "venv"]).arg(target))
}

fn remove(target: &Path) -> Result<(), TaskError> {
    if !target.exists() {
        return Ok(());
    }
    fs::remove_dir_all(target).map_err(TaskError::io(format!("cannot remove {}", target.display())))
}

fn requirements() -> PathBuf {
    Language::Python.sources().join(REQUIREMENTS)
}

fn pinned() -> Result<String, TaskError> {
    fs::read_to_string(requirements()).map_err(TaskError::io(format!("cannot read {REQUIREMENTS}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_is_pinned_by_version_and_hash_but_not_by_url() {
        let text = pinned().unwrap();
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        for line in &lines {
            let (text, continues) = match line.strip_suffix('\\') {
                Some(text) => (text.trim(), true),
                None => (line.trim(), false),
            };
            let is_hash = text.starts_with("--hash=sha256:") && line.starts_with(' ');
            assert!(is_hash || (text.contains("==") && continues), "{line}");
        }
        assert!(!text.contains("://"));
        for name in ["authlib==", "pyjwt==", "requests==", "requests-oauthlib=="] {
            assert!(lines.iter().any(|line| line.starts_with(name)), "{name}");
        }
    }

    #[test]
    fn required_versions_are_the_pinned_ones() {
        let pinned = pinned().unwrap();
        let required = Language::Python.sources().join("requirements.in");
        for line in fs::read_to_string(required).unwrap().lines() {
            let line = line.replace("[crypto]", "");
            assert!(line.starts_with('#') || pinned.contains(&format!("{line} \\\n")), "{line}");
        }
    }
}
