//! Libraries of other languages, installed below `target/interop` from their pinned versions.
//!
//! An installation made from the same pins is used again. Nothing is written among the sources.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::cargo;
use crate::error::TaskError;

/// How many seconds a script may take: none waits for more than a few lifetimes of seconds.
const TIMEOUT: &str = "120";
/// The pauses before a failed download is repeated.
const PAUSES: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(15)];

/// An interpreter with the libraries that its scripts need.
pub(super) trait Environment {
    /// The command that runs the script.
    fn command(&self, script: &Path) -> Command;
}

/// A directory below `target/interop`.
pub(super) fn directory(name: &str) -> PathBuf {
    cargo::root().join("target").join("interop").join(name)
}

/// The program, ended after [`TIMEOUT`].
pub(super) fn limited(program: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--foreground", TIMEOUT]).arg(program);
    command
}

/// Marks a complete installation with what it was made from.
#[derive(Debug)]
pub(super) struct Stamp {
    directory: PathBuf,
    text: String,
}

impl Stamp {
    /// The stamp of an installation in `directory` that is made from these texts.
    pub(super) fn new(directory: PathBuf, made_from: &[&str]) -> Self {
        Self { directory, text: made_from.join("\n") }
    }

    /// Whether the installation is complete and made from the same texts.
    pub(super) fn is_current(&self) -> bool {
        let current = fs::read_to_string(self.file()).is_ok_and(|text| text == self.text);
        if current {
            eprintln!("already installed: {}", self.directory.display());
        }
        current
    }

    /// Marks the installation as complete.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn set(&self) -> Result<(), TaskError> {
        let file = self.file();
        fs::write(&file, &self.text)
            .map_err(TaskError::io(format!("cannot write {}", file.display())))
    }

    fn file(&self) -> PathBuf {
        self.directory.join("made-from")
    }
}

/// Runs a command that downloads something, up to three times until it succeeds.
///
/// # Errors
/// The last error.
pub(super) fn download(command: &mut Command) -> Result<(), TaskError> {
    repeat(&PAUSES, || cargo::run(command))
}

fn repeat(
    pauses: &[Duration],
    mut action: impl FnMut() -> Result<(), TaskError>,
) -> Result<(), TaskError> {
    for wait in pauses {
        match action() {
            Ok(()) => return Ok(()),
            Err(error) => eprintln!("{error}; trying again in {} s", wait.as_secs()),
        }
        std::thread::sleep(*wait);
    }
    action()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// The result of an action that first fails so often, and how often it ran.
    fn failing(times: usize) -> (bool, usize) {
        let mut runs = 0;
        let result = repeat(&[Duration::ZERO; 2], || {
            runs += 1;
            if runs > times { Ok(()) } else { Err(TaskError::Message("no".into())) }
        });
        (result.is_ok(), runs)
    }

    #[test]
    fn two_failures_are_forgiven_and_a_third_is_not() {
        assert_eq!(failing(0), (true, 1));
        assert_eq!(failing(2), (true, 3));
        assert_eq!(failing(3), (false, 3));
    }

    #[test]
    fn a_stamp_is_current_only_for_what_it_was_set_for() {
        let directory = TempDir::new().unwrap();
        let stamp = |made_from: &[&str]| Stamp::new(directory.path().to_owned(), made_from);
        assert!(!stamp(&["3.11", "a==1"]).is_current());
        stamp(&["3.11", "a==1"]).set().unwrap();
        assert!(stamp(&["3.11", "a==1"]).is_current());
        assert!(!stamp(&["3.11", "a==2"]).is_current());
        assert!(!stamp(&["3.12", "a==1"]).is_current());
    }
}
