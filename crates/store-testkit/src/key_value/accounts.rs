//! The account port.
//!
//! The record under the login is authoritative: its key makes the login unique, and it contains the
//! id. The key of the id refers to the login and makes the id unique. It is written before the
//! record and only believed if the record agrees, so a creation that was interrupted leaves at most
//! a reference to nothing. Ids are never reused, so only a retry of the same creation needs that
//! reference again, and finds it with the same login.

use aquaware_core::account::{Account, Login};
use aquaware_core::id::Subject;
use aquaware_core::secret::PasswordHash;
use aquaware_core::session::ExtraClaims;
use aquaware_core::store::{AccountStore, StoreError};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;

use super::record::{decode_account, encode_account};
use super::{Engine, Entry, KeyValueStore};

const PREFIX: &str = "l:";

fn account_key(login: &str) -> String {
    format!("{PREFIX}{login}")
}

fn id_key(id: &Subject) -> String {
    format!("i:{id}")
}

/// An account as it was read, with what is needed to replace or remove it.
struct Found<V> {
    key: String,
    version: V,
    account: Account,
}

impl<E: Engine> KeyValueStore<E> {
    async fn account(&self, login: &str) -> Result<Option<Found<E::Version>>, StoreError> {
        let key = account_key(login);
        let Some(Entry { value, version }) = self.engine.get(&key).await? else { return Ok(None) };
        Ok(Some(Found { account: decode_account(&key, &value)?, key, version }))
    }

    async fn account_of(&self, id: &Subject) -> Result<Option<Found<E::Version>>, StoreError> {
        let Some(login) = self.engine.get(&id_key(id)).await? else { return Ok(None) };
        let found = self.account(&login.value).await?;
        Ok(found.filter(|found| found.account.id == *id))
    }

    /// One atomic step on the account with this id, if `holds`. Works like the step of a session.
    async fn change(
        &self,
        id: &Subject,
        holds: impl Fn(&Account) -> bool + Send + Sync,
        change: impl Fn(&mut Account) + Send + Sync,
    ) -> Result<bool, StoreError> {
        while let Some(Found { key, version, mut account }) = self.account_of(id).await? {
            if !holds(&account) {
                return Ok(false);
            }
            change(&mut account);
            if self.engine.replace(&key, &version, encode_account(&account)?).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes the reference from `id` to `login`.
    async fn remove_reference(&self, id: &Subject, login: &Login) -> Result<(), StoreError> {
        let key = id_key(id);
        if let Some(reference) = self.engine.get(&key).await?
            && reference.value == login.as_str()
        {
            self.engine.remove(&key, &reference.version).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl<E: Engine> AccountStore for KeyValueStore<E> {
    async fn create(&self, account: &Account) -> Result<bool, StoreError> {
        let (id, login) = (id_key(&account.id), account.login.as_str());
        if !self.engine.insert(&id, login.to_owned()).await? {
            let reference = self.engine.get(&id).await?;
            if reference.is_none_or(|reference| reference.value != login) {
                return Ok(false);
            }
        }
        if self.engine.insert(&account_key(login), encode_account(account)?).await? {
            return Ok(true);
        }
        let owner = self.account(login).await?;
        if owner.is_some_and(|owner| owner.account.id != account.id) {
            self.remove_reference(&account.id, &account.login).await?;
        }
        Ok(false)
    }

    async fn by_login(&self, login: &Login) -> Result<Option<Account>, StoreError> {
        Ok(self.account(login.as_str()).await?.map(|found| found.account))
    }

    async fn by_id(&self, id: &Subject) -> Result<Option<Account>, StoreError> {
        Ok(self.account_of(id).await?.map(|found| found.account))
    }

    async fn replace_password(
        &self,
        id: &Subject,
        current: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError> {
        let is_current = |account: &Account| account.password == *current;
        self.change(id, is_current, |account| account.password = new.clone()).await
    }

    async fn set_password(&self, id: &Subject, new: &PasswordHash) -> Result<bool, StoreError> {
        self.change(id, |_| true, |account| account.password = new.clone()).await
    }

    async fn set_disabled(&self, id: &Subject, at: Option<Timestamp>) -> Result<bool, StoreError> {
        self.change(id, |_| true, |account| account.disabled_at = at).await
    }

    async fn set_claims(&self, id: &Subject, claims: &ExtraClaims) -> Result<bool, StoreError> {
        self.change(id, |_| true, |account| account.claims.clone_from(claims)).await
    }

    async fn delete(&self, id: &Subject) -> Result<bool, StoreError> {
        while let Some(Found { key, version, account }) = self.account_of(id).await? {
            if self.engine.remove(&key, &version).await? {
                self.remove_reference(id, &account.login).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn list(&self, after: Option<&Login>, at_most: u32) -> Result<Vec<Account>, StoreError> {
        let first = after.map(|login| account_key(login.as_str()));
        let mut entries = self.engine.scan(PREFIX).await?;
        entries.retain(|(key, _)| first.as_ref().is_none_or(|first| key > first));
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        let page = entries.iter().take(usize::try_from(at_most).unwrap_or(usize::MAX));
        page.map(|(key, entry)| decode_account(key, &entry.value)).collect()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.engine.ping().await
    }
}
