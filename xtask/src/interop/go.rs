//! Go's libraries, which the distribution's packages have put into one directory. The programs are
//! compiled without modules, so that nothing is downloaded.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo;
use crate::error::TaskError;
use crate::interop::environment::{Environment, directory, limited};
use crate::interop::language::Language;

/// Where the distribution's packages put libraries.
const LIBRARIES: &str = "/usr/share/gocode";

/// The compiled programs.
#[derive(Debug)]
pub(super) struct Go {
    directory: PathBuf,
}

impl Go {
    /// Compiles the programs.
    ///
    /// # Errors
    /// They cannot be compiled.
    pub(super) fn prepare() -> Result<Self, TaskError> {
        let directory = directory("go");
        let mut build = Command::new("go");
        build.args(["build", "-o"]).arg(directory.join("accepted")).arg("accepted.go");
        build.current_dir(Language::Go.sources());
        build.env("GO111MODULE", "off").env("GOPATH", LIBRARIES).env_remove("GOFLAGS");
        cargo::run(build.env("GOCACHE", directory.join("cache")))?;
        Ok(Self { directory })
    }
}

impl Environment for Go {
    fn command(&self, script: &Path) -> Command {
        limited(&self.directory.join(script.with_extension("")))
    }
}
