//! Logins and the keys of their accounts.
//!
//! An account is created in the key of its login, and stays in that key for good: a change of its
//! address is one step on this key, so that it can neither lose nor undo another change of the account.
//! The key of the new login then refers to the key of the account. The key of the former login may
//! still hold the account, and is free for another one all the same: that account is created in a key
//! with the name of its id, and the key of its login refers to it.
//!
//! So a login belongs to the account in its key, if that account has no other login by now; otherwise
//! to the account to which its key refers, if that account has this login. A reference is made before
//! the account is changed or created. One that was left behind by an interrupted operation is replaced
//! after a minute.

use aquaware_core::account::Account;
use aquaware_core::id::Subject;
use aquaware_core::store::{Current, EmailChange, NewEmail, StoreError};
use redis::Value;
use tokio::time::Instant;

use crate::error::{RedisStoreError, before_step};
use crate::record::{FieldList, bytes, slot_of};
use crate::scripts;
use crate::store::{RedisStore, unexpected};

/// The name of the key of an account that is not in the key of a login. No login begins with a space.
pub(crate) fn own_name(id: &Subject) -> String {
    format!(" {id}")
}

impl RedisStore {
    /// The account with this login.
    pub(crate) async fn find_login(
        &self,
        login: &str,
        deadline: Instant,
    ) -> Result<Option<Account>, StoreError> {
        let fields = self.fields(&self.keys.account(login), deadline).await?;
        let slot = slot_of(login, fields)?;
        let has_login = |account: &Account| account.login.as_str() == login;
        match (slot.account.filter(has_login), slot.to) {
            (None, Some(name)) => Ok(self.account_in(&name, deadline).await?.filter(has_login)),
            (account, _) => Ok(account),
        }
    }

    /// Creates an account in a key with the name of its id, because the key of its login is in use.
    /// Returns `false` if its login or its id is taken.
    pub(crate) async fn create_apart(
        &self,
        account: &Account,
        mut fields: FieldList,
        deadline: Instant,
    ) -> Result<bool, StoreError> {
        let Account { id, login, .. } = account;
        let (login, name) = (login.as_str(), own_name(id));
        let Some(time) = self.reserve_login(login, &name, deadline).await.map_err(before_step)?
        else {
            self.drop_pointer(id, login, deadline).await;
            return Ok(false);
        };
        self.set_pointer(id, &name, deadline).await.map_err(before_step)?;
        fields.extend([b"login".to_vec(), login.as_bytes().to_vec()]);
        let time = time.to_string();
        let mut arguments = vec![time.as_bytes()];
        arguments.extend(fields.iter().map(Vec::as_slice));
        let key = self.keys.account(&name);
        match self.run(&scripts::ACCOUNT_PLACE, &key, &arguments, deadline).await? {
            Value::Int(1) => {
                let _ = self.add_login(login, deadline).await;
                Ok(true)
            }
            // The same creation was repeated.
            Value::Int(0) => Ok(false),
            _ => Err(RedisStoreError::Unexpected("a late script".to_owned()).not_applied()),
        }
    }

    /// Changes the address of the account in the key with this name.
    pub(crate) async fn move_account(
        &self,
        id: &Subject,
        name: &str,
        current: Current<'_>,
        new: &NewEmail,
        deadline: Instant,
    ) -> Result<EmailChange, StoreError> {
        let (former, login) = (current.login.as_str(), new.login.as_str());
        let mut reserved_at = i64::MAX;
        if former != login {
            match self.reserve_login(login, name, deadline).await.map_err(before_step)? {
                Some(time) => reserved_at = time,
                None => return Ok(EmailChange::Taken),
            }
            self.add_login(login, deadline).await.map_err(before_step)?;
        }
        let (reserved_at, at) = (reserved_at.to_string(), new.at.millis().to_string());
        let password = current.password.expose();
        let arguments = [&reserved_at, id.as_str(), name, former, password, login, &new.email, &at];
        let arguments = arguments.map(str::as_bytes);
        let key = self.keys.account(name);
        let changed = match self.run(&scripts::ACCOUNT_MOVE, &key, &arguments, deadline).await? {
            Value::Int(changed) => changed == 1,
            _ => return Err(unexpected()),
        };
        // A failure of what follows leaves a reference or a list entry that is ignored.
        if former != login {
            let unused = if changed { former } else { login };
            self.release_login(unused, name, deadline).await;
            self.remove_login(unused, deadline).await;
        }
        if changed && login == name {
            self.release_login(login, name, deadline).await;
        }
        Ok(if changed { EmailChange::Changed } else { EmailChange::Refused })
    }

    /// Makes the key of `login` refer to the key with this name, and returns the time. `None` if the
    /// login is taken.
    async fn reserve_login(
        &self,
        login: &str,
        name: &str,
        deadline: Instant,
    ) -> Result<Option<i64>, StoreError> {
        let key = self.keys.account(login);
        let mut abandoned = String::new();
        loop {
            let arguments = [login, name, &abandoned].map(str::as_bytes);
            let found = match self.run(&scripts::LOGIN_RESERVE, &key, &arguments, deadline).await? {
                Value::Int(time) => return Ok(Some(time)),
                Value::BulkString(name) => String::from_utf8_lossy(&name).into_owned(),
                _ => return Err(unexpected()),
            };
            if found.is_empty() || found == abandoned {
                return Ok(None);
            }
            let holder = self.account_in(&found, deadline).await?;
            if holder.is_some_and(|account| account.login.as_str() == login) {
                return Ok(None);
            }
            abandoned = found;
        }
    }

    /// Removes the reference of the key of `login` to the key with this name.
    pub(crate) async fn release_login(&self, login: &str, name: &str, deadline: Instant) {
        let key = self.keys.account(login);
        // If it fails, the reference is ignored.
        let _ = self.run(&scripts::LOGIN_RELEASE, &key, &[name.as_bytes()], deadline).await;
    }

    pub(crate) async fn add_login(&self, login: &str, deadline: Instant) -> Result<(), StoreError> {
        let key = self.keys.logins();
        let mut add = redis::cmd("ZADD");
        add.arg(&key).arg(0).arg(login);
        self.send(&add, &key, deadline).await.map(drop)
    }

    /// Removes a login from the list, and adds it again if another account has it by now. A creation
    /// also adds it again after its record exists, so whichever is last leaves the login on the list.
    pub(crate) async fn remove_login(&self, login: &str, deadline: Instant) {
        let list = self.keys.logins();
        let mut remove = redis::cmd("ZREM");
        remove.arg(&list).arg(login);
        let _ = self.send(&remove, &list, deadline).await;
        if !matches!(self.find_login(login, deadline).await, Ok(None)) {
            let _ = self.add_login(login, deadline).await;
        }
    }

    /// Up to `at_most` logins on the list, those after `after`.
    pub(crate) async fn logins(
        &self,
        after: Option<&str>,
        at_most: u32,
        deadline: Instant,
    ) -> Result<Vec<String>, StoreError> {
        let key = self.keys.logins();
        let from = after.map_or_else(|| "-".to_owned(), |login| format!("({login}"));
        let mut request = redis::cmd("ZRANGE");
        request.arg(&key).arg(from).arg("+").arg("BYLEX").arg("LIMIT").arg(0).arg(at_most);
        let Value::Array(found) = self.send(&request, &key, deadline).await? else {
            return Err(unexpected());
        };
        let text = |value| bytes(value).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        found
            .into_iter()
            .map(|value| text(value).ok_or_else(|| StoreError::corrupt(&*key, "not a login")))
            .collect()
    }
}
