//! The kinds of events, with their names and the messages of their log lines.

use std::str::FromStr;

macro_rules! kinds {
    ($($kind:ident $name:literal $message:literal;)*) => {
        /// What an event reports.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventKind {
            $(#[doc = concat!("`", $name, "`: ", $message, ".")] $kind,)*
        }

        impl EventKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind),*];
            /// The name of every kind, in the same order.
            pub const NAMES: &[&str] = &[$($name),*];

            /// Its name: the field `event` of a log line, and the `type` of a webhook message.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            pub(super) const fn message(self) -> &'static str {
                match self {
                    $(Self::$kind => $message,)*
                }
            }
        }
    };
}

kinds! {
    LoginSucceeded "login_succeeded" "logged in";
    LoginFailed "login_failed" "login rejected";
    AccountLocked "account_locked" "account locked after too many wrong passwords";
    AccountCreated "account_created" "account created";
    AccountDisabled "account_disabled" "account disabled";
    AccountDeleted "account_deleted" "account deleted";
    PasswordChanged "password_changed" "password changed";
    EmailVerified "email_verified" "e-mail address verified";
    SessionEnded "session_ended" "session ended";
    RefreshTokenReused "refresh_token_reused" "refresh token reused: session ended";
    RefreshRepeatedElsewhere "refresh_repeated_elsewhere"
        "a refresh was repeated from another network or user agent";
    KeyRotated "key_rotated" "key rotated";
}

impl EventKind {
    /// Whether an operator should look at it.
    pub(super) const fn is_warning(self) -> bool {
        matches!(
            self,
            Self::AccountLocked | Self::RefreshTokenReused | Self::RefreshRepeatedElsewhere
        )
    }
}

/// The text names no kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of an event")]
pub struct UnknownEventError;

impl FromStr for EventKind {
    type Err = UnknownEventError;

    fn from_str(text: &str) -> Result<Self, UnknownEventError> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text).ok_or(UnknownEventError)
    }
}
