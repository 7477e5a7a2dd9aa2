//! The client libraries: their tests, and their drivers in a storm.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo;
use crate::error::TaskError;

/// The variable through which the tests find the program.
const PROGRAM: &str = "AQUAWARE_BIN";
/// How many seconds the tests of one library may take.
const TIMEOUT: &str = "300";

/// Begins the path of a program that was built beside the server.
const BUILT: &str = "built:";
/// Begins the path of a program in [`directory`], where the tests leave it.
const MADE: &str = "made:";
/// The variable that names the directory to the tests.
const DIRECTORY: &str = "CHAOS_BUILD";

/// A client library. The command lines run in its directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Library {
    pub(super) name: &'static str,
    directory: &'static str,
    /// Empty if `cargo xtask test` runs them.
    tests: &'static [&'static str],
    driver: &'static [&'static str],
}

/// All of them.
pub(super) const LIBRARIES: [Library; 4] = [
    Library {
        name: "JavaScript",
        directory: "clients/js",
        tests: &["node", "--test", "test/rules.test.mjs", "test/server.test.mjs"],
        driver: &["node", "test/chaos.mjs"],
    },
    Library {
        name: "Rust",
        directory: "crates/client",
        tests: &[],
        driver: &["built:client-driver"],
    },
    Library {
        name: "Arduino",
        directory: "clients/arduino",
        tests: &["sh", "test/run.sh"],
        driver: &["made:arduino-driver"],
    },
    Library {
        name: "Python",
        directory: "examples/clients/python",
        tests: &["sh", "test.sh"],
        driver: &["made:venv/bin/python", "-B", "chaos.py"],
    },
];

/// Public libraries of others, with our default retry window and without one. The client library of
/// a storm's sessions is the last word of the driver.
pub(super) const RIVALS: [Library; 4] = [
    rival("oidc-client-ts, 30 s", &["node", "made:rivals/driver.mjs", "oidc-client-ts", "web"]),
    rival("oidc-client-ts, 0 s", &["node", "made:rivals/driver.mjs", "oidc-client-ts", "strict"]),
    rival(
        "axios-auth-refresh, 30 s",
        &["node", "made:rivals/driver.mjs", "axios-auth-refresh", "web"],
    ),
    rival(
        "axios-auth-refresh, 0 s",
        &["node", "made:rivals/driver.mjs", "axios-auth-refresh", "strict"],
    ),
];

const fn rival(name: &'static str, driver: &'static [&'static str]) -> Library {
    let tests: &[&str] = &["sh", "install.sh"];
    Library { name, directory: "tests/rivals", tests, driver }
}

/// Where tests build programs and install libraries.
pub(super) fn directory() -> PathBuf {
    cargo::root().join("target").join("chaos")
}

impl Library {
    /// Runs its tests against the program.
    ///
    /// # Errors
    /// A test failed, or took too long.
    pub(super) fn test(&self, program: &Path) -> Result<(), TaskError> {
        if self.tests.is_empty() {
            return Ok(());
        }
        let line = ["timeout", "--foreground", TIMEOUT].iter().chain(self.tests);
        let directory = directory();
        fs::create_dir_all(&directory).map_err(TaskError::io("cannot create target/chaos"))?;
        cargo::run(self.command(line, program).env(PROGRAM, program).env(DIRECTORY, directory))
    }

    /// The command that runs its driver; see [`storm`](crate::chaos::storm).
    pub(super) fn driver(&self, program: &Path) -> Command {
        self.command(self.driver.iter(), program)
    }

    fn command<'a>(&self, mut line: impl Iterator<Item = &'a &'a str>, program: &Path) -> Command {
        let path = |word: &&str| match (word.strip_prefix(BUILT), word.strip_prefix(MADE)) {
            (Some(name), _) => program.with_file_name(name),
            (None, Some(name)) => directory().join(name),
            (None, None) => PathBuf::from(word),
        };
        let mut command = Command::new(line.next().map_or_else(|| "false".into(), path));
        command.args(line.map(path)).current_dir(cargo::root().join(self.directory));
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_is_run_exists() {
        for library in LIBRARIES.into_iter().chain(RIVALS) {
            let directory = cargo::root().join(library.directory);
            let words = library.tests.iter().chain(library.driver);
            for file in words.filter(|word| word.contains('.') && !word.starts_with(MADE)) {
                assert!(directory.join(file).is_file(), "{}: {file}", library.name);
            }
        }
    }
}
