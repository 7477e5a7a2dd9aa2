//! The port for accounts.

use std::fmt;

use async_trait::async_trait;

use super::StoreError;
use crate::account::{Account, Login};
use crate::id::Subject;
use crate::secret::PasswordHash;
use crate::session::ExtraClaims;
use crate::time::Timestamp;

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

    /// Deletes the account. Returns `false` if the account does not exist.
    async fn delete(&self, id: &Subject) -> Result<bool, StoreError>;

    /// Up to `at_most` accounts after the login `after`, in order of login.
    async fn list(&self, after: Option<&Login>, at_most: u32) -> Result<Vec<Account>, StoreError>;

    /// Checks that the store responds and accepts writes. Leaves nothing behind.
    async fn ping(&self) -> Result<(), StoreError>;
}
