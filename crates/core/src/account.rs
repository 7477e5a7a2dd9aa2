//! Accounts of users who log in with a password. A team with its own users needs none of this: it
//! disables the default features and opens sessions for the users it has authenticated.

use std::fmt;
use std::str::FromStr;

use email_address::EmailAddress;
use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;

use crate::id::Subject;
use crate::secret::PasswordHash;
use crate::session::ExtraClaims;
use crate::time::Timestamp;

/// The record of an account. Adapters store it as a
/// [`StoredAccount`](crate::store::StoredAccount).
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// The account's id: the `sub` of its tokens, never reused.
    pub id: Subject,
    /// The e-mail address as its owner wrote it.
    pub email: String,
    /// The normalized address by which the account is found. Unique among accounts.
    pub login: Login,
    /// The hash of its password.
    pub password: PasswordHash,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// When the account was created.
    pub created_at: Timestamp,
    /// When the account was disabled; `None` if it is enabled.
    pub disabled_at: Option<Timestamp>,
    /// Extra claims for its access tokens.
    pub claims: ExtraClaims,
}

/// An e-mail address in the form in which addresses are compared: NFC and lower case.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Login(String);

/// The text is not an e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a valid e-mail address")]
pub struct InvalidLoginError;

impl Login {
    /// Maximum length of an address in SMTP (RFC 5321 §4.5.3.1.3).
    pub const MAX_LENGTH: usize = 254;

    /// The comparable form of `email`.
    ///
    /// # Errors
    /// [`InvalidLoginError`] if it is not the address of a mailbox.
    pub fn new(email: &str) -> Result<Self, InvalidLoginError> {
        let login: String = email.nfc().collect::<String>().to_lowercase().nfc().collect();
        let plain = login.len() <= Self::MAX_LENGTH
            && !login.chars().any(|c| c.is_control() || c.is_whitespace());
        if plain && EmailAddress::from_str(&login).is_ok() {
            Ok(Self(login))
        } else {
            Err(InvalidLoginError)
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
    fn logins_ignore_case_and_composition() {
        assert_eq!(Login::new("Ann@Example.COM"), Login::new("ann@example.com"));
        assert_eq!(Login::new("ren\u{e9}@example.com"), Login::new("RENE\u{301}@example.com"));
        assert_ne!(Login::new("ann@example.com"), Login::new("bob@example.com"));
    }

    #[test]
    fn invalid_addresses_are_rejected() {
        let long = format!("{}@example.com", "a".repeat(250));
        for bad in ["", "ann", "@example.com", "ann@", "a b@example.com", "a\0b@example.com", &long]
        {
            assert_eq!(Login::new(bad), Err(InvalidLoginError), "{bad:?}");
        }
    }
}
