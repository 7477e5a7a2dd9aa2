//! The database file: its path, and its creation before SQLite opens it.
//!
//! The file is readable by its owner only. SQLite gives the log and the shared memory beside it the
//! same mode, so creating the file is enough. An existing file is never opened here: see `OPENING`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aquaware_core::store::StoreError;

use crate::error::{FileMovedError, OpenError, SqlError};

/// A database file, and how long to wait for it. Cheap to clone: every thread has one.
#[derive(Clone)]
pub(super) struct DatabaseFile(Arc<Inner>);

struct Inner {
    path: PathBuf,
    url: String,
    timeout: Duration,
}

impl DatabaseFile {
    /// The file at `path`, from now on independent of the working directory.
    pub(super) fn new(path: PathBuf, timeout: Duration) -> Result<Self, OpenError> {
        let Ok(absolute) = std::path::absolute(&path) else {
            return Err(OpenError::InvalidPath { path, what: "is empty" });
        };
        // An absolute path cannot be mistaken for one of the engine's special names or URLs.
        match absolute.to_str() {
            None => Err(OpenError::InvalidPath { path, what: "is not UTF-8" }),
            Some(text) if text.contains('\0') => {
                Err(OpenError::InvalidPath { path, what: "contains a NUL" })
            }
            Some(text) => {
                let url = text.to_owned();
                Ok(Self(Arc::new(Inner { path: absolute, url, timeout })))
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.0.path
    }

    /// The path as SQLite gets it.
    pub(super) fn url(&self) -> &str {
        &self.0.url
    }

    /// The path of the write-ahead log.
    fn log_path(&self) -> PathBuf {
        PathBuf::from(format!("{}-wal", self.0.url))
    }

    pub(super) fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// The error to report when this file cannot be opened.
    pub(super) fn open_error(&self, error: SqlError) -> OpenError {
        let path = self.path().to_owned();
        match error {
            SqlError::CannotOpen | SqlError::ReadOnly => OpenError::PermissionDenied { path },
            SqlError::NotADatabase | SqlError::Damaged => OpenError::NotADatabase { path },
            source => OpenError::Engine { path, source },
        }
    }

    /// Makes sure that the file exists; creates it if `create`.
    pub(super) fn prepare(&self, create: bool) -> Result<(), OpenError> {
        let path = self.path();
        match fs::metadata(path) {
            Ok(found) if !found.is_file() => Err(OpenError::NotAFile { path: path.to_owned() }),
            Ok(found) => {
                warn_if_shared(path, &found);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let path = path.to_owned();
                if self.log_path().exists() {
                    Err(OpenError::LogWithoutDatabase { path })
                } else if create {
                    create_file(&path)
                } else {
                    Err(OpenError::Missing { path })
                }
            }
            Err(error) => Err(io_error(path, error)),
        }
    }
}

/// The identity of the files of an open database.
///
/// SQLite continues to use the files that it has open, wherever they are now. What it writes to a
/// moved or deleted file would be missing after a restart.
pub(super) struct OpenFiles(Vec<(PathBuf, FileId)>);

/// Device and inode.
type FileId = (u64, u64);

impl OpenFiles {
    /// The files of `file`, which is open.
    pub(super) fn of(file: &DatabaseFile) -> Self {
        let paths = [file.path().to_owned(), file.log_path()];
        let found = paths.into_iter().filter_map(|path| file_id(&path).map(|id| (path, id)));
        Self(found.collect())
    }

    /// Checks that the files are still where they were opened. Costs two calls of the system.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self.0.iter().find(|(path, id)| file_id(path) != Some(*id)) {
            Some((path, _)) => Err(StoreError::Unreachable(Box::new(FileMovedError(path.clone())))),
            None => Ok(()),
        }
    }
}

#[cfg(unix)]
fn file_id(path: &Path) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt as _;

    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn file_id(_path: &Path) -> Option<FileId> {
    None
}

fn create_file(path: &Path) -> Result<(), OpenError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => sync_directory(path).map_err(|error| io_error(path, error)),
        // Another process was faster; SQLite coordinates the two.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(io_error(path, error)),
    }
}

/// Writes the new directory entry to the disk. SQLite does so only for files that it creates.
fn sync_directory(path: &Path) -> io::Result<()> {
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
            "other users can read the database; set its mode to 600"
        );
    }
}

#[cfg(not(unix))]
fn warn_if_shared(_path: &Path, _found: &fs::Metadata) {}

fn io_error(path: &Path, error: io::Error) -> OpenError {
    let path = path.to_owned();
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            OpenError::PermissionDenied { path }
        }
        _ => OpenError::Io { path, source: error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_permissions_are_reported_as_such() {
        let path = Path::new("/somewhere/aquaware.db");
        for kind in [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem] {
            let error = io_error(path, io::Error::from(kind));
            assert!(matches!(error, OpenError::PermissionDenied { .. }), "{kind:?}");
        }
        let error = io_error(path, io::Error::from(ErrorKind::NotFound));
        assert!(matches!(error, OpenError::Io { .. }));
    }

    #[test]
    fn errors_of_the_engine_become_errors_of_opening() {
        let file = DatabaseFile::new(PathBuf::from("a.db"), Duration::from_secs(1)).unwrap();
        for error in [SqlError::CannotOpen, SqlError::ReadOnly] {
            assert!(matches!(file.open_error(error), OpenError::PermissionDenied { .. }));
        }
        assert!(matches!(file.open_error(SqlError::Damaged), OpenError::NotADatabase { .. }));
        assert!(matches!(file.open_error(SqlError::Locked), OpenError::Engine { .. }));
    }
}
