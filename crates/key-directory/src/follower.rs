//! Following a key directory that replicas and commands change.

use std::fs;
use std::time::SystemTime;

use aquaware_core::id::KeyId;
use aquaware_core::keys::KeyRecord;
use aquaware_core::time::Timestamp;

use crate::directory::{KeyDirectory, RELOAD_EVERY};
use crate::error::KeyDirectoryError;

/// Follows the keys of a directory and rotates them on schedule.
#[derive(Debug)]
pub struct KeyFollower {
    directory: KeyDirectory,
    /// The keys that were last passed on.
    seen: Versions,
    /// The modification time of the directory when it was last checked.
    modified: Option<SystemTime>,
    reloaded_at: Option<Timestamp>,
}

/// The keys of a directory, and the instant from which each of them signs. Nothing else of a key
/// ever changes.
type Versions = Vec<(KeyId, Option<Timestamp>)>;

impl KeyDirectory {
    /// Follows the directory from here on; `records` are the keys that were loaded.
    #[must_use]
    pub fn follow(&self, records: &[KeyRecord]) -> KeyFollower {
        let (directory, seen) = (self.clone(), versions(records));
        KeyFollower { directory, seen, modified: None, reloaded_at: None }
    }
}

impl KeyFollower {
    /// The directory that is followed.
    #[must_use]
    pub const fn directory(&self) -> &KeyDirectory {
        &self.directory
    }

    /// Passes the keys to `apply` if they changed; returns whether they did.
    ///
    /// Call this about once a second: it costs one `stat`. The keys are read when the directory
    /// was modified, and at least every [`RELOAD_EVERY`]. Two rotations by hand must be further
    /// apart than two calls, otherwise a replica meets tokens signed with a key that it has never
    /// seen.
    ///
    /// # Errors
    /// When the keys cannot be read, or `apply` fails. The next call tries again, because a wrong
    /// mode or a half-copied file can be corrected without modifying the directory.
    pub fn poll<E: From<KeyDirectoryError>>(
        &mut self,
        now: Timestamp,
        apply: impl FnOnce(&[KeyRecord]) -> Result<(), E>,
    ) -> Result<bool, E> {
        let metadata = fs::metadata(self.directory.path());
        let modified = metadata.and_then(|it| it.modified()).ok();
        if modified == self.modified && !self.is_reload_due(now) {
            return Ok(false);
        }
        self.reloaded_at = None;
        let records = self.directory.reload(now)?;
        let versions = versions(&records);
        let changed = versions != self.seen;
        if changed {
            apply(&records)?;
            self.seen = versions;
        }
        (self.modified, self.reloaded_at) = (modified, Some(now));
        Ok(changed)
    }

    /// Also when the clock was set back.
    fn is_reload_due(&self, now: Timestamp) -> bool {
        self.reloaded_at.is_none_or(|at| now >= at.plus(RELOAD_EVERY) || now < at)
    }
}

fn versions(records: &[KeyRecord]) -> Versions {
    let mut versions: Versions =
        records.iter().map(|it| (it.kid.clone(), it.active_from)).collect();
    versions.sort();
    versions
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::time::Duration;

    use aquaware_core::jwt::{Algorithm, TokenType};

    use super::*;
    use crate::locked::LockedKeys;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    /// Waits until a change of the directory gets another modification time: a file system's clock
    /// ticks every few milliseconds.
    fn wait_for_a_tick(directory: &Path) {
        let modified = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
        let probe = directory.with_extension("probe");
        loop {
            fs::write(&probe, "").unwrap();
            if modified(&probe) > modified(directory) {
                return;
            }
        }
    }

    fn poll(follower: &mut KeyFollower, now: Timestamp) -> Result<bool, KeyDirectoryError> {
        follower.poll(now, |_| Ok(()))
    }

    #[test]
    fn changes_are_passed_on_once_and_a_reload_rotates() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("keys");
        let directory = KeyDirectory::new(&path, Algorithm::EdDsa).rotate_every(RELOAD_EVERY * 60);
        let mut follower = directory.follow(&directory.load(NOW).unwrap());
        assert!(!poll(&mut follower, NOW).unwrap(), "these are the keys that were loaded");
        wait_for_a_tick(&path);
        let mut keys = LockedKeys::open(&path).unwrap().unwrap();
        let _ = keys.generate(TokenType::Access, Algorithm::EdDsa, NOW).unwrap();
        drop(keys);
        assert!(poll(&mut follower, NOW.plus(SECOND)).unwrap());
        assert!(!poll(&mut follower, NOW.plus(SECOND * 2)).unwrap());
        assert!(poll(&mut follower, NOW.plus(RELOAD_EVERY * 60)).unwrap(), "a rotation is due");
    }

    #[test]
    fn keys_that_could_not_be_applied_are_tried_again() {
        let parent = tempfile::tempdir().unwrap();
        let directory = KeyDirectory::new(parent.path().join("keys"), Algorithm::EdDsa);
        directory.load(NOW).unwrap();
        let mut follower = directory.follow(&[]);
        let generate = |_: &[KeyRecord]| Err(KeyDirectoryError::Generate);
        assert!(follower.poll(NOW, generate).is_err());
        assert!(poll(&mut follower, NOW).unwrap());
        assert!(!poll(&mut follower, NOW).unwrap());
    }

    #[test]
    fn a_corrected_mode_is_noticed_at_the_next_call() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("keys");
        let directory = KeyDirectory::new(&path, Algorithm::EdDsa);
        directory.load(NOW).unwrap();
        let mut follower = directory.follow(&[]);
        let file = fs::read_dir(&path).unwrap().map(|it| it.unwrap().path());
        let file = file.into_iter().find(|it| it.extension().is_some()).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(poll(&mut follower, NOW).is_err());
        assert!(poll(&mut follower, NOW).is_err());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(poll(&mut follower, NOW).unwrap());
    }
}
