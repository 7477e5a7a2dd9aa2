//! The account port, observed.

use aquaware_core::account::{Account, Login};
use aquaware_core::id::Subject;
use aquaware_core::store::{
    AccountChange, AccountStore, Current, EmailChange, NewEmail, StoreError,
};
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

    async fn change(&self, id: &Subject, change: AccountChange<'_>) -> Result<bool, StoreError> {
        let (operation, events) = operation(&change);
        let changed = self.measure(operation, self.store.change(id, change)).await?;
        for kind in events.iter().filter(|_| changed) {
            self.changed(*kind, id).await;
        }
        Ok(changed)
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

/// The name of a change in the metrics, and the events that it causes.
const fn operation(change: &AccountChange<'_>) -> (&'static str, &'static [EventKind]) {
    match change {
        // A login replaces a hash by one of another cost.
        AccountChange::ReplacePassword { .. } => ("replace_password", &[]),
        AccountChange::SetPassword(_) => ("set_password", &[EventKind::PasswordChanged]),
        AccountChange::SetDisabled(Some(_)) => ("set_disabled", &[EventKind::AccountDisabled]),
        AccountChange::SetDisabled(None) => ("set_disabled", &[]),
        AccountChange::SetClaims(_) => ("set_claims", &[]),
        AccountChange::SetNames(_) => ("set_names", &[]),
        AccountChange::VerifyEmail { .. } => ("verify_email", &[EventKind::EmailVerified]),
        AccountChange::ResetPassword { .. } => {
            ("reset_password", &[EventKind::PasswordChanged, EventKind::EmailVerified])
        }
    }
}
