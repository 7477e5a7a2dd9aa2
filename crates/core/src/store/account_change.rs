//! Changes of one account, and what the account must be like for them.

use crate::account::{Account, Login};
use crate::secret::PasswordHash;
use crate::session::ExtraClaims;
use crate::time::Timestamp;

/// A change of one account that leaves its login as it is.
///
/// A store applies it in one atomic step: it changes the account only if [`holds`](Self::holds), and
/// then as [`apply`](Self::apply) does, without touching anything else.
#[derive(Clone, Copy, Debug)]
pub enum AccountChange<'a> {
    /// Replaces the password hash if it is `current`, so that a rehash at login never undoes a
    /// change of password.
    ReplacePassword {
        /// The expected [`Account::password`].
        current: &'a PasswordHash,
        /// The new one.
        new: &'a PasswordHash,
    },
    /// Replaces the password hash, whatever it is.
    SetPassword(&'a PasswordHash),
    /// Disables the account as of an instant, or enables it.
    SetDisabled(Option<Timestamp>),
    /// Replaces the extra claims.
    SetClaims(&'a ExtraClaims),
    /// Changes names.
    SetNames(&'a NameChange),
    /// Sets [`Account::email_verified_at`] if the account has this login and is not verified.
    VerifyEmail {
        /// The expected [`Account::login`].
        login: &'a Login,
        /// When the address was verified.
        at: Timestamp,
    },
    /// Replaces the password hash and sets [`Account::email_verified_at`] if the account has this
    /// address and this password.
    ResetPassword {
        /// The expected address and password.
        current: Current<'a>,
        /// The new password hash.
        new: &'a PasswordHash,
        /// When the address was verified.
        at: Timestamp,
    },
}

impl AccountChange<'_> {
    /// Whether the change may be made on `account`.
    #[must_use]
    pub fn holds(&self, account: &Account) -> bool {
        match self {
            Self::ReplacePassword { current, .. } => account.password == **current,
            Self::VerifyEmail { login, .. } => {
                account.login == **login && account.email_verified_at.is_none()
            }
            Self::ResetPassword { current, .. } => current.is_of(account),
            Self::SetPassword(_)
            | Self::SetDisabled(_)
            | Self::SetClaims(_)
            | Self::SetNames(_) => true,
        }
    }

    /// Makes the change.
    pub fn apply(&self, account: &mut Account) {
        match *self {
            Self::ReplacePassword { new, .. } | Self::SetPassword(new) => {
                account.password = new.clone();
            }
            Self::SetDisabled(at) => account.disabled_at = at,
            Self::SetClaims(claims) => account.claims.clone_from(claims),
            Self::SetNames(change) => change.apply(account),
            Self::VerifyEmail { at, .. } => account.email_verified_at = Some(at),
            Self::ResetPassword { new, at, .. } => {
                account.password = new.clone();
                account.email_verified_at = Some(at);
            }
        }
    }
}

/// The address and the password that an account must have for a step that a message allows: the
/// message may be read later, and must not undo a change made in between.
#[derive(Clone, Copy, Debug)]
pub struct Current<'a> {
    /// [`Account::login`].
    pub login: &'a Login,
    /// [`Account::password`].
    pub password: &'a PasswordHash,
}

impl<'a> From<&'a Account> for Current<'a> {
    fn from(account: &'a Account) -> Self {
        Self { login: &account.login, password: &account.password }
    }
}

impl Current<'_> {
    /// Whether `account` has this address and this password.
    #[must_use]
    pub fn is_of(&self, account: &Account) -> bool {
        account.login == *self.login && account.password == *self.password
    }
}

/// A change of names. `None` leaves a name as it is, and `Some(None)` removes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameChange {
    /// [`Account::first_name`].
    pub first_name: Option<Option<String>>,
    /// [`Account::last_name`].
    pub last_name: Option<Option<String>>,
}

impl NameChange {
    /// Whether it leaves both names as they are.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first_name.is_none() && self.last_name.is_none()
    }

    /// Changes the names of `account`.
    pub fn apply(&self, account: &mut Account) {
        if let Some(name) = &self.first_name {
            account.first_name.clone_from(name);
        }
        if let Some(name) = &self.last_name {
            account.last_name.clone_from(name);
        }
    }
}

/// A new address, which its owner has verified.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEmail {
    /// [`Account::email`].
    pub email: String,
    /// [`Account::login`].
    pub login: Login,
    /// [`Account::email_verified_at`] and [`Account::email_changed_at`].
    pub at: Timestamp,
}

impl NewEmail {
    /// Changes the address of `account`.
    pub fn apply(&self, account: &mut Account) {
        account.email.clone_from(&self.email);
        account.login = self.login.clone();
        account.email_verified_at = Some(self.at);
        account.email_changed_at = Some(self.at);
    }
}

/// The result of a change of address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum EmailChange {
    /// The account has the new address, and the former login is free.
    Changed,
    /// Another account has the new login. Nothing changed.
    Taken,
    /// The account does not have the expected address and password, or does not exist. Nothing
    /// changed.
    Refused,
}
