//! Keys at rest: a directory of one file per key, readable by its owner only.
//!
//! What is missing is made on start. Replicas and commands share the directory: whoever reads or
//! changes it holds its lock ([`HeldKeys`]), and a file appears whole or not at all. Which key is
//! active when, the core decides; what it says is written here, and what was gone for long is
//! deleted.

mod held;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aquaware_core::id::KeyId;
use aquaware_core::jwt::{Algorithm, TokenType};
use aquaware_core::keys::{
    KeyRecord, KeyRing, Phase, RecordError, Schedule, due, missing, signing_algorithm,
};
use aquaware_core::policy::TokenPolicy;
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
    /// Something is to be changed where nothing can be.
    #[error("the key directory {} can't be written from here", path.display())]
    ReadOnly {
        /// Which directory.
        path: PathBuf,
    },
    /// A key is missing where none can be made.
    #[error("the key directory {} can't be written from here, and has no {phase} key for {} tokens with {}: start a server once where it can be written, which makes it", path.display(), kind(*token_type), algorithm.word())]
    Incomplete {
        /// Which directory.
        path: PathBuf,
        /// What the missing key would do.
        phase: &'static str,
        /// For which tokens.
        token_type: TokenType,
        /// How it would sign.
        algorithm: Algorithm,
    },
}

/// Which keys a directory should have, and when they change places.
#[derive(Clone, Debug)]
pub(crate) struct KeyPlan {
    /// How access tokens are signed.
    pub(crate) algorithm: Algorithm,
    /// Whether a key of another algorithm that signs already goes on doing so. Replicas whose
    /// configurations differ for a while would else take turns for as long.
    pub(crate) as_it_is: bool,
    /// Whether the files of keys that are long gone are deleted.
    pub(crate) tidies: bool,
    /// When keys are rotated; `None` for by hand.
    pub(crate) schedule: Option<Schedule>,
    /// How long tokens live, which decides when a key is gone.
    pub(crate) policy: TokenPolicy,
}

impl KeyPlan {
    fn algorithm_now(&self, records: &[KeyRecord], now: Timestamp) -> Algorithm {
        let signing = signing_algorithm(records, TokenType::Access, now);
        signing.filter(|_| self.as_it_is).unwrap_or(self.algorithm)
    }
}

/// What a directory was brought to.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Every key in it.
    pub(crate) records: Vec<KeyRecord>,
    /// Whether it can't be written from here, so that nothing is ever changed.
    pub(crate) read_only: bool,
}

/// How long the file of a key stays once everything that the key signed is dead: long enough to
/// notice a clock that went wrong, or a client that was left out of the configuration by mistake.
const GONE_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// Reads every key in `directory`, and on the way brings it to what `plan` asks for: the directory
/// and keys that are missing are made, a rotation that is due is announced, and keys that were gone
/// for long are deleted.
///
/// A directory that can't be written from here is taken as it is, if no key is missing.
///
/// # Errors
/// [`KeyDirectoryError`]; in particular for anything that others may read.
pub(crate) fn keep(
    directory: &Path,
    plan: &KeyPlan,
    random: &dyn Random,
    now: Timestamp,
) -> Result<Kept, KeyDirectoryError> {
    bring(HeldKeys::made(directory)?, plan, random, now)
}

fn bring(
    mut held: HeldKeys,
    plan: &KeyPlan,
    random: &dyn Random,
    now: Timestamp,
) -> Result<Kept, KeyDirectoryError> {
    let missing = missing(held.records(), plan.algorithm_now(held.records(), now), now, random);
    let made = missing.map_err(|_| KeyDirectoryError::Generate)?;
    let rotated = rotated(held.records(), plan, now);
    if held.is_read_only() {
        return as_it_is(held, &made, &rotated);
    }
    for record in made.into_iter().chain(rotated) {
        let from = record.active_from.map(Timestamp::to_rfc3339);
        let (kid, algorithm) = (record.kid.clone(), record.algorithm.word());
        held.write(record)?;
        tracing::info!(key = %kid, algorithm, from, "wrote a key");
    }
    let gone = if plan.tidies { long_gone(held.records(), &plan.policy, now) } else { Vec::new() };
    for kid in gone {
        held.remove(&kid)?;
        tracing::info!(key = %kid, "deleted a key that nothing needs any more");
    }
    Ok(Kept { records: held.into_records(), read_only: false })
}

/// What can't be written must be complete. A rotation that is due is put off, since the keys there
/// are do as well: an old key is no reason to serve nobody.
fn as_it_is(
    held: HeldKeys,
    missing: &[KeyRecord],
    due: &[KeyRecord],
) -> Result<Kept, KeyDirectoryError> {
    if let Some(key) = missing.first() {
        return Err(KeyDirectoryError::Incomplete {
            path: held.directory().to_owned(),
            phase: if key.active_from.is_some() { "active" } else { "next" },
            token_type: key.token_type,
            algorithm: key.algorithm,
        });
    }
    for key in due {
        let key_type = kind(key.token_type);
        tracing::error!(key_type, "a rotation is due and the key directory can't be written");
    }
    Ok(Kept { records: held.into_records(), read_only: true })
}

/// The keys that were gone [`GONE_FOR`] ago already. Where the records make no ring, none: whoever
/// makes one says what is wrong.
fn long_gone(records: &[KeyRecord], policy: &TokenPolicy, now: Timestamp) -> Vec<KeyId> {
    let Ok(ring) = KeyRing::new(records, policy, now) else { return Vec::new() };
    let then = now.minus(GONE_FOR);
    let gone = |it: &&KeyRecord| ring.phase(&it.kid, then) == Some(Phase::Gone);
    records.iter().filter(gone).map(|it| it.kid.clone()).collect()
}

/// The word for a key of this type, in the names of files too.
const fn kind(token_type: TokenType) -> &'static str {
    match token_type {
        TokenType::Access => "access",
        TokenType::Refresh => "refresh",
    }
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

    use aquaware_core::id::{ClientId, Issuer};
    use aquaware_core::keys::rotate;
    use aquaware_core::policy::{ClientProfile, ProfileSettings};
    use aquaware_core::random::SystemRandom;
    use aquaware_core::time::Lifetime;

    use super::held::{file_name, read_only};
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    /// Keys are rotated by hand, and one client's refresh tokens live for thirty days.
    fn by_hand() -> KeyPlan {
        let web = ClientProfile::new(ClientId::new("web").unwrap(), ProfileSettings::default());
        let issuer = Issuer::new("https://auth.example.com").unwrap();
        let policy = TokenPolicy::new(issuer, [web.unwrap()]);
        KeyPlan {
            algorithm: Algorithm::EdDsa,
            as_it_is: false,
            tidies: true,
            schedule: None,
            policy,
        }
    }

    fn scheduled(every: Duration) -> KeyPlan {
        let schedule =
            Schedule { every, published_for: Duration::from_secs(300), announced: ANNOUNCED };
        KeyPlan { schedule: Some(schedule), ..by_hand() }
    }

    const ANNOUNCED: Duration = Duration::from_secs(120);

    fn kept(directory: &Path, plan: &KeyPlan, now: Timestamp) -> Vec<KeyRecord> {
        let kept = keep(directory, plan, &SystemRandom, now).unwrap();
        assert!(!kept.read_only);
        kept.records
    }

    fn load_eddsa(directory: &Path) -> Result<Vec<KeyRecord>, KeyDirectoryError> {
        keep(directory, &by_hand(), &SystemRandom, NOW).map(|kept| kept.records)
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
        let es256 = KeyPlan { algorithm: Algorithm::Es256, ..by_hand() };
        let both = kept(&directory, &es256, NOW);
        assert_eq!(both.len(), 6);
    }

    #[test]
    fn replicas_that_disagree_about_the_algorithm_do_not_take_turns() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("keys");
        let (old, new) = (by_hand(), KeyPlan { algorithm: Algorithm::Es256, ..by_hand() });
        let look = |plan: &KeyPlan, now| {
            let plan = KeyPlan { as_it_is: true, policy: plan.policy.clone(), ..*plan };
            names(&kept(&directory, &plan, now))
        };
        kept(&directory, &old, NOW);
        // One is started with the new configuration, and both look after the keys for a while.
        let keys = names(&kept(&directory, &new, NOW.plus(Duration::from_secs(1))));
        for minute in 1..10 {
            let now = NOW.plus(Duration::from_secs(60 * minute));
            assert_eq!((look(&old, now), look(&new, now)), (keys.clone(), keys.clone()));
        }
        // The one that starts last decides.
        let later = NOW.plus(Duration::from_secs(3600));
        assert_eq!(names(&kept(&directory, &old, later)).len(), keys.len() + 1);
    }

    #[test]
    fn a_rotation_is_announced_once_and_followed_by_a_new_next_key() {
        let parent = tempfile::tempdir().unwrap();
        let span = Duration::from_secs(3600);
        let plan = scheduled(span);
        let at = |now| kept(parent.path(), &plan, now);
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(at(NOW).len(), 4);
        let due = NOW.plus(span);
        let coming = |records: &[KeyRecord]| {
            records.iter().filter(|it| it.active_from == Some(due.plus(ANNOUNCED))).count()
        };
        assert_eq!(coming(&at(due)), 2, "one of each type");
        assert_eq!(coming(&at(due.plus(ANNOUNCED / 2))), 2);
        assert_eq!(at(due.plus(ANNOUNCED)).len(), 6, "a next key of each type follows");
    }

    /// What somebody gets who may not write there.
    fn found(directory: &Path, plan: &KeyPlan, now: Timestamp) -> Result<Kept, KeyDirectoryError> {
        bring(read_only(directory).unwrap(), plan, &SystemRandom, now)
    }

    #[test]
    fn a_complete_directory_that_cannot_be_written_is_taken_as_it_is() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("keys");
        let records = load_eddsa(&directory).unwrap();
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            fs::set_permissions(path, fs::Permissions::from_mode(0o400)).unwrap();
        }
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o500)).unwrap();
        let found = |plan: &KeyPlan, now| {
            let kept = found(&directory, plan, now).unwrap();
            assert!(kept.read_only);
            names(&kept.records)
        };
        assert_eq!(found(&by_hand(), NOW), names(&records));
        // A rotation that is due is no reason to serve nobody.
        assert_eq!(found(&scheduled(DAY), NOW.plus(DAY * 2)), names(&records));
        assert_eq!(fs::read_dir(&directory).unwrap().count(), records.len() + 1);
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    }

    #[test]
    fn what_is_missing_where_nothing_can_be_written_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("keys");
        let records = load_eddsa(&directory).unwrap();
        let es256 = KeyPlan { algorithm: Algorithm::Es256, ..by_hand() };
        let message = found(&directory, &es256, NOW).unwrap_err().to_string();
        assert!(message.contains("no active key for access tokens with ES256"), "{message}");
        let next =
            |it: &&KeyRecord| it.token_type == TokenType::Refresh && it.active_from.is_none();
        let next = records.iter().find(next).unwrap();
        fs::remove_file(directory.join(file_name(next))).unwrap();
        let message = found(&directory, &by_hand(), NOW).unwrap_err().to_string();
        assert!(message.contains("no next key for refresh tokens with HS256"), "{message}");
        assert_eq!(load_eddsa(&directory).unwrap().len(), 4, "where it can be written it is made");
    }

    /// A directory whose first keys of both types were followed by others at `NOW`.
    fn rotated_at_now(directory: &Path) -> Vec<KeyId> {
        let records = kept(directory, &by_hand(), NOW.minus(DAY));
        let mut held = HeldKeys::made(directory).unwrap();
        let mut retired = Vec::new();
        for token_type in [TokenType::Access, TokenType::Refresh] {
            let turn = rotate(&records, token_type, Algorithm::EdDsa, NOW, &SystemRandom).unwrap();
            retired.extend(turn.from);
            turn.write.into_iter().for_each(|record| held.write(record).unwrap());
        }
        retired
    }

    #[test]
    fn the_file_of_a_key_goes_a_month_after_all_that_it_signed_is_dead_and_not_sooner() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("keys");
        let retired = rotated_at_now(&directory);
        let left = |plan: &KeyPlan, now| {
            let records = kept(&directory, plan, now);
            assert_eq!(fs::read_dir(&directory).unwrap().count(), records.len() + 1);
            let is_left = |kid: &&KeyId| records.iter().any(|it| it.kid == **kid);
            (records.len(), retired.iter().filter(is_left).count())
        };
        // The most that a checker's clock may be off.
        let minute = Duration::from_secs(60);
        let access = NOW.plus(by_hand().policy.longest_access() + minute + GONE_FOR);
        let refresh = NOW.plus(by_hand().policy.longest_refresh() + minute + GONE_FOR);
        let second = Duration::from_secs(1);
        let untidy = KeyPlan { tidies: false, ..by_hand() };
        assert_eq!(left(&untidy, refresh.plus(DAY * 3660)), (6, 2), "a clock may be far ahead");
        assert_eq!(left(&by_hand(), access.minus(second)), (6, 2));
        assert_eq!(left(&by_hand(), access), (5, 1));
        assert_eq!(left(&by_hand(), refresh.minus(second)), (5, 1));
        assert_eq!(left(&by_hand(), refresh), (4, 0), "what signs and what is next stays");
        assert_eq!(left(&by_hand(), refresh.plus(DAY * 3660)), (4, 0));
    }

    #[test]
    fn a_longer_lifetime_keeps_a_key_for_longer() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("keys");
        let retired = rotated_at_now(&directory);
        let refresh_lifetime = Lifetime::from_days(700);
        let settings = ProfileSettings { refresh_lifetime, ..ProfileSettings::default() };
        let device = ClientProfile::new(ClientId::new("device").unwrap(), settings).unwrap();
        let policy = TokenPolicy::new(by_hand().policy.issuer().clone(), [device]);
        let records = kept(&directory, &KeyPlan { policy, ..by_hand() }, NOW.plus(DAY * 730));
        let left = |kid| records.iter().any(|it| it.kid == kid);
        assert_eq!(retired.into_iter().map(left).collect::<Vec<_>>(), [false, true]);
    }
}
