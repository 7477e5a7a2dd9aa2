//! Keys at rest: a directory of one file per key, readable by its owner only.
//!
//! What is missing is made on start. Replicas and commands share the directory: whoever reads or
//! changes it holds its lock ([`HeldKeys`]), and a file appears whole or not at all. Which key is
//! active when, the core decides; what it says is written here.

mod held;

use std::io;
use std::path::{Path, PathBuf};

use aquaware_core::jwt::{Algorithm, TokenType};
use aquaware_core::keys::{KeyRecord, RecordError, Schedule, due, missing};
use aquaware_core::random::Random;
use aquaware_core::time::Timestamp;
use thiserror::Error;

pub(crate) use self::held::HeldKeys;

/// Why the keys can't be used.
#[derive(Debug, Error)]
pub(crate) enum KeyDirectoryError {
    /// Something the operating system refuses.
    #[error("{}: {what}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What came of it.
        #[source]
        source: io::Error,
    },
    /// Others than the owner may read it.
    #[error("{} may be read by others than its owner (mode {mode:o}): run chmod {right:o} {}", path.display(), path.display())]
    Permissions {
        /// Which file.
        path: PathBuf,
        /// What its mode is.
        mode: u32,
        /// What its mode should be.
        right: u32,
    },
    /// A file that is no key.
    #[error("{}", path.display())]
    Record {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: RecordError,
    },
    /// A key that could not be made.
    #[error("a new key could not be made")]
    Generate,
}

/// Which keys a directory should have, and when they change places.
#[derive(Clone, Debug)]
pub(crate) struct KeyPlan {
    /// How access tokens are signed.
    pub(crate) algorithm: Algorithm,
    /// When keys are rotated; `None` for by hand.
    pub(crate) schedule: Option<Schedule>,
}

/// Reads every key in `directory`, and on the way brings it to what `plan` asks for: the directory
/// and keys that are missing are made, and a rotation that is due is announced.
///
/// # Errors
/// [`KeyDirectoryError`]; in particular for anything that others may read.
pub(crate) fn keep(
    directory: &Path,
    plan: &KeyPlan,
    random: &dyn Random,
    now: Timestamp,
) -> Result<Vec<KeyRecord>, KeyDirectoryError> {
    let mut held = HeldKeys::made(directory)?;
    let missing = missing(held.records(), plan.algorithm, now, random);
    let made = missing.map_err(|_| KeyDirectoryError::Generate)?;
    let rotated = rotated(held.records(), plan, now);
    for record in made.into_iter().chain(rotated) {
        let from = record.active_from.map(Timestamp::to_rfc3339);
        let (kid, algorithm) = (record.kid.clone(), record.algorithm.word());
        held.write(record)?;
        tracing::info!(key = %kid, algorithm, from, "wrote a key");
    }
    Ok(held.into_records())
}

/// The keys whose turn is to be announced.
fn rotated(records: &[KeyRecord], plan: &KeyPlan, now: Timestamp) -> Vec<KeyRecord> {
    let types = [TokenType::Access, TokenType::Refresh];
    let schedule = plan.schedule.into_iter();
    schedule.flat_map(|it| types.map(|kind| due(records, kind, it, now))).flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::time::Duration;

    use aquaware_core::random::SystemRandom;

    use super::held::file_name;
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    const BY_HAND: KeyPlan = KeyPlan { algorithm: Algorithm::EdDsa, schedule: None };

    fn load_eddsa(directory: &Path) -> Result<Vec<KeyRecord>, KeyDirectoryError> {
        keep(directory, &BY_HAND, &SystemRandom, NOW)
    }

    fn names(records: &[KeyRecord]) -> Vec<String> {
        let mut names: Vec<String> = records.iter().map(file_name).collect();
        names.sort();
        names
    }

    #[test]
    fn keys_are_made_once_and_for_their_owner_only() {
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
    fn what_others_may_read_is_refused() {
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
    fn a_broken_key_is_named_and_not_quoted() {
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
    fn a_changed_algorithm_gets_keys_and_keeps_the_old_ones() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("keys");
        load_eddsa(&directory).unwrap();
        let es256 = KeyPlan { algorithm: Algorithm::Es256, ..BY_HAND };
        let both = keep(&directory, &es256, &SystemRandom, NOW).unwrap();
        assert_eq!(both.len(), 6);
    }

    #[test]
    fn a_rotation_is_announced_once_and_followed_by_a_new_next_key() {
        let parent = tempfile::tempdir().unwrap();
        let span = Duration::from_secs(3600);
        let announced = Duration::from_secs(120);
        let schedule = Schedule { every: span, published_for: Duration::from_secs(300), announced };
        let plan = KeyPlan { schedule: Some(schedule), ..BY_HAND };
        let at = |now| keep(parent.path(), &plan, &SystemRandom, now).unwrap();
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(at(NOW).len(), 4);
        let due = NOW.plus(span);
        let coming = |records: &[KeyRecord]| {
            records.iter().filter(|it| it.active_from == Some(due.plus(announced))).count()
        };
        assert_eq!(coming(&at(due)), 2, "one of each type");
        assert_eq!(coming(&at(due.plus(announced / 2))), 2);
        assert_eq!(at(due.plus(announced)).len(), 6, "a next key of each type follows");
    }
}
