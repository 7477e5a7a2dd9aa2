//! The account port of the reference store.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use async_trait::async_trait;

use super::MemoryStore;
use crate::account::{Account, Login};
use crate::id::Subject;
use crate::store::{AccountChange, AccountStore, Current, EmailChange, NewEmail, StoreError};

impl MemoryStore {
    fn accounts(&self) -> MutexGuard<'_, BTreeMap<String, Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl AccountStore for MemoryStore {
    async fn create(&self, account: &Account) -> Result<bool, StoreError> {
        let mut accounts = self.accounts();
        let taken = accounts.contains_key(account.login.as_str())
            || accounts.values().any(|other| other.id == account.id);
        if !taken {
            accounts.insert(account.login.as_str().to_owned(), account.clone());
        }
        Ok(!taken)
    }

    async fn by_login(&self, login: &Login) -> Result<Option<Account>, StoreError> {
        Ok(self.accounts().get(login.as_str()).cloned())
    }

    async fn by_id(&self, id: &Subject) -> Result<Option<Account>, StoreError> {
        Ok(self.accounts().values().find(|account| account.id == *id).cloned())
    }

    async fn change(&self, id: &Subject, change: AccountChange<'_>) -> Result<bool, StoreError> {
        let mut accounts = self.accounts();
        let account = accounts.values_mut().find(|account| account.id == *id);
        let Some(account) = account.filter(|account| change.holds(account)) else {
            return Ok(false);
        };
        change.apply(account);
        Ok(true)
    }

    async fn change_email(
        &self,
        id: &Subject,
        current: Current<'_>,
        new: &NewEmail,
    ) -> Result<EmailChange, StoreError> {
        let mut accounts = self.accounts();
        let login = current.login.as_str();
        let Some(account) = accounts.get(login).filter(|it| it.id == *id && current.is_of(it))
        else {
            return Ok(EmailChange::Refused);
        };
        if accounts.get(new.login.as_str()).is_some_and(|other| other.id != *id) {
            return Ok(EmailChange::Taken);
        }
        let mut account = account.clone();
        new.apply(&mut account);
        accounts.remove(login);
        accounts.insert(account.login.as_str().to_owned(), account);
        Ok(EmailChange::Changed)
    }

    async fn delete(&self, id: &Subject) -> Result<bool, StoreError> {
        let mut accounts = self.accounts();
        let before = accounts.len();
        accounts.retain(|_, account| account.id != *id);
        Ok(accounts.len() < before)
    }

    async fn list(&self, after: Option<&Login>, at_most: u32) -> Result<Vec<Account>, StoreError> {
        let accounts = self.accounts();
        let later = |login: &str| after.is_none_or(|after| login > after.as_str());
        Ok(accounts
            .iter()
            .filter(|(login, _)| later(login))
            .take(usize::try_from(at_most).unwrap_or(usize::MAX))
            .map(|(_, account)| account.clone())
            .collect())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
