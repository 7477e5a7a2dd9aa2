//! The account port with injected faults.

use aquaware_core::account::{Account, Login};
use aquaware_core::id::Subject;
use aquaware_core::secret::PasswordHash;
use aquaware_core::session::ExtraClaims;
use aquaware_core::store::{AccountStore, Current, EmailChange, NameChange, NewEmail, StoreError};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;

use super::{Call, FaultyStore};

#[async_trait]
impl<S: AccountStore + ?Sized> AccountStore for FaultyStore<S> {
    async fn create(&self, account: &Account) -> Result<bool, StoreError> {
        self.inject(Call::Create, self.inner.create(account)).await
    }

    async fn by_login(&self, login: &Login) -> Result<Option<Account>, StoreError> {
        self.inject(Call::ByLogin, self.inner.by_login(login)).await
    }

    async fn by_id(&self, id: &Subject) -> Result<Option<Account>, StoreError> {
        self.inject(Call::ById, self.inner.by_id(id)).await
    }

    async fn replace_password(
        &self,
        id: &Subject,
        current: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError> {
        let step = self.inner.replace_password(id, current, new);
        self.inject(Call::ReplacePassword, step).await
    }

    async fn set_password(&self, id: &Subject, new: &PasswordHash) -> Result<bool, StoreError> {
        self.inject(Call::SetPassword, self.inner.set_password(id, new)).await
    }

    async fn set_disabled(&self, id: &Subject, at: Option<Timestamp>) -> Result<bool, StoreError> {
        self.inject(Call::SetDisabled, self.inner.set_disabled(id, at)).await
    }

    async fn set_claims(&self, id: &Subject, claims: &ExtraClaims) -> Result<bool, StoreError> {
        self.inject(Call::SetAccountClaims, self.inner.set_claims(id, claims)).await
    }

    async fn set_names(&self, id: &Subject, change: &NameChange) -> Result<bool, StoreError> {
        self.inject(Call::SetNames, self.inner.set_names(id, change)).await
    }

    async fn verify_email(
        &self,
        id: &Subject,
        login: &Login,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.inject(Call::VerifyEmail, self.inner.verify_email(id, login, at)).await
    }

    async fn reset_password(
        &self,
        id: &Subject,
        current: Current<'_>,
        new: &PasswordHash,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let step = self.inner.reset_password(id, current, new, at);
        self.inject(Call::ResetPassword, step).await
    }

    async fn change_email(
        &self,
        id: &Subject,
        current: Current<'_>,
        new: &NewEmail,
    ) -> Result<EmailChange, StoreError> {
        self.inject(Call::ChangeEmail, self.inner.change_email(id, current, new)).await
    }

    async fn delete(&self, id: &Subject) -> Result<bool, StoreError> {
        self.inject(Call::Delete, self.inner.delete(id)).await
    }

    async fn list(&self, after: Option<&Login>, at_most: u32) -> Result<Vec<Account>, StoreError> {
        self.inject(Call::ListAccounts, self.inner.list(after, at_most)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inject(Call::PingAccounts, self.inner.ping()).await
    }
}
