//! The database's file before SQLite sees it: made for its owner alone.
//!
//! SQLite gives the log and the shared memory beside the file the file's own mode, so making the
//! file is enough. A file that is there already is never opened here: see `OPENING`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::error::OpenError;

/// Makes sure that there is a file at `path`; makes it if `create`.
pub(super) fn prepare(path: &Path, create: bool) -> Result<(), OpenError> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(OpenError::NotAFile { path: path.to_owned() }),
        Ok(found) => {
            warn_if_shared(path, &found);
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::NotFound && create => make(path),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(OpenError::NotMigrated { path: path.to_owned() })
        }
        Err(error) => Err(refused(path, error)),
    }
}

fn make(path: &Path) -> Result<(), OpenError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => keep_name(path).map_err(|error| refused(path, error)),
        // Another process was faster; SQLite sorts the two out.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(refused(path, error)),
    }
}

/// Puts the new name on the disk: SQLite does so only for files it makes itself.
fn keep_name(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) if cfg!(unix) => File::open(directory)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn warn_if_shared(path: &Path, found: &fs::Metadata) {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        tracing::warn!(
            path = %path.display(),
            mode = %format_args!("{mode:o}"),
            "the database can be read by others than its owner; make it 600"
        );
    }
}

#[cfg(not(unix))]
fn warn_if_shared(_path: &Path, _found: &fs::Metadata) {}

fn refused(path: &Path, error: io::Error) -> OpenError {
    let path = path.to_owned();
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            OpenError::NoPermission { path }
        }
        _ => OpenError::Io { path, source: error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_forbids_is_a_matter_of_permission() {
        let path = Path::new("/somewhere/aquaware.db");
        for kind in [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem] {
            let error = refused(path, io::Error::from(kind));
            assert!(matches!(error, OpenError::NoPermission { .. }), "{kind:?}");
        }
        let error = refused(path, io::Error::from(ErrorKind::NotFound));
        assert!(matches!(error, OpenError::Io { .. }));
    }
}
