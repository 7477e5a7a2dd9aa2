//! A temporary directory that is removed when this process ends, and the user that owns it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::unistd::{Uid, User};

use crate::error::ServersError;

/// The shell script that runs programs in a data directory.
const WATCHDOG: &str = include_str!("watchdog.sh");

/// Removes the directory `$1` as soon as standard input ends. Servers that are being killed at the
/// same moment may still write, so it tries again for a while.
const JANITOR: &str = r#"read -r _
n=0
until rm -rf -- "$1" 2>/dev/null || [ "$n" -ge 150 ]; do
    n=$((n + 1))
    sleep 0.1
done"#;

/// A directory that only its owner can enter.
///
/// It is removed by a separate process, which waits for the end of a pipe that this one holds. So
/// it is removed in the same way whether this value is dropped or the whole process is killed.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    owner: Option<Owner>,
    janitor: Child,
}

/// An unprivileged user.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) user: u32,
    pub(crate) group: u32,
}

impl Owner {
    /// The user for a server that refuses to run as root: the first of `names` that exists if the
    /// caller is root, otherwise the caller.
    pub(crate) fn unprivileged(names: &[&'static str]) -> Result<Option<Self>, ServersError> {
        if !Uid::effective().is_root() {
            return Ok(None);
        }
        let known = names.iter().find_map(|name| User::from_name(name).ok().flatten());
        let owner = |user: User| Self { user: user.uid.as_raw(), group: user.gid.as_raw() };
        known.map(owner).map(Some).ok_or_else(|| ServersError::NoUser(names.to_vec()))
    }
}

impl DataDir {
    /// Creates a directory for a server of this name.
    pub(crate) fn create(name: &str, owner: Option<Owner>) -> Result<Self, ServersError> {
        let path = std::env::temp_dir().join(format!("aquaware-{name}-{:012x}", random()? >> 16));
        // The janitor is started first, so that nothing is left behind whatever happens.
        let janitor = Command::new("sh")
            .args(["-c", JANITOR, "janitor"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .process_group(0)
            .spawn()
            .map_err(|source| ServersError::io("start a shell", source))?;
        let dir = Self { path, owner, janitor };
        dir.make_directory(&dir.path)?;
        dir.write(&dir.watchdog(), WATCHDOG)?;
        Ok(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) const fn owner(&self) -> Option<Owner> {
        self.owner
    }

    /// The script that runs programs in this directory.
    pub(crate) fn watchdog(&self) -> PathBuf {
        self.path.join("watchdog")
    }

    /// Creates a directory in it.
    pub(crate) fn directory(&self, name: &str) -> Result<PathBuf, ServersError> {
        let path = self.path.join(name);
        self.make_directory(&path)?;
        Ok(path)
    }

    /// Writes a file in it that is readable by its owner only.
    pub(crate) fn write(&self, path: &Path, text: &str) -> Result<(), ServersError> {
        let failed = |source| ServersError::io(format!("write {}", path.display()), source);
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        options.open(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)?;
        self.give(path)
    }

    fn make_directory(&self, path: &Path) -> Result<(), ServersError> {
        let failed = |source| ServersError::io(format!("make {}", path.display()), source);
        DirBuilder::new().mode(0o700).create(path).map_err(failed)?;
        self.give(path)
    }

    fn give(&self, path: &Path) -> Result<(), ServersError> {
        let Some(Owner { user, group }) = self.owner else { return Ok(()) };
        let failed = |source| ServersError::io(format!("give {} away", path.display()), source);
        chown(path, Some(user), Some(group)).map_err(failed)
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        drop(self.janitor.stdin.take());
        let _ = self.janitor.wait();
    }
}

/// The end of a log, to explain a failure.
pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let text = text.unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n")
}

/// Eight random bytes.
pub(crate) fn random() -> Result<u64, ServersError> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|source| ServersError::io("draw random bytes", source))?;
    Ok(u64::from_ne_bytes(bytes))
}

/// A random password.
pub(crate) fn password() -> Result<String, ServersError> {
    Ok(format!("{:016x}{:016x}", random()?, random()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_data_directory_is_private_and_removed_with_its_owner() {
        let dir = DataDir::create("home", None).unwrap();
        dir.write(&dir.directory("inner").unwrap().join("file"), "text").unwrap();
        let path = dir.path().to_owned();
        for (name, mode) in [("", 0o700), ("inner", 0o700), ("inner/file", 0o600)] {
            let found = fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o777;
            assert_eq!(found, mode, "{name}");
        }
        drop(dir);
        assert!(!path.exists());
    }

    #[test]
    fn root_without_a_service_user_is_reported() {
        let result = Owner::unprivileged(&["no-such-user"]);
        assert_eq!(result.is_err(), Uid::effective().is_root());
    }

    #[test]
    fn the_tail_of_a_log_is_its_last_lines() {
        let dir = DataDir::create("tail", None).unwrap();
        let log = dir.path().join("log");
        assert_eq!(tail(&log), "");
        let lines: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        dir.write(&log, &lines.join("\n")).unwrap();
        assert_eq!(tail(&log).lines().next(), Some("70"));
    }
}
