//! The ports: what a store must do, and the only ways it may answer.
//!
//! Every method is one atomic step with a typed outcome. There is no transaction to begin: a step
//! whose condition doesn't hold changes nothing and gives the record as it stands. Stores compare
//! and advance; what it means that a generation is behind or ahead, they never ask.

mod error;
mod facts;
mod memory;
mod stored;

use std::fmt;

use async_trait::async_trait;

pub use self::error::{Cause, StoreError};
pub use self::facts::{Setting, StoreFacts};
pub use self::memory::MemoryStore;
pub use self::stored::{StoredAccount, StoredSession};
use crate::account::{Account, Login};
use crate::id::{Generation, SessionId, Subject};
use crate::retry::Mark;
use crate::secret::PasswordHash;
use crate::session::{Ended, ExtraClaims, Session};
use crate::status::StatusIndex;
use crate::time::Timestamp;

/// The result of a conditional step on one session.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum Outcome {
    /// The condition held; this is the record after the step.
    Applied(Session),
    /// The condition did not hold and nothing changed; this is the current record.
    Refused(Session),
    /// There is no such session.
    NotFound,
}

/// A session's step from one generation to a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// Where the session must stand.
    pub from: Generation,
    /// Where it stands afterwards: later than `from`.
    pub to: Generation,
    /// What the attempt leaves behind to be recognised by.
    pub mark: Mark,
    /// When the new generation came to be; becomes `issued_at`, and `last_used_at` unless that is
    /// later already.
    pub issued_at: Timestamp,
    /// The idle end of the new generation; becomes `expires_at`.
    pub expires_at: Timestamp,
}

/// The status index of a session that ended, for the status lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revoked {
    /// Which index.
    pub index: StatusIndex,
    /// When its session ended.
    pub at: Timestamp,
}

/// Where sessions are kept.
///
/// Implementations are shared between requests and replicas. They take times as they come (a TTL
/// is housekeeping: nothing may vanish before [`Session::forget_at`]), keep an ended session ended
/// whatever happens, and never make a session except in [`insert`](SessionStore::insert).
/// A read that begins after an acknowledged step sees it. A damaged record is
/// [`StoreError::Corrupt`], naming its key. Texts hold no NUL and have at most 255 bytes, the
/// `User-Agent` 1024. An acknowledged step survives a crash of the store's host as far as its engine
/// promises.
#[async_trait]
pub trait SessionStore: Send + Sync + fmt::Debug {
    /// Keeps a new session. `false` if its name is taken, or another record has its status index:
    /// nothing changed. Two sessions with one index meet here, so the index is claimed in the same
    /// atomic step, or in one before it.
    async fn insert(&self, session: &Session) -> Result<bool, StoreError>;

    /// The record as it stands, ended or not.
    async fn find(&self, id: &SessionId) -> Result<Option<Session>, StoreError>;

    /// Moves the session from `step.from` to `step.to` if, and only if, it stands at `step.from`
    /// and hasn't ended.
    ///
    /// Two requests with the same token meet here, so this is one atomic step in every store. The
    /// loser gets the record as it now is; whether that is a retry or a theft,
    /// [`judge`](crate::succession::judge) says.
    async fn advance(&self, id: &SessionId, step: &Advance) -> Result<Outcome, StoreError>;

    /// Notes a use at `at` if, and only if, the session stands at `generation` and hasn't ended.
    /// `last_used_at` never moves back.
    async fn touch(
        &self,
        id: &SessionId,
        generation: Generation,
        at: Timestamp,
    ) -> Result<Outcome, StoreError>;

    /// Ends the session if, and only if, it hasn't ended: the first reason stays.
    async fn end(&self, id: &SessionId, ended: Ended) -> Result<Outcome, StoreError>;

    /// Ends every session of `subject` that hasn't ended, but for `except`, and gives those it
    /// ended, as they are now. Sessions inserted meanwhile may be missed; none is ended twice.
    async fn end_all(
        &self,
        subject: &Subject,
        except: Option<&SessionId>,
        ended: Ended,
    ) -> Result<Vec<Session>, StoreError>;

    /// Every session of `subject` there is a record of, in any order.
    async fn list(&self, subject: &Subject) -> Result<Vec<Session>, StoreError>;

    /// Gives every session of `subject` that hasn't ended these extra claims.
    async fn set_claims(&self, subject: &Subject, claims: &ExtraClaims) -> Result<(), StoreError>;

    /// Drops up to `at_most` records whose `expires_at` or `ends_at` is before `expired_before`,
    /// and says how many; but none that has a status index and ended at or after that instant: its
    /// revocation still shows, and the index must rest. A store that forgets by itself has nothing
    /// to do here.
    async fn purge(&self, expired_before: Timestamp, at_most: u32) -> Result<u64, StoreError>;

    /// The status index of every session that ended at or after `since`, in any order. An end that
    /// was acknowledged is among them, whichever replica took it.
    async fn revoked(&self, since: Timestamp) -> Result<Vec<Revoked>, StoreError>;

    /// Takes the status index away from up to `at_most` sessions that ended before `ended_before`,
    /// and says from how many: other sessions may have it from then on.
    async fn release(&self, ended_before: Timestamp, at_most: u32) -> Result<u64, StoreError>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// Where accounts are kept. A team with its own users implements this one.
#[async_trait]
pub trait AccountStore: Send + Sync + fmt::Debug {
    /// Keeps a new account. `false` if its login or its id is taken: nothing changed.
    async fn create(&self, account: &Account) -> Result<bool, StoreError>;

    /// The account with this login.
    async fn by_login(&self, login: &Login) -> Result<Option<Account>, StoreError>;

    /// The account with this id.
    async fn by_id(&self, id: &Subject) -> Result<Option<Account>, StoreError>;

    /// Replaces the password hash if, and only if, it is `current`: a rehash at login must never
    /// undo a change of password. `false` if it isn't, or there is no such account.
    async fn replace_password(
        &self,
        id: &Subject,
        current: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError>;

    /// Replaces the password hash whatever it is: an operator's reset. `false` without an account.
    async fn set_password(&self, id: &Subject, new: &PasswordHash) -> Result<bool, StoreError>;

    /// Disables the account as of an instant, or enables it. `false` if there is no such account.
    async fn set_disabled(&self, id: &Subject, at: Option<Timestamp>) -> Result<bool, StoreError>;

    /// Replaces the extra claims. `false` if there is no such account.
    async fn set_claims(&self, id: &Subject, claims: &ExtraClaims) -> Result<bool, StoreError>;

    /// Deletes the account. `false` if there is no such account.
    async fn delete(&self, id: &Subject) -> Result<bool, StoreError>;

    /// Up to `at_most` accounts in order of login, those after `after`.
    async fn list(&self, after: Option<&Login>, at_most: u32) -> Result<Vec<Account>, StoreError>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), StoreError>;
}
