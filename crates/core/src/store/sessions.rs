//! The port for sessions.

use std::fmt;

use async_trait::async_trait;

use super::StoreError;
use crate::id::{ClientId, Generation, SessionId, Subject};
use crate::origin::Origin;
use crate::retry::Mark;
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
    /// The session does not exist.
    NotFound,
}

/// A step of a session from one generation to a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// The generation that the session must be at.
    pub from: Generation,
    /// The generation afterwards, later than `from`.
    pub to: Generation,
    /// The mark by which a repetition of the attempt is recognized.
    pub mark: Mark,
    /// The origin of the attempt, as far as it is recorded.
    pub used_from: Option<Origin>,
    /// When the new generation begins. Becomes `issued_at`, and `last_used_at` unless that is already
    /// later.
    pub issued_at: Timestamp,
    /// The end of the new generation's idle lifetime. Becomes `expires_at`, unless that is already
    /// later: a server with a slow clock must not shorten the life of a session.
    pub expires_at: Timestamp,
    /// The last use before this one becomes `shown_use`, as for [`Touch::visible_before`].
    pub visible_before: Timestamp,
}

/// A use of a session that leaves its generation as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    /// The generation that the session must be at.
    pub generation: Generation,
    /// When the session is used. Becomes `last_used_at`, unless that is already later.
    pub at: Timestamp,
    /// If this use is the later one, the last use before it becomes `shown_use` if it was at or before
    /// this instant, or if there is no `shown_use` yet.
    pub visible_before: Timestamp,
}

impl Touch {
    /// Changes the record as a store must change it. The condition has to be checked before.
    pub fn apply(&self, session: &mut Session) {
        if session.last_used_at < self.at {
            session.note_use(self.at, self.visible_before);
        }
    }
}

impl Advance {
    /// Changes the record as a store must change it. The condition has to be checked before.
    pub fn apply(&self, session: &mut Session) {
        session.note_use(self.issued_at, self.visible_before);
        session.generation = self.to;
        session.mark = Some(self.mark);
        session.used_from = self.used_from;
        session.issued_at = self.issued_at;
        session.expires_at = session.expires_at.max(self.expires_at);
    }
}

/// The status index of a session that ended, for the status lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revoked {
    /// The status index.
    pub index: StatusIndex,
    /// When its session ended.
    pub at: Timestamp,
}

/// A store of sessions.
///
/// Implementations are shared between requests and replicas. They store times as given and never
/// compute an expiry; a TTL may serve as housekeeping, but no record may disappear before
/// [`Session::forget_at`]. An ended session stays ended, and only [`insert`](SessionStore::insert)
/// creates a session.
///
/// A read that begins after an acknowledged step sees the step. A damaged record is reported as
/// [`StoreError::Corrupt`] with its key. Texts contain no NUL and have at most 255 bytes, the
/// `User-Agent` 1024. An acknowledged step survives a crash of the store's host as far as its engine
/// promises.
#[async_trait]
pub trait SessionStore: Send + Sync + fmt::Debug {
    /// Stores a new session. Returns `false`, with nothing changed, if its id or its status index is
    /// taken. The index must be claimed in the same atomic step or in one before it, so that two
    /// sessions never share one.
    async fn insert(&self, session: &Session) -> Result<bool, StoreError>;

    /// The current record, ended or not.
    async fn find(&self, id: &SessionId) -> Result<Option<Session>, StoreError>;

    /// Advances the session from `step.from` to `step.to` if and only if it is at `step.from` and has
    /// not ended.
    ///
    /// Two requests with the same token race here, so this is one atomic step in every store. The
    /// loser receives the current record; whether it is a retry or a theft is decided by
    /// [`judge`](crate::succession::judge).
    async fn advance(&self, id: &SessionId, step: &Advance) -> Result<Outcome, StoreError>;

    /// Records a use if and only if the session is at `touch.generation` and has not ended.
    async fn touch(&self, id: &SessionId, touch: &Touch) -> Result<Outcome, StoreError>;

    /// Ends the session if and only if it has not ended: the first reason stays. As every end, this
    /// erases the fields that [`Session::end`] erases.
    async fn end(&self, id: &SessionId, ended: Ended) -> Result<Outcome, StoreError>;

    /// Ends up to `at_most` sessions of `subject` that have not ended, except `except`, and returns the
    /// records of those it ended: fewer than `at_most` only if no others are left. It may miss
    /// sessions inserted in the meantime; it ends none twice.
    ///
    /// Takes time for the sessions it ends, not for those that ended before: an account may have a
    /// hundred thousand sessions.
    async fn end_all(
        &self,
        subject: &Subject,
        except: Option<&SessionId>,
        ended: Ended,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError>;

    /// Of the sessions of a subject with a client that have not ended, ends all but `except` and the
    /// `keep - 1` others that were used last, but at most `at_most`. Returns the records of those it
    /// ended. Each login calls this, so it must be fast if there are only few sessions.
    async fn end_least_used(
        &self,
        owner: (&Subject, &ClientId),
        except: &SessionId,
        keep: u32,
        ended: Ended,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError>;

    /// Up to `at_most` sessions of `subject` that have not ended, newest first: by `created_at`, then by
    /// the bytes of the id, both in descending order. With `after`, those that follow it in this order,
    /// whether or not there is such a session.
    async fn list(
        &self,
        subject: &Subject,
        after: Option<(Timestamp, SessionId)>,
        at_most: u32,
    ) -> Result<Vec<Session>, StoreError>;

    /// Replaces the extra claims of those of these sessions that have not ended, each of them
    /// atomically. Ids without a session are ignored. After a failure, some may have been replaced.
    async fn set_claims(&self, ids: &[SessionId], claims: &ExtraClaims) -> Result<(), StoreError>;

    /// Deletes up to `at_most` records whose `expires_at` or `ends_at` is before `expired_before`, and
    /// returns how many. Records that have a status index and ended at or after that instant are kept,
    /// because their revocation is still shown and the index must not be reused yet. A store that
    /// expires records automatically has nothing to do here.
    async fn purge(&self, expired_before: Timestamp, at_most: u32) -> Result<u64, StoreError>;

    /// The status index of every session that ended at or after `since`, in any order. This includes
    /// every acknowledged end, whichever replica performed it.
    async fn revoked(&self, since: Timestamp) -> Result<Vec<Revoked>, StoreError>;

    /// Removes the status index of up to `at_most` sessions that ended before `ended_before`, and
    /// returns how many. Other sessions may use the indices afterwards.
    async fn release(&self, ended_before: Timestamp, at_most: u32) -> Result<u64, StoreError>;

    /// Checks that the store responds and accepts writes. Leaves nothing behind.
    async fn ping(&self) -> Result<(), StoreError>;
}
