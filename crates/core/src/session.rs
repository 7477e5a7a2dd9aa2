//! A session: the one record of a login.
//!
//! The record holds no token and no hash of one. It holds everything that is needed to sign the same
//! refresh token again (generation, time of issue, expiry), so any response can be repeated.

use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

pub use crate::claims::ExtraClaims;
use crate::claims::Scope;
use crate::id::{ClientId, Generation, SessionId, Subject};
pub use crate::origin::Device;
use crate::origin::Origin;
use crate::retry::Mark;
use crate::status::StatusIndex;
use crate::time::{Leeway, Timestamp, expired};

/// The record of a session. Stores keep all of it; only the core interprets it.
///
/// Adapters store it as a [`StoredSession`](crate::store::StoredSession). The fields are public and
/// the struct is exhaustive, so that conversions name every field and a new one cannot be forgotten.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// The session's id.
    pub id: SessionId,
    /// The user who logged in.
    pub subject: Subject,
    /// The client that the user logged in with.
    pub client: ClientId,
    /// The scope granted at the login. A refresh can narrow an access token, never this.
    pub scope: Scope,
    /// The account's extra claims as of the login or their last change.
    pub claims: ExtraClaims,
    /// The origin of the login.
    pub device: Device,
    /// The time of the login: `auth_time` (RFC 9068 §2.2.1).
    pub created_at: Timestamp,
    /// The end of the absolute lifetime. No refresh token outlives it.
    pub ends_at: Timestamp,
    /// The live generation.
    pub generation: Generation,
    /// When the live generation began: the `iat` of its refresh token.
    pub issued_at: Timestamp,
    /// The end of the idle lifetime, as set by the last advance. The `exp` of a refresh token is
    /// [`Session::refresh_expiry`], which is never later than [`Session::ends_at`].
    pub expires_at: Timestamp,
    /// When a refresh last succeeded, not counting repeats; initially the time of the login.
    pub last_used_at: Timestamp,
    /// The use to show as long as the last one is too recent to be shown; `None` before the first
    /// refresh. See [`Session::visible_use`].
    pub shown_use: Option<Use>,
    /// The mark of the attempt that began the live generation; `None` before the first refresh.
    pub mark: Option<Mark>,
    /// The origin of that attempt, as far as it is recorded.
    pub used_from: Option<Origin>,
    /// When and why the session ended. Never changes once set.
    pub ended: Option<Ended>,
    /// The session's index in the status lists, which no other record has. `None` if its client does
    /// not use status lists, and from some time after its end.
    pub status: Option<StatusIndex>,
}

/// A use of a session: its login or a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// When it happened.
    pub at: Timestamp,
    /// The end of the idle lifetime that followed from it.
    pub expires_at: Timestamp,
}

/// When and why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When it ended.
    pub at: Timestamp,
    /// Why it ended.
    pub reason: EndReason,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The user logged out of it.
    Logout,
    /// The user logged out everywhere.
    LogoutAll,
    /// The user, a client or an operator ended it from elsewhere.
    Revoked,
    /// A superseded refresh token was used again, so a second party has a copy.
    Reuse,
    /// The account's password changed.
    PasswordChanged,
    /// The account was disabled.
    AccountDisabled,
    /// The account was deleted.
    AccountDeleted,
    /// A login exceeded the number of sessions that an account may have with one client.
    Limit,
}

impl EndReason {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::Logout,
        Self::LogoutAll,
        Self::Revoked,
        Self::Reuse,
        Self::PasswordChanged,
        Self::AccountDisabled,
        Self::AccountDeleted,
        Self::Limit,
    ];

    /// The stable name under which stores keep the reason.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::LogoutAll => "logout_all",
            Self::Revoked => "revoked",
            Self::Reuse => "reuse",
            Self::PasswordChanged => "password_changed",
            Self::AccountDisabled => "account_disabled",
            Self::AccountDeleted => "account_deleted",
            Self::Limit => "limit",
        }
    }
}

/// The text is not the name of an [`EndReason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("unknown end reason")]
pub struct UnknownEndReasonError;

impl FromStr for EndReason {
    type Err = UnknownEndReasonError;

    fn from_str(text: &str) -> Result<Self, UnknownEndReasonError> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or(UnknownEndReasonError)
    }
}

/// How long a record outlives its last refresh token before a store may delete it.
///
/// After a restore from a backup, the expiry in the store can be earlier than that of the client's
/// token. Within this time, such a client still finds its session.
pub const RETENTION: Duration = Duration::from_secs(7 * 86_400);

impl Session {
    /// The `exp` of the live generation's refresh token: the idle or absolute end, whichever is
    /// earlier.
    #[must_use]
    pub fn refresh_expiry(&self) -> Timestamp {
        self.expires_at.min(self.ends_at.floor())
    }

    /// Whether the session has neither ended nor expired.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ended.is_none() && !expired(self.refresh_expiry(), Leeway::NONE, now)
    }

    /// When a store may delete the record: [`RETENTION`] after its last refresh token expires.
    #[must_use]
    pub fn forget_at(&self) -> Timestamp {
        self.refresh_expiry().plus(RETENTION)
    }

    /// The last use, or the one before it that may be shown if the last one was after `visible_before`.
    #[must_use]
    pub fn visible_use(&self, visible_before: Timestamp) -> Use {
        let last = Use { at: self.last_used_at, expires_at: self.expires_at };
        self.shown_use.filter(|_| self.last_used_at > visible_before).unwrap_or(last)
    }

    /// Records a use at `at`. Before that, the last use becomes the one to show if it may be shown by
    /// now, or if there is no other.
    pub fn note_use(&mut self, at: Timestamp, visible_before: Timestamp) {
        self.shown_use = Some(self.visible_use(visible_before));
        self.last_used_at = self.last_used_at.max(at);
    }

    /// Ends the session and erases everything that is not needed to refuse its tokens: the origin of
    /// the login and of the last refresh, and the extra claims.
    pub fn end(&mut self, ended: Ended) {
        self.ended = Some(ended);
        self.device = Device::default();
        self.claims = ExtraClaims::new();
        self.used_from = None;
    }
}
