//! The client libraries, and running their own tests.

use std::path::Path;
use std::process::Command;

use crate::cargo;
use crate::error::TaskError;

/// The variable through which the tests find the program.
const PROGRAM: &str = "AQUAWARE_BIN";
/// How many seconds the tests of one library may take.
const TIMEOUT: &str = "300";

/// A client library.
#[derive(Clone, Copy, Debug)]
pub(super) struct Library {
    pub(super) name: &'static str,
    directory: &'static str,
    /// The command line of its tests, in its directory.
    tests: &'static [&'static str],
}

/// All of them.
pub(super) const LIBRARIES: [Library; 1] = [Library {
    name: "JavaScript",
    directory: "clients/js",
    tests: &["node", "--test", "test/rules.test.mjs", "test/server.test.mjs"],
}];

impl Library {
    /// Runs its tests against the program.
    ///
    /// # Errors
    /// A test failed, or took too long.
    pub(super) fn test(&self, program: &Path) -> Result<(), TaskError> {
        let mut command = Command::new("timeout");
        command.args(["--foreground", TIMEOUT]).args(self.tests);
        command.current_dir(cargo::root().join(self.directory)).env(PROGRAM, program);
        cargo::run(&mut command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_is_run_exists() {
        for library in LIBRARIES {
            let directory = cargo::root().join(library.directory);
            let files = library.tests.iter().filter(|word| word.contains('.'));
            for file in files {
                assert!(directory.join(file).is_file(), "{}: {file}", library.name);
            }
        }
    }
}
