//! The account port with injected faults.

use aquaware_core::account::{Account, Login};
use aquaware_core::id::Subject;
use aquaware_core::store::{
    AccountChange, AccountStore, Current, EmailChange, NewEmail, StoreError,
};
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

    async fn change(&self, id: &Subject, change: AccountChange<'_>) -> Result<bool, StoreError> {
        self.inject((&change).into(), self.inner.change(id, change)).await
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
