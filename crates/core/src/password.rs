//! Passwords: the port through which they are hashed and checked, and an implementation of the work.
//!
//! Hashing takes tens of milliseconds of a whole core and megabytes of memory, so it must run on a
//! bounded number of threads. A server implements [`PasswordHasher`] with one [`Worker`] per thread;
//! the worker needs the feature `passwords`.

mod format;
#[cfg(feature = "passwords")]
mod screening;
#[cfg(feature = "passwords")]
mod stored;
#[cfg(feature = "passwords")]
mod worker;

use std::fmt;

use async_trait::async_trait;
use thiserror::Error;

pub use self::format::format_of;
#[cfg(feature = "passwords")]
pub use self::stored::{UnsupportedHashError, check_hash, is_argon2id, set_at};
#[cfg(feature = "passwords")]
pub use self::worker::{HashCost, InvalidCostError, Worker};
use crate::secret::{Password, PasswordHash};
use crate::time::Timestamp;

/// Maximum length of a password, in code points.
pub const MAX_LENGTH: usize = 512;

/// Why a new password is rejected (NIST SP 800-63B-4 §3.1.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Weakness {
    /// The password has fewer code points than the policy requires.
    #[error("has fewer than {0} characters")]
    TooShort(usize),
    /// The password is longer than [`MAX_LENGTH`].
    #[error("has more than {MAX_LENGTH} characters")]
    TooLong,
    /// The password is among those that attackers try first.
    #[error("is one of the first passwords that an attacker would guess")]
    Common,
    /// The password is derived from what is known about the account.
    #[error("is too similar to the e-mail address or name of the account")]
    Derived,
}

/// The hash of an account without a password. No password matches it.
#[must_use]
pub fn unusable() -> PasswordHash {
    PasswordHash::new(format::UNUSABLE.to_owned())
}

/// Whether `stored` is the hash of an account without a password, here or in Django.
#[must_use]
pub fn is_unusable(stored: &PasswordHash) -> bool {
    stored.expose().starts_with(format::UNUSABLE)
}

/// The result of checking a password.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Check {
    /// Whether the password is correct.
    pub matches: bool,
    /// An argon2id hash at the current cost, if the stored one has another cost or format.
    pub rehashed: Option<PasswordHash>,
}

/// The queue of passwords to be hashed is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many password checks are queued")]
pub struct Overloaded;

/// Why a new password is not hashed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EstablishError {
    /// The password is too weak.
    #[error("the password is too weak")]
    Weak(Vec<Weakness>),
    /// The queue is full.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
}

/// Hashes passwords away from the threads that serve requests, bounded in number and memory.
#[async_trait]
pub trait PasswordHasher: Send + Sync + fmt::Debug {
    /// Checks `password` against a hash. Without one, because the login is unknown, the check takes
    /// the same time and never matches.
    async fn check(
        &self,
        password: &Password,
        against: Option<&PasswordHash>,
    ) -> Result<Check, Overloaded>;

    /// Hashes a new password, which is set at `at`, unless it is weak. `context` is what an attacker can
    /// know about the account.
    async fn establish(
        &self,
        password: &Password,
        context: &[String],
        at: Timestamp,
    ) -> Result<PasswordHash, EstablishError>;
}
