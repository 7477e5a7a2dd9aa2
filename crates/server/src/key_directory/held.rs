//! The files of a key directory, under its lock.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aquaware_core::id::KeyId;
use aquaware_core::keys::KeyRecord;
use zeroize::Zeroizing;

use super::{KeyDirectoryError, kind};

/// The keys of a directory that nobody else changes as long as this is held.
///
/// A directory that can't be written from here, a mounted secret for instance, is read all the
/// same. Somebody else may change it meanwhile if it has no lock file: each key is then as it was
/// or as it is, and whoever changes keys writes them in an order that is good at every step.
#[derive(Debug)]
pub(crate) struct HeldKeys {
    directory: PathBuf,
    records: Vec<KeyRecord>,
    /// Where each of `records` stands, in the same order.
    paths: Vec<PathBuf>,
    hold: Hold,
}

#[derive(Debug)]
enum Hold {
    /// Nobody else reads or writes.
    Alone(#[allow(dead_code, reason = "closing it lets others in")] File),
    /// Nobody writes, if there is a lock file; and it can't be written here.
    ReadOnly(#[allow(dead_code, reason = "closing it lets others in")] Option<File>),
}

impl HeldKeys {
    /// The keys in `directory`, which is made if it is missing.
    ///
    /// # Errors
    /// [`KeyDirectoryError`]; in particular for anything that others may read.
    pub(crate) fn made(directory: &Path) -> Result<Self, KeyDirectoryError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(at("can't make the key directory", directory))?;
        Self::lock(directory)
    }

    /// The keys in `directory`; `None` where there is no such directory yet.
    ///
    /// # Errors
    /// As [`HeldKeys::made`].
    pub(crate) fn found(directory: &Path) -> Result<Option<Self>, KeyDirectoryError> {
        match fs::metadata(directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            _ => Self::lock(directory).map(Some),
        }
    }

    fn lock(directory: &Path) -> Result<Self, KeyDirectoryError> {
        check_mode(directory, 0o700)?;
        let path = directory.join(".lock");
        Self::under(hold(&path, private_file().truncate(false).open(&path))?, directory)
    }

    fn under(hold: Hold, directory: &Path) -> Result<Self, KeyDirectoryError> {
        let paths = key_files(directory)?;
        let records = paths.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
        Ok(Self { directory: directory.to_owned(), records, paths, hold })
    }

    /// Whether nothing can be written here.
    pub(crate) const fn is_read_only(&self) -> bool {
        matches!(self.hold, Hold::ReadOnly(_))
    }

    /// An error where nothing can be written.
    fn check_writable(&self) -> Result<(), KeyDirectoryError> {
        if self.is_read_only() {
            return Err(KeyDirectoryError::ReadOnly { path: self.directory.clone() });
        }
        Ok(())
    }

    /// Where they are.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The keys, in no order.
    pub(crate) fn records(&self) -> &[KeyRecord] {
        &self.records
    }

    /// The keys, and no hold on them any more.
    pub(crate) fn into_records(self) -> Vec<KeyRecord> {
        self.records
    }

    /// Keeps a new key, or a known one as it now is.
    ///
    /// # Errors
    /// [`KeyDirectoryError::Io`] or [`KeyDirectoryError::ReadOnly`]; the file is then as it was.
    pub(crate) fn write(&mut self, record: KeyRecord) -> Result<(), KeyDirectoryError> {
        self.check_writable()?;
        let place = self.records.iter().position(|it| it.kid == record.kid);
        let known = place.and_then(|place| self.paths.get(place)).cloned();
        let path = known.unwrap_or_else(|| self.directory.join(file_name(&record)));
        write(&self.directory, &path, &record).map_err(at("can't write the key", &path))?;
        match place.and_then(|place| self.records.get_mut(place)) {
            Some(old) => *old = record,
            None => {
                self.records.push(record);
                self.paths.push(path);
            }
        }
        Ok(())
    }

    /// Removes a key and its file for good.
    ///
    /// # Errors
    /// [`KeyDirectoryError::Io`] or [`KeyDirectoryError::ReadOnly`].
    pub(crate) fn remove(&mut self, kid: &KeyId) -> Result<(), KeyDirectoryError> {
        self.check_writable()?;
        while let Some(place) = self.records.iter().position(|it| it.kid == *kid) {
            if let Some(path) = self.paths.get(place) {
                fs::remove_file(path).map_err(at("can't remove the key", path))?;
            }
            let _ = self.records.remove(place);
            let _ = self.paths.remove(place);
        }
        sync(&self.directory).map_err(at("can't remove the key", &self.directory))
    }
}

fn at(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeyDirectoryError {
    let path = path.to_owned();
    move |source| KeyDirectoryError::Io { what, path, source }
}

/// What an attempt to open the lock file for writing came to.
fn hold(path: &Path, opened: io::Result<File>) -> Result<Hold, KeyDirectoryError> {
    match opened {
        Ok(lock) => {
            lock.lock().map_err(at("can't lock", path))?;
            Ok(Hold::Alone(lock))
        }
        Err(error) if is_read_only(&error) => {
            let shared = File::open(path).ok();
            Ok(Hold::ReadOnly(shared.filter(|lock| lock.lock_shared().is_ok())))
        }
        Err(error) => Err(at("can't open", path)(error)),
    }
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
}

fn key_files(directory: &Path) -> Result<Vec<PathBuf>, KeyDirectoryError> {
    let listing = || at("can't list the key directory", directory);
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(listing())? {
        let path = entry.map_err(listing())?.path();
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    Ok(paths)
}

fn read(path: &Path) -> Result<KeyRecord, KeyDirectoryError> {
    check_mode(path, 0o600)?;
    let text = fs::read_to_string(path).map(Zeroizing::new);
    KeyRecord::from_json(&text.map_err(at("can't read the key", path))?)
        .map_err(|source| KeyDirectoryError::Record { path: path.to_owned(), source })
}

/// Nobody but the owner may have any right to `path`.
fn check_mode(path: &Path, right: u32) -> Result<(), KeyDirectoryError> {
    let metadata = fs::metadata(path).map_err(at("can't look at the permissions", path))?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(KeyDirectoryError::Permissions { path: path.to_owned(), mode, right })
}

pub(super) fn file_name(record: &KeyRecord) -> String {
    format!("{}-{}.json", kind(record.token_type), record.kid)
}

fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options
}

/// Writes beside, syncs, renames, syncs the directory: a reader sees all of it or nothing, after a
/// power cut too.
fn write(directory: &Path, path: &Path, record: &KeyRecord) -> io::Result<()> {
    let draft = directory.join(format!(".{}.draft", record.kid));
    let mut file = private_file().truncate(true).open(&draft)?;
    file.write_all(record.to_json().as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    sync(directory)
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// The keys in `directory` as somebody finds them who may not write there. Root, who runs tests as
/// well, may write everywhere.
#[cfg(test)]
pub(super) fn read_only(directory: &Path) -> Result<HeldKeys, KeyDirectoryError> {
    let path = directory.join(".lock");
    HeldKeys::under(hold(&path, Err(ErrorKind::PermissionDenied.into()))?, directory)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aquaware_core::jwt::{Algorithm, TokenType};
    use aquaware_core::keys::generate;
    use aquaware_core::random::SystemRandom;
    use aquaware_core::time::Timestamp;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn record() -> KeyRecord {
        generate(TokenType::Access, Algorithm::EdDsa, NOW, &SystemRandom).unwrap()
    }

    fn files(directory: &Path) -> Vec<PathBuf> {
        key_files(directory).unwrap()
    }

    #[test]
    fn a_directory_that_is_not_there_is_not_made_by_looking() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("keys");
        assert!(HeldKeys::found(&directory).unwrap().is_none());
        assert!(!directory.exists());
    }

    #[test]
    fn a_key_keeps_its_file_its_mode_and_its_name_when_it_changes() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("keys");
        let mut held = HeldKeys::made(&directory).unwrap();
        held.write(record()).unwrap();
        drop(held);
        // An operator's own name for the file.
        let named = directory.join("mounted.json");
        fs::rename(&files(&directory)[0], &named).unwrap();
        let mut held = HeldKeys::found(&directory).unwrap().unwrap();
        let changed = KeyRecord { active_from: Some(NOW), ..held.records()[0].clone() };
        held.write(changed).unwrap();
        assert_eq!(files(&directory), std::slice::from_ref(&named));
        assert_eq!(fs::metadata(&named).unwrap().mode() & 0o777, 0o600);
        drop(held);
        let again = HeldKeys::found(&directory).unwrap().unwrap();
        assert_eq!(again.records()[0].active_from, Some(NOW));
    }

    #[test]
    fn a_removed_key_leaves_no_file() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("keys");
        let mut held = HeldKeys::made(&directory).unwrap();
        let (gone, stays) = (record(), record());
        held.write(gone.clone()).unwrap();
        held.write(stays.clone()).unwrap();
        held.remove(&gone.kid).unwrap();
        assert_eq!(held.into_records()[0].kid, stays.kid);
        assert_eq!(files(&directory), [directory.join(file_name(&stays))]);
    }

    #[test]
    fn whoever_comes_second_waits_for_the_lock() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("keys");
        let mut held = HeldKeys::made(&directory).unwrap();
        let (seen, sees) = std::sync::mpsc::channel();
        let second = std::thread::spawn({
            let directory = directory.clone();
            move || seen.send(HeldKeys::made(&directory).unwrap().records().len()).unwrap()
        });
        assert!(sees.recv_timeout(Duration::from_millis(100)).is_err());
        held.write(record()).unwrap();
        drop(held);
        assert_eq!(sees.recv().unwrap(), 1);
        second.join().unwrap();
    }

    #[test]
    fn what_cannot_be_written_is_read_and_left_as_it_is() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("keys");
        let mut held = HeldKeys::made(&directory).unwrap();
        let key = record();
        held.write(key.clone()).unwrap();
        assert!(!held.is_read_only());
        drop(held);
        for lock_file in [true, false] {
            let mut held = read_only(&directory).unwrap();
            assert!(held.is_read_only());
            assert_eq!(held.records()[0].kid, key.kid);
            let message = held.write(record()).unwrap_err().to_string();
            assert!(message.contains("can't be written"), "{message}");
            assert!(held.remove(&key.kid).is_err());
            assert_eq!(files(&directory), [directory.join(file_name(&key))]);
            assert_eq!(directory.join(".lock").exists(), lock_file, "looking makes none");
            if lock_file {
                fs::remove_file(directory.join(".lock")).unwrap();
            }
        }
    }

    #[test]
    fn who_may_only_read_waits_for_who_writes() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("keys");
        let mut held = HeldKeys::made(&directory).unwrap();
        let (seen, sees) = std::sync::mpsc::channel();
        let reader = std::thread::spawn({
            let directory = directory.clone();
            move || seen.send(read_only(&directory).unwrap().records().len()).unwrap()
        });
        assert!(sees.recv_timeout(Duration::from_millis(100)).is_err());
        held.write(record()).unwrap();
        drop(held);
        assert_eq!(sees.recv().unwrap(), 1);
        reader.join().unwrap();
    }

    #[test]
    fn only_what_says_read_only_is_taken_for_it() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join(".lock");
        for kind in [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem] {
            assert!(matches!(hold(&path, Err(kind.into())), Ok(Hold::ReadOnly(None))), "{kind}");
        }
        for kind in [ErrorKind::NotFound, ErrorKind::StorageFull, ErrorKind::IsADirectory] {
            assert!(hold(&path, Err(kind.into())).is_err(), "{kind}");
        }
    }
}
