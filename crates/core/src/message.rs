//! Messages to users: what they are about, and how long their tokens are valid.
//!
//! The [outbox](crate::outbox) keeps an entry per message. It names the account or the address and
//! contains no token. The token is signed when the message is delivered, so no store ever has one.

use std::time::Duration;

/// The lifetime of a token that resets a password.
pub const RESET_LIFETIME: Duration = Duration::from_secs(3600);

/// The lifetime of a token that verifies an address.
pub const VERIFICATION_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageTopic {
    /// With a token that resets the password.
    PasswordReset,
    /// With a token that verifies the address of the account.
    EmailVerification,
    /// With a token that replaces the address of the account, to the new address.
    EmailChange,
    /// To the current address, when a change was requested. Without a token.
    EmailChangeNotice,
}

impl MessageTopic {
    /// Every topic.
    pub const ALL: [Self; 4] =
        [Self::PasswordReset, Self::EmailVerification, Self::EmailChange, Self::EmailChangeNotice];

    /// The kind of the outbox entries of such messages, and of the events that carry them.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::PasswordReset => "password_reset_requested",
            Self::EmailVerification => "email_verification_requested",
            Self::EmailChange => "email_change_requested",
            Self::EmailChangeNotice => "email_change_notice",
        }
    }

    /// The topic of outbox entries of this kind.
    #[must_use]
    pub fn of_kind(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.kind() == kind)
    }
}
