//! The account port, observed.

use aquaware_core::account::{Account, Login};
use aquaware_core::id::Subject;
use aquaware_core::secret::PasswordHash;
use aquaware_core::session::ExtraClaims;
use aquaware_core::store::{AccountStore, Current, EmailChange, NameChange, NewEmail, StoreError};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;

use super::Observed;
use crate::events::{Event, EventKind};

impl<S: ?Sized> Observed<S> {
    async fn changed(&self, kind: EventKind, account: &Subject) {
        self.events.emit(Event::of_account(kind, account)).await;
    }
}

#[async_trait]
impl<S: AccountStore + ?Sized> AccountStore for Observed<S> {
    async fn create(&self, account: &Account) -> Result<bool, StoreError> {
        let created = self.measure("create", self.store.create(account)).await?;
        if created {
            self.changed(EventKind::AccountCreated, &account.id).await;
        }
        Ok(created)
    }

    async fn by_login(&self, login: &Login) -> Result<Option<Account>, StoreError> {
        self.measure("by_login", self.store.by_login(login)).await
    }

    async fn by_id(&self, id: &Subject) -> Result<Option<Account>, StoreError> {
        self.measure("by_id", self.store.by_id(id)).await
    }

    /// Without an event: a login replaces a hash by one of another cost.
    async fn replace_password(
        &self,
        id: &Subject,
        current: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError> {
        let step = self.store.replace_password(id, current, new);
        self.measure("replace_password", step).await
    }

    async fn set_password(&self, id: &Subject, new: &PasswordHash) -> Result<bool, StoreError> {
        let exists = self.measure("set_password", self.store.set_password(id, new)).await?;
        if exists {
            self.changed(EventKind::PasswordChanged, id).await;
        }
        Ok(exists)
    }

    async fn set_disabled(&self, id: &Subject, at: Option<Timestamp>) -> Result<bool, StoreError> {
        let exists = self.measure("set_disabled", self.store.set_disabled(id, at)).await?;
        if exists && at.is_some() {
            self.changed(EventKind::AccountDisabled, id).await;
        }
        Ok(exists)
    }

    async fn set_claims(&self, id: &Subject, claims: &ExtraClaims) -> Result<bool, StoreError> {
        self.measure("set_claims", self.store.set_claims(id, claims)).await
    }

    async fn set_names(&self, id: &Subject, change: &NameChange) -> Result<bool, StoreError> {
        self.measure("set_names", self.store.set_names(id, change)).await
    }

    async fn verify_email(
        &self,
        id: &Subject,
        login: &Login,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let step = self.store.verify_email(id, login, at);
        let verified = self.measure("verify_email", step).await?;
        if verified {
            self.changed(EventKind::EmailVerified, id).await;
        }
        Ok(verified)
    }

    async fn reset_password(
        &self,
        id: &Subject,
        current: Current<'_>,
        new: &PasswordHash,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let step = self.store.reset_password(id, current, new, at);
        let done = self.measure("reset_password", step).await?;
        if done {
            self.changed(EventKind::PasswordChanged, id).await;
            self.changed(EventKind::EmailVerified, id).await;
        }
        Ok(done)
    }

    async fn change_email(
        &self,
        id: &Subject,
        current: Current<'_>,
        new: &NewEmail,
    ) -> Result<EmailChange, StoreError> {
        let step = self.store.change_email(id, current, new);
        let change = self.measure("change_email", step).await?;
        if change == EmailChange::Changed {
            self.changed(EventKind::EmailVerified, id).await;
        }
        Ok(change)
    }

    async fn delete(&self, id: &Subject) -> Result<bool, StoreError> {
        let existed = self.measure("delete", self.store.delete(id)).await?;
        if existed {
            self.changed(EventKind::AccountDeleted, id).await;
        }
        Ok(existed)
    }

    async fn list(&self, after: Option<&Login>, at_most: u32) -> Result<Vec<Account>, StoreError> {
        self.measure("list", self.store.list(after, at_most)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.measure("ping", self.store.ping()).await
    }
}
