//! The account port.
//!
//! The record is under the id, and the key of the login refers to the id. An account exists if both
//! agree, so an operation that was interrupted leaves at most a key that is ignored. A login whose key
//! refers to no such account can be taken over. An operation that relies on the key of a login
//! therefore writes it once more after the record: this fails if the login was taken over in between,
//! and the operation takes its step back; or it gives the key a new version, and a takeover that was
//! decided before the record existed fails.

use aquaware_core::account::{Account, Login};
use aquaware_core::id::Subject;
use aquaware_core::store::{
    AccountChange, AccountStore, Current, EmailChange, NewEmail, StoreError,
};
use async_trait::async_trait;

use super::record::{decode_account, encode_account};
use super::{Engine, Entry, KeyValueStore};

const PREFIX: &str = "l:";

fn login_key(login: &str) -> String {
    format!("{PREFIX}{login}")
}

fn account_key(id: &str) -> String {
    format!("c:{id}")
}

/// An account as it was read, with what is needed to replace or remove it.
struct Found<V> {
    key: String,
    version: V,
    account: Account,
}

impl<E: Engine> KeyValueStore<E> {
    /// The record under this id, whether or not its login refers to it.
    async fn record(&self, id: &str) -> Result<Option<Found<E::Version>>, StoreError> {
        let key = account_key(id);
        let Some(Entry { value, version }) = self.engine.get(&key).await? else { return Ok(None) };
        Ok(Some(Found { account: decode_account(&key, &value)?, key, version }))
    }

    async fn account(&self, login: &str) -> Result<Option<Found<E::Version>>, StoreError> {
        let Some(id) = self.engine.get(&login_key(login)).await? else { return Ok(None) };
        let found = self.record(&id.value).await?;
        Ok(found.filter(|found| found.account.login.as_str() == login))
    }

    async fn account_of(&self, id: &Subject) -> Result<Option<Found<E::Version>>, StoreError> {
        let mut former = None;
        while let Some(found) = self.record(id.as_str()).await? {
            if self.refers(&found.account.login, id).await? {
                return Ok(Some(found));
            }
            // Its login may have changed between the two reads.
            if former.replace(found.account.login.clone()) == Some(found.account.login) {
                break;
            }
        }
        Ok(None)
    }

    /// Whether the key of `login` refers to `id`.
    async fn refers(&self, login: &Login, id: &Subject) -> Result<bool, StoreError> {
        let reference = self.engine.get(&login_key(login.as_str())).await?;
        Ok(reference.is_some_and(|reference| reference.value == id.as_str()))
    }

    /// Makes the key of `login` refer to `id`, unless another account has the login.
    async fn reserve(&self, login: &Login, id: &Subject) -> Result<bool, StoreError> {
        let (key, id) = (login_key(login.as_str()), id.as_str());
        loop {
            if self.engine.insert(&key, id.to_owned()).await? {
                return Ok(true);
            }
            let Some(holder) = self.engine.get(&key).await? else { continue };
            if holder.value == id {
                return Ok(true);
            }
            if self.account(login.as_str()).await?.is_some() {
                return Ok(false);
            }
            if self.engine.replace(&key, &holder.version, id.to_owned()).await? {
                return Ok(true);
            }
        }
    }

    /// Writes the key of `login` once more. Returns `false` if it does not refer to `id` any more.
    async fn confirm(&self, login: &Login, id: &Subject) -> Result<bool, StoreError> {
        let key = login_key(login.as_str());
        while let Some(reference) = self.engine.get(&key).await?
            && reference.value == id.as_str()
        {
            if self.engine.replace(&key, &reference.version, reference.value).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes the key of `login` if it refers to `id`.
    async fn release(&self, login: &Login, id: &Subject) -> Result<(), StoreError> {
        let key = login_key(login.as_str());
        if let Some(reference) = self.engine.get(&key).await?
            && reference.value == id.as_str()
        {
            self.engine.remove(&key, &reference.version).await?;
        }
        Ok(())
    }

    /// Gives an account its former address back.
    async fn restore(
        &self,
        id: &Subject,
        lost: &Login,
        former: &Account,
    ) -> Result<(), StoreError> {
        while let Some(Found { key, version, mut account }) = self.record(id.as_str()).await? {
            if account.login != *lost {
                break;
            }
            account.login = former.login.clone();
            account.email.clone_from(&former.email);
            account.email_verified_at = former.email_verified_at;
            account.email_changed_at = former.email_changed_at;
            if self.engine.replace(&key, &version, encode_account(&account)?).await? {
                break;
            }
        }
        Ok(())
    }

    /// One atomic step on the account with this id, if `holds`. Works like the step of a session.
    async fn change_account(
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
}

#[async_trait]
impl<E: Engine> AccountStore for KeyValueStore<E> {
    async fn create(&self, account: &Account) -> Result<bool, StoreError> {
        let Account { id, login, .. } = account;
        if !self.reserve(login, id).await? {
            return Ok(false);
        }
        let key = account_key(id.as_str());
        if !self.engine.insert(&key, encode_account(account)?).await? {
            let other = self.record(id.as_str()).await?;
            if other.is_none_or(|other| other.account.login != *login) {
                self.release(login, id).await?;
            }
            return Ok(false);
        }
        if self.confirm(login, id).await? {
            return Ok(true);
        }
        if let Some(record) = self.engine.get(&key).await? {
            self.engine.remove(&key, &record.version).await?;
        }
        Ok(false)
    }

    async fn by_login(&self, login: &Login) -> Result<Option<Account>, StoreError> {
        Ok(self.account(login.as_str()).await?.map(|found| found.account))
    }

    async fn by_id(&self, id: &Subject) -> Result<Option<Account>, StoreError> {
        Ok(self.account_of(id).await?.map(|found| found.account))
    }

    async fn change(&self, id: &Subject, change: AccountChange<'_>) -> Result<bool, StoreError> {
        self.change_account(id, |it| change.holds(it), |it| change.apply(it)).await
    }

    async fn change_email(
        &self,
        id: &Subject,
        current: Current<'_>,
        new: &NewEmail,
    ) -> Result<EmailChange, StoreError> {
        let holds = |account: &Account| current.is_of(account);
        let Some(found) = self.account_of(id).await?.filter(|found| holds(&found.account)) else {
            return Ok(EmailChange::Refused);
        };
        if !self.reserve(&new.login, id).await? {
            return Ok(EmailChange::Taken);
        }
        let changed = self.change_account(id, holds, |account| new.apply(account)).await?;
        let former = &found.account;
        if changed && !self.confirm(&new.login, id).await? {
            self.restore(id, &new.login, former).await?;
            return Ok(EmailChange::Taken);
        }
        let unused = if changed { &former.login } else { &new.login };
        if former.login != new.login {
            self.release(unused, id).await?;
        }
        Ok(if changed { EmailChange::Changed } else { EmailChange::Refused })
    }

    async fn delete(&self, id: &Subject) -> Result<bool, StoreError> {
        while let Some(Found { key, version, account }) = self.account_of(id).await? {
            if self.engine.remove(&key, &version).await? {
                self.release(&account.login, id).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn list(&self, after: Option<&Login>, at_most: u32) -> Result<Vec<Account>, StoreError> {
        let mut logins = self.engine.scan(PREFIX).await?;
        let login_of = |key: &str| key.strip_prefix(PREFIX).unwrap_or_default().to_owned();
        logins.retain(|(key, _)| after.is_none_or(|after| *login_of(key) > *after.as_str()));
        logins.sort_by(|(one, _), (other, _)| one.cmp(other));
        let (mut page, at_most) = (Vec::new(), usize::try_from(at_most).unwrap_or(usize::MAX));
        for (key, _) in logins {
            if page.len() >= at_most {
                break;
            }
            page.extend(self.account(&login_of(&key)).await?.map(|found| found.account));
        }
        Ok(page)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.engine.ping().await
    }
}
