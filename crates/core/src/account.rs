//! An account: who may log in. A second port beside sessions, so that a team with its own users
//! implements [`AccountStore`](crate::store::AccountStore) and keeps the rest.

use std::fmt;
use std::str::FromStr;

use email_address::EmailAddress;
use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;

use crate::id::Subject;
use crate::secret::PasswordHash;
use crate::session::ExtraClaims;
use crate::time::Timestamp;

/// The record of an account. Public fields for the same reason as [`Session`](crate::Session)'s.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// Its name in tokens, never reused.
    pub id: Subject,
    /// The e-mail address as its owner wrote it.
    pub email: String,
    /// What it is found by: unique among accounts.
    pub login: Login,
    /// How its password is checked.
    pub password: PasswordHash,
    /// Given name, if told.
    pub first_name: Option<String>,
    /// Family name, if told.
    pub last_name: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it may not log in, if so.
    pub disabled_at: Option<Timestamp>,
    /// What goes into its access tokens beside the registered claims.
    pub claims: ExtraClaims,
}

/// An e-mail address in the form in which addresses are compared: NFC, lower case.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Login(String);

/// A text that is no e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not an e-mail address")]
pub struct InvalidLogin;

impl Login {
    /// The longest address that SMTP can carry (RFC 5321 §4.5.3.1.3).
    pub const MAX_LENGTH: usize = 254;

    /// The comparable form of `email`.
    ///
    /// # Errors
    /// [`InvalidLogin`] when it isn't the address of a mailbox.
    pub fn new(email: &str) -> Result<Self, InvalidLogin> {
        let login: String = email.nfc().collect::<String>().to_lowercase().nfc().collect();
        let plain = login.len() <= Self::MAX_LENGTH
            && !login.chars().any(|c| c.is_control() || c.is_whitespace());
        if plain && EmailAddress::from_str(&login).is_ok() {
            Ok(Self(login))
        } else {
            Err(InvalidLogin)
        }
    }

    /// The text, for a store to keep.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({:?})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_compare_without_regard_to_case_or_composition() {
        assert_eq!(Login::new("Ann@Example.COM"), Login::new("ann@example.com"));
        assert_eq!(Login::new("ren\u{e9}@example.com"), Login::new("RENE\u{301}@example.com"));
        assert_ne!(Login::new("ann@example.com"), Login::new("bob@example.com"));
    }

    #[test]
    fn what_is_no_address_is_no_login() {
        let long = format!("{}@example.com", "a".repeat(250));
        for bad in ["", "ann", "@example.com", "ann@", "a b@example.com", "a\0b@example.com", &long]
        {
            assert_eq!(Login::new(bad), Err(InvalidLogin), "{bad:?}");
        }
    }
}
