//! Node's libraries, in a directory with the lock file. The scripts are copied there, because Node
//! looks for libraries in the directory of a script and above.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::TaskError;
use crate::interop::environment::{Environment, Stamp, directory, download, limited};
use crate::interop::language::Language;

const LOCK: &str = "package-lock.json";
const LIBRARIES: &str = "node_modules";

/// A Node with the libraries.
#[derive(Debug)]
pub(super) struct Node {
    directory: PathBuf,
}

impl Node {
    /// Installs the libraries, unless they are installed already.
    ///
    /// # Errors
    /// They cannot be installed.
    pub(super) fn prepare() -> Result<Self, TaskError> {
        let directory = directory("node");
        copy(&Language::Node.sources(), &directory)?;
        let lock = fs::read_to_string(directory.join(LOCK))
            .map_err(TaskError::io(format!("cannot read {LOCK}")))?;
        let stamp = Stamp::new(directory.join(LIBRARIES), &[&lock]);
        if stamp.is_current() {
            return Ok(Self { directory });
        }
        let mut install = Command::new("npm");
        install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
        download(install.current_dir(&directory))?;
        stamp.set()?;
        Ok(Self { directory })
    }
}

impl Environment for Node {
    fn command(&self, script: &Path) -> Command {
        let mut command = limited(Path::new("node"));
        command.arg(self.directory.join(script)).env_remove("NODE_PATH");
        command
    }
}

/// Copies the files of a directory into another one, creating it if necessary.
fn copy(from: &Path, to: &Path) -> Result<(), TaskError> {
    let all = || -> std::io::Result<()> {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                fs::copy(entry.path(), to.join(entry.file_name()))?;
            }
        }
        Ok(())
    };
    all().map_err(TaskError::io(format!("cannot copy {}", from.display())))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn json(name: &str) -> Value {
        let text = fs::read_to_string(Language::Node.sources().join(name)).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn every_library_is_pinned_by_version_and_hash_but_not_by_url() {
        let lock = json(LOCK);
        let packages = lock["packages"].as_object().unwrap();
        assert!(packages.len() > 3);
        for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
            assert!(package["integrity"].as_str().unwrap().starts_with("sha512-"), "{name}");
            assert!(package["version"].is_string(), "{name}");
            assert_eq!(package.get("resolved"), None, "{name}");
        }
    }

    #[test]
    fn required_versions_are_the_pinned_ones() {
        let lock = json(LOCK);
        for (name, version) in json("package.json")["dependencies"].as_object().unwrap() {
            assert_eq!(&lock["packages"][format!("{LIBRARIES}/{name}")]["version"], version);
        }
    }

    #[test]
    fn files_are_copied_and_directories_are_not() {
        let (from, to) = (tempfile::TempDir::new().unwrap(), tempfile::TempDir::new().unwrap());
        fs::write(from.path().join("a.mjs"), "a").unwrap();
        fs::create_dir(from.path().join(LIBRARIES)).unwrap();
        let to = to.path().join("new");
        copy(from.path(), &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("a.mjs")).unwrap(), "a");
        assert!(!to.join(LIBRARIES).exists());
        assert!(copy(&to.join("absent"), &to).is_err());
    }
}
