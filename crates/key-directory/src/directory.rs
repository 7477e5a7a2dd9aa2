//! Which keys a directory should have, and loading them: missing keys are created, rotations that
//! are due are announced, and keys that nothing needs any more are removed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aquaware_core::id::KeyId;
use aquaware_core::jwt::{Algorithm, TokenType};
use aquaware_core::keys::{
    KEY_SET_MAX_AGE, KeyRecord, KeyRing, Phase, Schedule, due, is_clock_behind, missing,
    signing_algorithm,
};
use aquaware_core::random::SystemRandom;
use aquaware_core::time::Timestamp;

use crate::error::{KeyDirectoryError, type_name};
use crate::locked::{LOCK_TIMEOUT, LockedKeys};

/// How often a [`KeyFollower`](crate::KeyFollower) reads the keys even if the directory seems
/// unchanged: network file systems may report changes late.
pub const RELOAD_EVERY: Duration = Duration::from_secs(60);

/// How long the file of a key is kept once every token that it signed has expired: long enough to
/// notice a wrong clock, or a client that was removed from the configuration by mistake.
const KEPT_AFTER_EXPIRY: Duration = Duration::from_secs(30 * 24 * 3600);

/// A directory of keys, and how they are to be kept.
///
/// Replicas of one issuer share the directory. Any number of processes may use it at the same time.
#[derive(Clone, Debug)]
pub struct KeyDirectory {
    path: PathBuf,
    algorithm: Algorithm,
    rotate_every: Option<Duration>,
    key_set_max_age: Duration,
    lock_timeout: Duration,
}

impl KeyDirectory {
    /// The directory at `path`, in which access tokens are signed with `algorithm`. Keys are
    /// rotated by hand only.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, algorithm: Algorithm) -> Self {
        let (path, key_set_max_age) = (path.into(), KEY_SET_MAX_AGE);
        let lock_timeout = LOCK_TIMEOUT;
        Self { path, algorithm, rotate_every: None, key_set_max_age, lock_timeout }
    }

    /// Rotates keys automatically once they have signed for `interval`.
    #[must_use]
    pub const fn rotate_every(mut self, interval: Duration) -> Self {
        self.rotate_every = Some(interval);
        self
    }

    /// Sets how long verifiers may cache the published key set; [`KEY_SET_MAX_AGE`] without it.
    #[must_use]
    pub const fn key_set_max_age(mut self, age: Duration) -> Self {
        self.key_set_max_age = age;
        self
    }

    /// Sets how long to wait for another process that uses the keys; 10 seconds by default.
    #[must_use]
    pub const fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// The path of the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Loads all keys, to be called when a process starts or its configuration changed: creates the
    /// directory and missing keys, and announces rotations that are due. If the algorithm differs
    /// from that of the key that signs, a key with the new algorithm signs from `now` on.
    ///
    /// A read-only directory is used unchanged, unless a key is missing.
    ///
    /// # Errors
    /// [`KeyDirectoryError`]; in particular for files that other users can access.
    pub fn load(&self, now: Timestamp) -> Result<Vec<KeyRecord>, KeyDirectoryError> {
        let keys = LockedKeys::create_within(&self.path, self.lock_timeout)?;
        if keys.is_read_only() && self.rotate_every.is_some() {
            let directory = self.path.display();
            tracing::warn!(%directory, "the key directory is read-only: keys are not rotated here");
        }
        self.update(keys, self.algorithm, now)
    }

    /// Loads all keys like [`KeyDirectory::load`], but keeps the algorithm of the key that signs.
    /// Otherwise replicas with different configurations would take turns during a deployment.
    pub(crate) fn reload(&self, now: Timestamp) -> Result<Vec<KeyRecord>, KeyDirectoryError> {
        let keys = LockedKeys::create_within(&self.path, self.lock_timeout)?;
        let algorithm = self.current_algorithm(&keys, now);
        self.update(keys, algorithm, now)
    }

    /// Removes keys once all tokens that they signed have been expired for 30 days according to
    /// `ring`, and returns their ids. Does nothing in a read-only directory.
    ///
    /// Call this about once an hour, but not in the first day of a process: a machine that starts
    /// with a clock far ahead would otherwise remove keys that are still needed.
    ///
    /// # Errors
    /// [`KeyDirectoryError`].
    pub fn remove_expired(
        &self,
        ring: &KeyRing,
        now: Timestamp,
    ) -> Result<Vec<KeyId>, KeyDirectoryError> {
        let mut keys = LockedKeys::create_within(&self.path, self.lock_timeout)?;
        if keys.is_read_only() {
            return Ok(Vec::new());
        }
        let then = now.minus(KEPT_AFTER_EXPIRY);
        let is_gone = |it: &&KeyRecord| ring.phase(&it.kid, then) == Some(Phase::Gone);
        let expired: Vec<KeyId> =
            keys.records().iter().filter(is_gone).map(|it| it.kid.clone()).collect();
        for kid in &expired {
            keys.remove(kid)?;
            tracing::info!(key = %kid, "removed an expired key");
        }
        Ok(expired)
    }

    fn current_algorithm(&self, keys: &LockedKeys, now: Timestamp) -> Algorithm {
        signing_algorithm(keys.records(), TokenType::Access, now).unwrap_or(self.algorithm)
    }

    fn update(
        &self,
        mut keys: LockedKeys,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<Vec<KeyRecord>, KeyDirectoryError> {
        if is_clock_behind(keys.records(), now) {
            let directory = self.path.display();
            tracing::error!(
                %directory,
                "the clock is more than a day before the creation of the active key: no token is \
                 signed until the clock is right"
            );
            return Ok(keys.into_records());
        }
        let created = missing(keys.records(), algorithm, now, &SystemRandom)
            .map_err(|_| KeyDirectoryError::Generate)?;
        let due = self.due(keys.records(), now);
        if keys.is_read_only() {
            check_complete(&keys, &created, &due)?;
            return Ok(keys.into_records());
        }
        for record in created.into_iter().chain(due) {
            let active_from = record.active_from.map(Timestamp::to_rfc3339);
            let (kid, algorithm) = (record.kid.clone(), record.algorithm.as_str());
            keys.write(record)?;
            tracing::info!(key = %kid, algorithm, active_from, "wrote a key");
        }
        Ok(keys.into_records())
    }

    /// The next keys with the instants at which they become active, if a rotation is due.
    fn due(&self, records: &[KeyRecord], now: Timestamp) -> Vec<KeyRecord> {
        let Some(every) = self.rotate_every else { return Vec::new() };
        // Every replica reloads at least once before an announced key signs.
        let announced = RELOAD_EVERY * 2;
        let schedule = Schedule { every, published_for: self.key_set_max_age, announced };
        let types = [TokenType::Access, TokenType::Refresh].into_iter();
        types.filter_map(|token_type| due(records, token_type, schedule, now)).collect()
    }
}

/// A read-only directory must be complete. A rotation that is due is only reported: an old key is
/// no reason to stop serving.
fn check_complete(
    keys: &LockedKeys,
    missing: &[KeyRecord],
    due: &[KeyRecord],
) -> Result<(), KeyDirectoryError> {
    if let Some(key) = missing.first() {
        return Err(KeyDirectoryError::Incomplete {
            path: keys.directory().to_owned(),
            phase: if key.active_from.is_some() { "active" } else { "next" },
            token_type: key.token_type,
            algorithm: key.algorithm,
        });
    }
    for key in due {
        let key_type = type_name(key.token_type);
        tracing::error!(key_type, "a rotation is due, but the key directory is read-only");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use aquaware_core::id::{ClientId, Issuer};
    use aquaware_core::policy::{ClientProfile, ProfileSettings, TokenPolicy};
    use aquaware_core::time::Lifetime;

    use super::*;
    use crate::locked::{file_name, read_only};

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    /// Keys are rotated by hand.
    fn keys_in(path: &Path, algorithm: Algorithm) -> KeyDirectory {
        KeyDirectory::new(path, algorithm)
    }

    /// The refresh tokens of the only client live for thirty days.
    fn policy() -> TokenPolicy {
        let web = ClientProfile::new(ClientId::new("web").unwrap(), ProfileSettings::default());
        let issuer = Issuer::new("https://auth.example.com").unwrap();
        TokenPolicy::new(issuer, [web.unwrap()])
    }

    fn load_eddsa(path: &Path) -> Result<Vec<KeyRecord>, KeyDirectoryError> {
        keys_in(path, Algorithm::EdDsa).load(NOW)
    }

    fn names(records: &[KeyRecord]) -> Vec<String> {
        let mut names: Vec<String> = records.iter().map(file_name).collect();
        names.sort();
        names
    }

    #[test]
    fn keys_are_created_once_and_for_their_owner_only() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("deep/keys");
        let first = load_eddsa(&directory).unwrap();
        assert_eq!(first.len(), 4, "active and next, access and refresh");
        let again = load_eddsa(&directory).unwrap();
        assert_eq!(names(&first), names(&again));
        assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o777, 0o700);
        for entry in fs::read_dir(&directory).unwrap() {
            assert_eq!(entry.unwrap().metadata().unwrap().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn files_that_other_users_can_access_are_rejected() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("keys");
        let records = load_eddsa(&directory).unwrap();
        let path = directory.join(file_name(&records[0]));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let message = load_eddsa(&directory).unwrap_err().to_string();
        assert!(message.contains("mode 640") && message.contains("chmod 600"), "{message}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        let message = load_eddsa(&directory).unwrap_err().to_string();
        assert!(message.contains("chmod 700"), "{message}");
    }

    #[test]
    fn a_clock_that_is_behind_changes_no_key() {
        let parent = tempfile::tempdir().unwrap();
        let directory = keys_in(&parent.path().join("keys"), Algorithm::EdDsa).rotate_every(DAY);
        let records = directory.load(NOW).unwrap();
        let sorted = |mut records: Vec<KeyRecord>| {
            records.sort_by(|a, b| a.kid.cmp(&b.kid));
            format!("{records:?}")
        };
        for now in [NOW.minus(DAY * 2), NOW.minus(DAY * 60)] {
            assert_eq!(sorted(directory.load(now).unwrap()), sorted(records.clone()));
        }
        assert_eq!(sorted(directory.load(NOW).unwrap()), sorted(records));
    }

    #[test]
    fn an_invalid_key_file_is_named_and_not_quoted() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("keys");
        let records = load_eddsa(&directory).unwrap();
        let path = directory.join(file_name(&records[0]));
        fs::write(&path, "SECRET").unwrap();
        let error = load_eddsa(&directory).unwrap_err();
        assert!(error.to_string().contains(&file_name(&records[0])));
        assert!(!format!("{error:?}").contains("SECRET"));
    }

    #[test]
    fn a_changed_algorithm_gets_new_keys_and_keeps_the_old_ones() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("keys");
        load_eddsa(&directory).unwrap();
        let both = keys_in(&directory, Algorithm::Es256).load(NOW).unwrap();
        assert_eq!(both.len(), 6);
    }

    #[test]
    fn replicas_that_disagree_about_the_algorithm_do_not_take_turns() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("keys");
        let (old, new) = (keys_in(&path, Algorithm::EdDsa), keys_in(&path, Algorithm::Es256));
        let reload = |directory: &KeyDirectory, now| names(&directory.reload(now).unwrap());
        old.load(NOW).unwrap();
        // One replica starts with the new configuration, and both reload for a while.
        let keys = names(&new.load(NOW.plus(Duration::from_secs(1))).unwrap());
        for minute in 1..10 {
            let now = NOW.plus(Duration::from_secs(60 * minute));
            assert_eq!((reload(&old, now), reload(&new, now)), (keys.clone(), keys.clone()));
        }
        // The replica that starts last decides.
        let later = NOW.plus(Duration::from_secs(3600));
        assert_eq!(old.load(later).unwrap().len(), keys.len() + 1);
    }

    #[test]
    fn a_rotation_is_announced_once_and_followed_by_a_new_next_key() {
        let parent = tempfile::tempdir().unwrap();
        let interval = Duration::from_secs(3600);
        let announced = RELOAD_EVERY * 2;
        let directory = keys_in(parent.path(), Algorithm::EdDsa).rotate_every(interval);
        let at = |now| directory.load(now).unwrap();
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(at(NOW).len(), 4);
        let due = NOW.plus(interval);
        let coming = |records: &[KeyRecord]| {
            records.iter().filter(|it| it.active_from == Some(due.plus(announced))).count()
        };
        assert_eq!(coming(&at(due)), 2, "one of each type");
        assert_eq!(coming(&at(due.plus(announced / 2))), 2);
        assert_eq!(at(due.plus(announced)).len(), 6, "a next key of each type follows");
    }

    /// What a process without write access loads.
    fn load_read_only(
        directory: &KeyDirectory,
        now: Timestamp,
    ) -> Result<Vec<KeyRecord>, KeyDirectoryError> {
        directory.update(read_only(&directory.path).unwrap(), directory.algorithm, now)
    }

    #[test]
    fn a_complete_read_only_directory_is_used_unchanged() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("keys");
        let records = load_eddsa(&path).unwrap();
        for entry in fs::read_dir(&path).unwrap() {
            let path = entry.unwrap().path();
            fs::set_permissions(path, fs::Permissions::from_mode(0o400)).unwrap();
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o500)).unwrap();
        let by_hand = keys_in(&path, Algorithm::EdDsa);
        let scheduled = by_hand.clone().rotate_every(DAY);
        assert_eq!(names(&load_read_only(&by_hand, NOW).unwrap()), names(&records));
        // A rotation that is due does not keep the server from starting.
        let late = load_read_only(&scheduled, NOW.plus(DAY * 2)).unwrap();
        assert_eq!(names(&late), names(&records));
        assert_eq!(fs::read_dir(&path).unwrap().count(), records.len() + 1);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    }

    #[test]
    fn a_key_that_a_read_only_directory_lacks_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("keys");
        let records = load_eddsa(&path).unwrap();
        let found =
            |algorithm| load_read_only(&keys_in(&path, algorithm), NOW).unwrap_err().to_string();
        let message = found(Algorithm::Es256);
        assert!(message.contains("no active key for access tokens with ES256"), "{message}");
        let next =
            |it: &&KeyRecord| it.token_type == TokenType::Refresh && it.active_from.is_none();
        let next = records.iter().find(next).unwrap();
        fs::remove_file(path.join(file_name(next))).unwrap();
        let message = found(Algorithm::EdDsa);
        assert!(message.contains("no next key for refresh tokens with HS256"), "{message}");
        assert_eq!(load_eddsa(&path).unwrap().len(), 4, "with write access it is created");
    }

    /// Replaces the first keys of both types at `NOW`, and returns their ids.
    fn rotated_at_now(directory: &KeyDirectory) -> Vec<KeyId> {
        directory.load(NOW.minus(DAY)).unwrap();
        let mut keys = LockedKeys::create(directory.path()).unwrap();
        let types = [TokenType::Access, TokenType::Refresh].into_iter();
        types.filter_map(|it| keys.rotate(it, Algorithm::EdDsa, NOW).unwrap().from).collect()
    }

    fn remaining(
        directory: &KeyDirectory,
        policy: &TokenPolicy,
        retired: &[KeyId],
        now: Timestamp,
    ) -> Vec<bool> {
        let ring = KeyRing::new(&directory.load(now).unwrap(), policy, now).unwrap();
        directory.remove_expired(&ring, now).unwrap();
        let records = directory.load(now).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), records.len() + 1);
        assert_eq!(records.len(), 4 + retired.iter().filter(|kid| has(&records, kid)).count());
        retired.iter().map(|kid| has(&records, kid)).collect()
    }

    fn has(records: &[KeyRecord], kid: &KeyId) -> bool {
        records.iter().any(|it| it.kid == *kid)
    }

    #[test]
    fn a_key_file_is_removed_a_month_after_the_last_token_expired_and_not_sooner() {
        let parent = tempfile::tempdir().unwrap();
        let directory = keys_in(&parent.path().join("keys"), Algorithm::EdDsa);
        let retired = rotated_at_now(&directory);
        let policy = policy();
        let left = |now| remaining(&directory, &policy, &retired, now);
        // The largest clock difference that a verifier may allow.
        let minute = Duration::from_secs(60);
        let access = NOW.plus(policy.max_access_lifetime() + minute + KEPT_AFTER_EXPIRY);
        let refresh = NOW.plus(policy.max_refresh_lifetime() + minute + KEPT_AFTER_EXPIRY);
        let second = Duration::from_secs(1);
        assert_eq!(left(access.minus(second)), [true, true]);
        assert_eq!(left(access), [false, true]);
        assert_eq!(left(refresh.minus(second)), [false, true]);
        assert_eq!(left(refresh), [false, false], "active and next keys stay");
        assert_eq!(left(refresh.plus(DAY * 3660)), [false, false]);
    }

    #[test]
    fn loading_alone_removes_no_key() {
        let parent = tempfile::tempdir().unwrap();
        let directory = keys_in(&parent.path().join("keys"), Algorithm::EdDsa);
        let retired = rotated_at_now(&directory);
        let records = directory.load(NOW.plus(DAY * 3660)).unwrap();
        assert!(retired.iter().all(|kid| has(&records, kid)), "a clock may be far ahead");
    }

    #[test]
    fn a_longer_lifetime_keeps_a_key_for_longer() {
        let parent = tempfile::tempdir().unwrap();
        let directory = keys_in(&parent.path().join("keys"), Algorithm::EdDsa);
        let retired = rotated_at_now(&directory);
        let refresh_lifetime = Lifetime::from_days(700);
        let settings = ProfileSettings { refresh_lifetime, ..ProfileSettings::default() };
        let device = ClientProfile::new(ClientId::new("device").unwrap(), settings).unwrap();
        let policy = TokenPolicy::new(policy().issuer().clone(), [device]);
        let left = remaining(&directory, &policy, &retired, NOW.plus(DAY * 730));
        assert_eq!(left, [false, true]);
    }
}
