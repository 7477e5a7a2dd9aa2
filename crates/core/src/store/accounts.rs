//! The port for accounts.

use std::fmt;

use async_trait::async_trait;

use super::StoreError;
use crate::account::{Account, Login};
use crate::id::Subject;
use crate::secret::PasswordHash;
use crate::session::ExtraClaims;
use crate::time::Timestamp;

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

/// A store of accounts.
#[async_trait]
pub trait AccountStore: Send + Sync + fmt::Debug {
    /// Stores a new account. Returns `false`, with nothing changed, if its login or id is taken.
    async fn create(&self, account: &Account) -> Result<bool, StoreError>;

    /// The account with this login.
    async fn by_login(&self, login: &Login) -> Result<Option<Account>, StoreError>;

    /// The account with this id.
    async fn by_id(&self, id: &Subject) -> Result<Option<Account>, StoreError>;

    /// Replaces the password hash if and only if it is `current`, so that a rehash at login never
    /// undoes a change of password. Returns `false` otherwise, or if the account does not exist.
    async fn replace_password(
        &self,
        id: &Subject,
        current: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError>;

    /// Replaces the password hash unconditionally, for a reset by an operator. Returns `false` if
    /// the account does not exist.
    async fn set_password(&self, id: &Subject, new: &PasswordHash) -> Result<bool, StoreError>;

    /// Disables the account as of an instant, or enables it. Returns `false` if the account
    /// does not exist.
    async fn set_disabled(&self, id: &Subject, at: Option<Timestamp>) -> Result<bool, StoreError>;

    /// Replaces the extra claims. Returns `false` if the account does not exist.
    async fn set_claims(&self, id: &Subject, claims: &ExtraClaims) -> Result<bool, StoreError>;

    /// Changes names. Returns `false` if the account does not exist.
    async fn set_names(&self, id: &Subject, change: &NameChange) -> Result<bool, StoreError>;

    /// Sets [`Account::email_verified_at`] if the account has this login and is not verified.
    /// Returns `false` otherwise, or if the account does not exist.
    async fn verify_email(
        &self,
        id: &Subject,
        login: &Login,
        at: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Replaces the password hash and sets [`Account::email_verified_at`] if the account has this
    /// address and this password. Returns `false` otherwise, or if the account does not exist.
    async fn reset_password(
        &self,
        id: &Subject,
        current: Current<'_>,
        new: &PasswordHash,
        at: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Replaces the address, and with it the login, if the account has this address and this
    /// password and the new login is free.
    async fn change_email(
        &self,
        id: &Subject,
        current: Current<'_>,
        new: &NewEmail,
    ) -> Result<EmailChange, StoreError>;

    /// Deletes the account. Returns `false` if the account does not exist.
    async fn delete(&self, id: &Subject) -> Result<bool, StoreError>;

    /// Up to `at_most` accounts after the login `after`, in order of login.
    async fn list(&self, after: Option<&Login>, at_most: u32) -> Result<Vec<Account>, StoreError>;

    /// Checks that the store responds and accepts writes. Leaves nothing behind.
    async fn ping(&self) -> Result<(), StoreError>;
}
