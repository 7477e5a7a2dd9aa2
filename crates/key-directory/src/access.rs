//! Who may read a key file: the checks of owner, mode and kind before it is opened.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{getegid, geteuid, getgroups};

use crate::error::KeyDirectoryError;

/// The user and the groups of this process.
#[derive(Debug)]
pub(crate) struct Process {
    user: u32,
    groups: Vec<u32>,
}

/// What decides who can read a file.
#[derive(Clone, Copy, Debug)]
struct Access {
    owner: u32,
    group: u32,
    mode: u32,
    /// Whether the file cannot be changed, or its mode, through this mount.
    read_only_mount: bool,
}

impl Process {
    /// This process.
    pub(crate) fn current() -> io::Result<Self> {
        let mut groups = vec![getegid().as_raw()];
        groups.extend(getgroups()?.into_iter().map(nix::unistd::Gid::as_raw));
        Ok(Self { user: geteuid().as_raw(), groups })
    }

    /// Checks the key directory: its mode should be 700. On a read-only mount, the files decide.
    pub(crate) fn check_directory(&self, path: &Path) -> Result<(), KeyDirectoryError> {
        let metadata = fs::metadata(path).map_err(unreadable(path))?;
        let access = access(path, &metadata)?;
        if access.read_only_mount { Ok(()) } else { self.check(path, access, 0o700) }
    }

    /// Checks a file in `directory`: its mode should be 600. Does not open it: opening a named pipe
    /// would wait for its writer.
    pub(crate) fn check_file(
        &self,
        directory: &Path,
        path: &Path,
    ) -> Result<(), KeyDirectoryError> {
        let metadata = fs::metadata(path).map_err(unreadable(path))?;
        if !metadata.is_file() {
            return Err(KeyDirectoryError::NotAFile { path: path.to_owned() });
        }
        let root = fs::canonicalize(directory).map_err(unreadable(directory))?;
        if !fs::canonicalize(path).map_err(unreadable(path))?.starts_with(root) {
            return Err(KeyDirectoryError::OutsideDirectory { path: path.to_owned() });
        }
        self.check(path, access(path, &metadata)?, 0o600)
    }

    fn check(&self, path: &Path, access: Access, expected: u32) -> Result<(), KeyDirectoryError> {
        let path = || path.to_owned();
        let private = access.mode & 0o077 == 0;
        let own = access.owner == self.user;
        if (own && private) || (access.read_only_mount && self.is_secret(access)) {
            Ok(())
        } else if own {
            Err(KeyDirectoryError::Permissions { path: path(), mode: access.mode, expected })
        } else {
            let (owner, expected) = (access.owner, self.user);
            Err(KeyDirectoryError::Owner { path: path(), owner, expected })
        }
    }

    /// Whether only root, the owner and the groups of this process can read the file.
    fn is_secret(&self, access: Access) -> bool {
        let group = access.mode & 0o070 == 0 || self.groups.contains(&access.group);
        group && access.mode & 0o007 == 0
    }
}

fn access(path: &Path, metadata: &Metadata) -> Result<Access, KeyDirectoryError> {
    let mount = statvfs(path).map_err(io::Error::from).map_err(unreadable(path))?;
    Ok(Access {
        owner: metadata.uid(),
        group: metadata.gid(),
        mode: metadata.mode() & 0o777,
        read_only_mount: mount.flags().contains(FsFlags::ST_RDONLY),
    })
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> KeyDirectoryError {
    let (action, path) = ("read the permissions of", path.to_owned());
    move |source| KeyDirectoryError::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_owners_and_modes_are_accepted_on_a_read_only_mount_only() {
        let process = Process { user: 1000, groups: vec![1000, 2000] };
        let verdict = |owner, group, mode, read_only_mount| {
            let access = Access { owner, group, mode, read_only_mount };
            match process.check(Path::new("key.json"), access, 0o600) {
                Ok(()) => "accepted",
                Err(KeyDirectoryError::Permissions { .. }) => "mode",
                Err(KeyDirectoryError::Owner { .. }) => "owner",
                Err(other) => panic!("{other}"),
            }
        };
        assert_eq!(verdict(1000, 1000, 0o600, false), "accepted");
        assert_eq!(verdict(1000, 1000, 0o400, false), "accepted");
        assert_eq!(verdict(1000, 1000, 0o640, false), "mode");
        assert_eq!(verdict(0, 2000, 0o600, false), "owner");
        assert_eq!(verdict(0, 2000, 0o440, false), "owner");
        assert_eq!(verdict(0, 2000, 0o440, true), "accepted");
        assert_eq!(verdict(0, 3000, 0o400, true), "accepted");
        assert_eq!(verdict(0, 3000, 0o440, true), "owner");
        assert_eq!(verdict(0, 2000, 0o444, true), "owner");
        assert_eq!(verdict(1000, 2000, 0o644, true), "mode");
    }
}
