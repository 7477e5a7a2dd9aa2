//! The files of a key directory, read and changed under its lock.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use aquaware_core::id::KeyId;
use aquaware_core::jwt::{Algorithm, TokenType};
use aquaware_core::keys::{
    KeyChange, KeyRecord, Withdrawal, algorithm_of, generate, rotate, withdraw,
};
use aquaware_core::random::SystemRandom;
use aquaware_core::time::Timestamp;
use zeroize::Zeroizing;

use crate::access::Process;
use crate::error::{KeyDirectoryError, type_name};

/// How long a start or a command waits for another process that uses the keys.
pub(crate) const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the lock is tried while another process holds it.
const RETRY_EVERY: Duration = Duration::from_millis(5);

/// The keys of a directory, under its lock: no other process changes them until this is dropped.
///
/// Servers wait for the lock too, so hold it only briefly, and never while a person is asked
/// something.
///
/// A directory that cannot be written, such as a mounted secret, can still be read. If it has no
/// lock file, another process may change it at the same time. Each key is then read either in its
/// old or in its new form, and writers keep the set usable after every single change.
#[derive(Debug)]
pub struct LockedKeys {
    directory: PathBuf,
    records: Vec<KeyRecord>,
    /// The file of each of `records`, in the same order.
    paths: Vec<PathBuf>,
    lock: Lock,
}

#[derive(Debug)]
enum Lock {
    /// Excludes readers and writers.
    Exclusive(#[allow(dead_code, reason = "closing the file releases the lock")] File),
    /// The directory is read-only. If it has a lock file, the lock excludes writers.
    ReadOnly(#[allow(dead_code, reason = "closing the file releases the lock")] Option<File>),
}

impl LockedKeys {
    /// Locks `directory` and reads its keys; creates the directory if it is missing.
    ///
    /// # Errors
    /// [`KeyDirectoryError`]; in particular for files that other users can access.
    pub fn create(directory: &Path) -> Result<Self, KeyDirectoryError> {
        Self::create_within(directory, LOCK_TIMEOUT)
    }

    /// As [`LockedKeys::create`], waiting no longer than `patience` for the lock.
    pub(crate) fn create_within(
        directory: &Path,
        patience: Duration,
    ) -> Result<Self, KeyDirectoryError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(failed("create the key directory", directory))?;
        Self::lock(directory, patience)
    }

    /// Locks `directory` and reads its keys; `None` if the directory does not exist yet.
    ///
    /// # Errors
    /// As [`LockedKeys::create`].
    pub fn open(directory: &Path) -> Result<Option<Self>, KeyDirectoryError> {
        match fs::metadata(directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            _ => Self::lock(directory, LOCK_TIMEOUT).map(Some),
        }
    }

    fn lock(directory: &Path, patience: Duration) -> Result<Self, KeyDirectoryError> {
        let process = current_process()?;
        process.check_directory(directory)?;
        let path = directory.join(".lock");
        check_kind(&path)?;
        let opened = private_file().truncate(false).open(&path);
        Self::read(acquire(&path, opened, patience)?, directory)
    }

    fn read(lock: Lock, directory: &Path) -> Result<Self, KeyDirectoryError> {
        let (process, paths) = (current_process()?, key_files(directory)?);
        let read = |path: &PathBuf| {
            process.check_file(directory, path)?;
            read(path)
        };
        let records = paths.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { directory: directory.to_owned(), records, paths, lock })
    }

    /// Whether the directory cannot be written.
    #[must_use]
    pub const fn is_read_only(&self) -> bool {
        matches!(self.lock, Lock::ReadOnly(_))
    }

    fn check_writable(&self) -> Result<(), KeyDirectoryError> {
        if self.is_read_only() {
            return Err(KeyDirectoryError::ReadOnly { path: self.directory.clone() });
        }
        Ok(())
    }

    /// The path of the directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The keys, in no particular order.
    #[must_use]
    pub fn records(&self) -> &[KeyRecord] {
        &self.records
    }

    /// Releases the lock and returns the keys.
    #[must_use]
    pub fn into_records(self) -> Vec<KeyRecord> {
        self.records
    }

    /// Makes the next key of a type sign from `now` on, and creates a new next key.
    ///
    /// # Errors
    /// As [`LockedKeys::write`], or [`KeyDirectoryError::Generate`].
    pub fn rotate(
        &mut self,
        token_type: TokenType,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<KeyChange, KeyDirectoryError> {
        let change = rotate(&self.records, token_type, algorithm, now, &SystemRandom)
            .map_err(|_| KeyDirectoryError::Generate)?;
        self.write_all(&change.write)?;
        Ok(change)
    }

    /// Removes a compromised key permanently; `None` if the key does not exist. If it is the active
    /// key, its successor signs from `now` on.
    ///
    /// # Errors
    /// As [`LockedKeys::write`], or [`KeyDirectoryError::Generate`].
    pub fn withdraw(
        &mut self,
        kid: &KeyId,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<Option<Withdrawal>, KeyDirectoryError> {
        let withdrawal = withdraw(&self.records, kid, algorithm, now, &SystemRandom)
            .map_err(|_| KeyDirectoryError::Generate)?;
        if let Some(withdrawal) = &withdrawal {
            // The successor is on the disk before the key is removed, so a crash in between leaves
            // a key to sign with.
            self.write_all(&withdrawal.write)?;
            self.remove(kid)?;
        }
        Ok(withdrawal)
    }

    /// Creates one more key, which is published and waits to be rotated in.
    ///
    /// # Errors
    /// As [`LockedKeys::write`], or [`KeyDirectoryError::Generate`].
    pub fn generate(
        &mut self,
        token_type: TokenType,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<KeyRecord, KeyDirectoryError> {
        let algorithm = algorithm_of(token_type, algorithm);
        let record = generate(token_type, algorithm, now, &SystemRandom)
            .map_err(|_| KeyDirectoryError::Generate)?;
        self.write(record.clone())?;
        Ok(record)
    }

    /// Writes a new key, or a changed version of a known one.
    ///
    /// # Errors
    /// [`KeyDirectoryError::Io`] or [`KeyDirectoryError::ReadOnly`]; the file is then unchanged.
    pub fn write(&mut self, record: KeyRecord) -> Result<(), KeyDirectoryError> {
        self.check_writable()?;
        let index = self.records.iter().position(|it| it.kid == record.kid);
        let known = index.and_then(|index| self.paths.get(index)).cloned();
        let path = known.unwrap_or_else(|| self.directory.join(file_name(&record)));
        write(&self.directory, &path, &record).map_err(failed("write the key", &path))?;
        match index.and_then(|index| self.records.get_mut(index)) {
            Some(old) => *old = record,
            None => {
                self.records.push(record);
                self.paths.push(path);
            }
        }
        Ok(())
    }

    fn write_all(&mut self, records: &[KeyRecord]) -> Result<(), KeyDirectoryError> {
        records.iter().try_for_each(|record| self.write(record.clone()))
    }

    /// Removes a key and its file permanently.
    ///
    /// # Errors
    /// [`KeyDirectoryError::Io`] or [`KeyDirectoryError::ReadOnly`].
    pub fn remove(&mut self, kid: &KeyId) -> Result<(), KeyDirectoryError> {
        self.check_writable()?;
        while let Some(index) = self.records.iter().position(|it| it.kid == *kid) {
            if let Some(path) = self.paths.get(index) {
                fs::remove_file(path).map_err(failed("remove the key", path))?;
            }
            let _ = self.records.remove(index);
            let _ = self.paths.remove(index);
        }
        sync(&self.directory).map_err(failed("remove a key from", &self.directory))
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeyDirectoryError {
    let path = path.to_owned();
    move |source| KeyDirectoryError::Io { action, path, source }
}

/// Takes the lock, given the outcome of opening the lock file for writing.
fn acquire(
    path: &Path,
    opened: io::Result<File>,
    patience: Duration,
) -> Result<Lock, KeyDirectoryError> {
    match opened {
        Ok(lock) => {
            wait_for(|| lock.try_lock(), path, patience)?;
            Ok(Lock::Exclusive(lock))
        }
        Err(error) if is_read_only(&error) => {
            let Ok(lock) = File::open(path) else { return Ok(Lock::ReadOnly(None)) };
            match wait_for(|| lock.try_lock_shared(), path, patience) {
                Err(error @ KeyDirectoryError::Locked { .. }) => Err(error),
                locked => Ok(Lock::ReadOnly(Some(lock).filter(|_| locked.is_ok()))),
            }
        }
        Err(error) => Err(failed("open", path)(error)),
    }
}

/// Tries to lock until it succeeds. A call that waits for the lock could not be given up, so a
/// process that never releases it would stop this one too.
fn wait_for(
    lock: impl Fn() -> Result<(), TryLockError>,
    path: &Path,
    patience: Duration,
) -> Result<(), KeyDirectoryError> {
    let deadline = Instant::now() + patience;
    loop {
        match lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                thread::park_timeout(RETRY_EVERY);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(KeyDirectoryError::Locked { path: path.to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", path)(error)),
        }
    }
}

fn current_process() -> Result<Process, KeyDirectoryError> {
    Process::current().map_err(failed("list the groups of", Path::new("this process")))
}

/// A lock file must not be a link, or a named pipe, which would wait for a reader.
fn check_kind(path: &Path) -> Result<(), KeyDirectoryError> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => Err(KeyDirectoryError::NotAFile { path: path.to_owned() }),
        _ => Ok(()),
    }
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
}

fn key_files(directory: &Path) -> Result<Vec<PathBuf>, KeyDirectoryError> {
    let unlisted = || failed("list the key directory", directory);
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(unlisted())? {
        let path = entry.map_err(unlisted())?.path();
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    Ok(paths)
}

fn read(path: &Path) -> Result<KeyRecord, KeyDirectoryError> {
    let text = fs::read_to_string(path).map(Zeroizing::new);
    KeyRecord::from_json(&text.map_err(failed("read the key", path))?)
        .map_err(|source| KeyDirectoryError::Record { path: path.to_owned(), source })
}

pub(crate) fn file_name(record: &KeyRecord) -> String {
    format!("{}-{}.json", type_name(record.token_type), record.kid)
}

fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options
}

/// Writes a draft, syncs it, renames it and syncs the directory: readers see the whole file or
/// none, also after a power cut.
fn write(directory: &Path, path: &Path, record: &KeyRecord) -> io::Result<()> {
    let draft = directory.join(format!(".{}.draft", record.kid));
    // A draft that a crash left behind, or whatever else has its name, is not written to.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private_file().create_new(true).open(&draft)?;
    file.write_all(record.to_json().as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    sync(directory)
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// The keys of `directory` as a process without write access gets them. Permissions alone do not
/// show this in tests, because root can write everywhere.
#[cfg(test)]
pub(crate) fn read_only(directory: &Path) -> Result<LockedKeys, KeyDirectoryError> {
    let path = directory.join(".lock");
    let denied = Err(ErrorKind::PermissionDenied.into());
    LockedKeys::read(acquire(&path, denied, LOCK_TIMEOUT)?, directory)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn record() -> KeyRecord {
        generate(TokenType::Access, Algorithm::EdDsa, NOW, &SystemRandom).unwrap()
    }

    fn files(directory: &Path) -> Vec<PathBuf> {
        key_files(directory).unwrap()
    }

    #[test]
    fn opening_does_not_create_a_missing_directory() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("keys");
        assert!(LockedKeys::open(&directory).unwrap().is_none());
        assert!(!directory.exists());
    }

    #[test]
    fn a_changed_key_keeps_its_file_name_and_mode() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("keys");
        let mut keys = LockedKeys::create(&directory).unwrap();
        keys.write(record()).unwrap();
        drop(keys);
        // A file name chosen by the operator.
        let named = directory.join("mounted.json");
        fs::rename(&files(&directory)[0], &named).unwrap();
        let mut keys = LockedKeys::open(&directory).unwrap().unwrap();
        let changed = KeyRecord { active_from: Some(NOW), ..keys.records()[0].clone() };
        keys.write(changed).unwrap();
        assert_eq!(files(&directory), std::slice::from_ref(&named));
        assert_eq!(fs::metadata(&named).unwrap().mode() & 0o777, 0o600);
        drop(keys);
        let again = LockedKeys::open(&directory).unwrap().unwrap();
        assert_eq!(again.records()[0].active_from, Some(NOW));
    }

    #[test]
    fn a_removed_key_leaves_no_file() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("keys");
        let mut keys = LockedKeys::create(&directory).unwrap();
        let (gone, stays) = (record(), record());
        keys.write(gone.clone()).unwrap();
        keys.write(stays.clone()).unwrap();
        keys.remove(&gone.kid).unwrap();
        assert_eq!(keys.into_records()[0].kid, stays.kid);
        assert_eq!(files(&directory), [directory.join(file_name(&stays))]);
    }

    #[test]
    fn a_second_process_waits_for_the_lock() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("keys");
        let mut keys = LockedKeys::create(&directory).unwrap();
        let (seen, sees) = std::sync::mpsc::channel();
        let second = std::thread::spawn({
            let directory = directory.clone();
            move || seen.send(LockedKeys::create(&directory).unwrap().records().len()).unwrap()
        });
        assert!(sees.recv_timeout(Duration::from_millis(100)).is_err());
        keys.write(record()).unwrap();
        drop(keys);
        assert_eq!(sees.recv().unwrap(), 1);
        second.join().unwrap();
    }

    #[test]
    fn a_lock_that_is_never_released_is_reported() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("keys");
        let held = LockedKeys::create(&directory).unwrap();
        let error = LockedKeys::create_within(&directory, Duration::ZERO).unwrap_err();
        assert!(matches!(error, KeyDirectoryError::Locked { .. }), "{error}");
        assert!(error.to_string().contains(".lock"), "{error}");
        drop(held);
        assert!(LockedKeys::create_within(&directory, Duration::ZERO).is_ok());
    }

    #[test]
    fn named_pipes_and_links_that_lead_out_are_rejected() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("keys");
        let mut keys = LockedKeys::create(&directory).unwrap();
        keys.write(record()).unwrap();
        drop(keys);
        let key = files(&directory)[0].clone();
        let inner = directory.join("..data");
        fs::create_dir(&inner).unwrap();
        let error = || LockedKeys::create(&directory).unwrap_err();

        let pipe = directory.join("x.json");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(matches!(error(), KeyDirectoryError::NotAFile { path } if path == pipe));
        fs::remove_file(&pipe).unwrap();

        let outside = parent.path().join("elsewhere.json");
        fs::rename(&key, &outside).unwrap();
        symlink(&outside, &key).unwrap();
        assert!(matches!(error(), KeyDirectoryError::OutsideDirectory { path } if path == key));
        fs::remove_file(&key).unwrap();

        // A mounted secret of Kubernetes.
        fs::rename(&outside, inner.join("key")).unwrap();
        symlink("..data/key", &key).unwrap();
        assert_eq!(LockedKeys::create(&directory).unwrap().records().len(), 1);

        let lock = directory.join(".lock");
        fs::remove_file(&lock).unwrap();
        nix::unistd::mkfifo(&lock, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(matches!(error(), KeyDirectoryError::NotAFile { path } if path == lock));
    }

    #[test]
    fn a_read_only_directory_is_read_and_never_changed() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("keys");
        let mut keys = LockedKeys::create(&directory).unwrap();
        let key = record();
        keys.write(key.clone()).unwrap();
        assert!(!keys.is_read_only());
        drop(keys);
        for lock_file in [true, false] {
            let mut keys = read_only(&directory).unwrap();
            assert!(keys.is_read_only());
            assert_eq!(keys.records()[0].kid, key.kid);
            let message = keys.write(record()).unwrap_err().to_string();
            assert!(message.contains("is read-only"), "{message}");
            assert!(keys.remove(&key.kid).is_err());
            assert_eq!(files(&directory), [directory.join(file_name(&key))]);
            assert_eq!(directory.join(".lock").exists(), lock_file, "reading creates none");
            if lock_file {
                fs::remove_file(directory.join(".lock")).unwrap();
            }
        }
    }

    #[test]
    fn a_reader_without_write_access_waits_for_the_writer() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("keys");
        let mut keys = LockedKeys::create(&directory).unwrap();
        let (seen, sees) = std::sync::mpsc::channel();
        let reader = std::thread::spawn({
            let directory = directory.clone();
            move || seen.send(read_only(&directory).unwrap().records().len()).unwrap()
        });
        assert!(sees.recv_timeout(Duration::from_millis(100)).is_err());
        keys.write(record()).unwrap();
        drop(keys);
        assert_eq!(sees.recv().unwrap(), 1);
        reader.join().unwrap();
    }

    #[test]
    fn only_permission_errors_mean_read_only() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join(".lock");
        for kind in [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem] {
            assert!(
                matches!(acquire(&path, Err(kind.into()), LOCK_TIMEOUT), Ok(Lock::ReadOnly(None))),
                "{kind}"
            );
        }
        for kind in [ErrorKind::NotFound, ErrorKind::StorageFull, ErrorKind::IsADirectory] {
            assert!(acquire(&path, Err(kind.into()), LOCK_TIMEOUT).is_err(), "{kind}");
        }
    }
}
