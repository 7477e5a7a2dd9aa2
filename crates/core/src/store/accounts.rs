//! The port for accounts.

use std::fmt;

use async_trait::async_trait;

use super::StoreError;
use super::account_change::{AccountChange, Current, EmailChange, NewEmail};
use crate::account::{Account, Login};
use crate::id::Subject;

/// A store of accounts.
#[async_trait]
pub trait AccountStore: Send + Sync + fmt::Debug {
    /// Stores a new account. Returns `false`, with nothing changed, if its login or id is taken.
    async fn create(&self, account: &Account) -> Result<bool, StoreError>;

    /// The account with this login.
    async fn by_login(&self, login: &Login) -> Result<Option<Account>, StoreError>;

    /// The account with this id.
    async fn by_id(&self, id: &Subject) -> Result<Option<Account>, StoreError>;

    /// Changes the account if the condition of the change holds. Returns `false` otherwise, or if
    /// the account does not exist. A change to the same values succeeds.
    async fn change(&self, id: &Subject, change: AccountChange<'_>) -> Result<bool, StoreError>;

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
