//! A session: the one record that stands for a login, and what can be read from it.
//!
//! The record holds no token and no hash of one. What a refresh token needs to be signed again
//! word for word (generation, time of issue, expiry) is here, so an answer can be repeated.

use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

pub use crate::claims::ExtraClaims;
use crate::claims::Scope;
use crate::id::{ClientId, Generation, SessionId, Subject};
use crate::retry::Mark;
use crate::status::StatusIndex;
use crate::text::{MAX_TEXT_BYTES, MAX_USER_AGENT_BYTES, tidy};
use crate::time::{Leeway, Timestamp, expired};

/// The record of a session. Stores keep it whole; only the core reads meaning into it.
///
/// The fields are public so that a store's row can be turned into it, and it into a row, by naming
/// every field: a new one must break every adapter.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// Whose it is.
    pub subject: Subject,
    /// Which client logged in.
    pub client: ClientId,
    /// What was granted at the login; a refresh may narrow one access token, never this.
    pub scope: Scope,
    /// The account's extra claims, as of the login or the last change of them.
    pub claims: ExtraClaims,
    /// Where the login came from.
    pub device: Device,
    /// When the login happened: `auth_time` (RFC 9068 §2.2.1).
    pub created_at: Timestamp,
    /// The end of the absolute lifetime: no refresh token outlives it.
    pub ends_at: Timestamp,
    /// The one live generation.
    pub generation: Generation,
    /// When the live generation came to be: the `iat` of its refresh token.
    pub issued_at: Timestamp,
    /// The end of the idle lifetime, as the last advance set it. What a token's `exp` says is
    /// [`Session::refresh_expiry`], never later than [`Session::ends_at`].
    pub expires_at: Timestamp,
    /// When a refresh last succeeded, repeats aside; the login's time before the first.
    pub last_used_at: Timestamp,
    /// The mark of the attempt that made the live generation; none before the first refresh.
    pub mark: Option<Mark>,
    /// When and why it ended, if it did. Once set it stays.
    pub ended: Option<Ended>,
    /// Its place in the status lists, which no other record has. None where its client doesn't ask
    /// for one, and from some time after its end.
    pub status: Option<StatusIndex>,
}

/// Where a login came from, for its owner to recognise it in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// A name the client gave, as "kitchen tablet".
    pub name: Option<String>,
    /// The address of the login.
    pub ip: Option<String>,
    /// The `User-Agent` of the login.
    pub user_agent: Option<String>,
}

impl Device {
    /// The same without control characters and cut to what every store can keep:
    /// [`MAX_TEXT_BYTES`], [`MAX_USER_AGENT_BYTES`].
    #[must_use]
    pub fn tidied(self) -> Self {
        Self {
            name: tidy(self.name, MAX_TEXT_BYTES),
            ip: tidy(self.ip, MAX_TEXT_BYTES),
            user_agent: tidy(self.user_agent, MAX_USER_AGENT_BYTES),
        }
    }
}

/// When and why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: EndReason,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// Its own user logged out of it.
    Logout,
    /// Its user logged out everywhere.
    LogoutAll,
    /// Somebody entitled ended it from elsewhere.
    Revoked,
    /// A superseded refresh token came back: somebody else has a copy.
    Reuse,
    /// The account's password changed.
    PasswordChanged,
    /// The account was disabled.
    AccountDisabled,
    /// The account was deleted.
    AccountDeleted,
}

impl EndReason {
    /// Every reason there is.
    pub const ALL: [Self; 7] = [
        Self::Logout,
        Self::LogoutAll,
        Self::Revoked,
        Self::Reuse,
        Self::PasswordChanged,
        Self::AccountDisabled,
        Self::AccountDeleted,
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

/// How long a record outlives its last refresh token before a store may drop it.
///
/// A store put back from a copy knows an expiry that is older than the client's token; within this
/// slack such a client still finds its session.
pub const RETENTION: Duration = Duration::from_secs(7 * 86_400);

impl Session {
    /// The `exp` of the live generation's refresh token: idle or absolute end, whichever is first.
    #[must_use]
    pub fn refresh_expiry(&self) -> Timestamp {
        self.expires_at.min(self.ends_at.floor())
    }

    /// Whether the session can still be used: neither ended nor expired.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ended.is_none() && !expired(self.refresh_expiry(), Leeway::NONE, now)
    }

    /// From when on a store may forget the record: its last refresh token is dead, with slack.
    #[must_use]
    pub fn forget_at(&self) -> Timestamp {
        self.refresh_expiry().plus(RETENTION)
    }
}
