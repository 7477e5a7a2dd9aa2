//! A file that is replaced as a whole: after a power cut it contains the old text or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use zeroize::Zeroizing;

use crate::storage::Storage;

/// A longer text is not a session.
const MAX_LENGTH: u64 = 64 * 1024;

/// Keeps the session in a file that only its owner can read.
///
/// A text is written to a new file beside it, flushed to the disk, and renamed; then the directory
/// is flushed. Several processes may share the file.
#[derive(Clone, Debug)]
pub struct FileStorage {
    path: PathBuf,
}

impl FileStorage {
    /// The session in this file. Its directory must exist.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Writes the text beside the file, renames it if `permitted`, and returns whether it did.
    fn put(
        &self,
        text: &str,
        permitted: impl FnOnce(&Self) -> io::Result<bool>,
    ) -> io::Result<bool> {
        let new = self.unused_path();
        let written = write(&new, text).and_then(|()| permitted(self));
        let renamed = match written {
            Ok(true) => fs::rename(&new, &self.path).map(|()| true),
            other => other,
        };
        match renamed {
            Ok(true) => self.flush_directory().map(|()| true),
            other => {
                let _ = fs::remove_file(&new);
                other
            }
        }
    }

    /// A name that no other writer uses: processes and threads may write at once.
    fn unused_path(&self) -> PathBuf {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}-{count}.new", std::process::id()));
        self.path.with_file_name(name)
    }

    fn directory(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// A rename is on the disk only when its directory is. Windows has no handle for that.
    fn flush_directory(&self) -> io::Result<()> {
        if cfg!(unix) { File::open(self.directory())?.sync_all() } else { Ok(()) }
    }
}

impl Storage for FileStorage {
    fn load(&self) -> io::Result<Option<String>> {
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Ok(found) if found.len() > MAX_LENGTH || !found.is_file() => {
                let what = format!("{} is not a session", self.path.display());
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            _ => {}
        }
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn save(&self, text: Option<&str>) -> io::Result<()> {
        let Some(text) = text else {
            return match fs::remove_file(&self.path) {
                Ok(()) => self.flush_directory(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            };
        };
        self.put(text, |_| Ok(true)).map(drop)
    }

    /// Compares when the new text is already on the disk, immediately before the rename.
    fn replace(&self, current: &str, text: &str) -> io::Result<bool> {
        self.put(text, |this| {
            Ok(this.load()?.map(Zeroizing::new).is_some_and(|now| *now == current))
        })
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = match options.open(path) {
        // A process with this id was killed while it wrote; a new one has it now.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            options.open(path)?
        }
        other => other?,
    };
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn storage() -> (TempDir, FileStorage) {
        let directory = TempDir::new().unwrap();
        let storage = FileStorage::new(directory.path().join("session"));
        (directory, storage)
    }

    fn files(directory: &TempDir) -> usize {
        fs::read_dir(directory.path()).unwrap().count()
    }

    #[test]
    fn a_text_is_saved_replaced_and_removed_without_leaving_files() {
        let (directory, storage) = storage();
        assert_eq!(storage.load().unwrap(), None);
        storage.save(Some("a")).unwrap();
        assert!(!storage.replace("x", "b").unwrap());
        assert!(storage.replace("a", "b").unwrap());
        assert_eq!(storage.load().unwrap().as_deref(), Some("b"));
        assert_eq!(files(&directory), 1);
        for _ in 0..2 {
            storage.save(None).unwrap();
            assert_eq!(storage.load().unwrap(), None);
        }
        assert!(!storage.replace("b", "c").unwrap());
        assert_eq!(files(&directory), 0);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_directory, storage) = storage();
        storage.save(Some("a")).unwrap();
        let mode = fs::metadata(&storage.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_a_killed_process_left_behind_is_replaced() {
        let (_directory, storage) = storage();
        let left = storage.path.with_file_name("left.new");
        fs::write(&left, "a longer text than the new one").unwrap();
        write(&left, "new").unwrap();
        assert_eq!(fs::read_to_string(&left).unwrap(), "new");
    }

    #[test]
    fn a_file_that_cannot_be_written_keeps_its_text() {
        let (directory, storage) = storage();
        storage.save(Some("a")).unwrap();
        let elsewhere = FileStorage::new(directory.path().join("absent").join("session"));
        assert!(elsewhere.save(Some("b")).is_err());
        assert_eq!(storage.load().unwrap().as_deref(), Some("a"));
    }

    #[test]
    fn a_file_of_another_kind_or_size_is_an_error() {
        let (directory, storage) = storage();
        assert!(FileStorage::new(directory.path()).load().is_err());
        fs::write(&storage.path, "x".repeat(70_000)).unwrap();
        assert!(storage.load().is_err());
    }

    #[test]
    fn concurrent_writers_leave_one_whole_text() {
        let (directory, storage) = storage();
        let texts = ["a".repeat(5_000), "b".repeat(9_000)];
        std::thread::scope(|scope| {
            for text in &texts {
                scope.spawn(|| (0..20).for_each(|_| storage.save(Some(text)).unwrap()));
            }
        });
        assert!(texts.contains(&storage.load().unwrap().unwrap()));
        assert_eq!(files(&directory), 1);
    }
}
