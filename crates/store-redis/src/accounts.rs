//! Accounts: one key each, found by login; a pointer from the id, and a list of all logins.
//!
//! The record alone says what is: its key makes the login unique, and it names its id. A pointer is
//! taken before the record is made, and is believed only where the record agrees; it makes the id
//! unique. The list holds the login before the record is there. So whatever breaks off leaves a
//! pointer or a login that leads nowhere, and both are passed over. A pointer left by a creation
//! that broke off keeps its id from being used with another login: ids are never reused anyway.

use aquaware_core::account::{Account, Login};
use aquaware_core::id::Subject;
use aquaware_core::secret::PasswordHash;
use aquaware_core::session::ExtraClaims;
use aquaware_core::store::{AccountStore, StoreError};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;
use futures_util::stream::{self, StreamExt as _};
use redis::Value;
use tokio::time::Instant;

use crate::record::{account_fields, account_of, bytes, claims_text};
use crate::scripts;
use crate::sessions::before;
use crate::store::{RedisStore, unexpected};

/// So many accounts are read at once for a list.
const AT_ONCE: usize = 64;
/// So many logins are read at once.
const PAGE: u32 = 500;

/// A field and what becomes of it.
struct Change<'a> {
    field: &'a str,
    /// What it must be for that, where that matters.
    expected: Option<&'a [u8]>,
    /// Nothing removes it.
    new: Option<&'a [u8]>,
}

#[async_trait]
impl AccountStore for RedisStore {
    async fn create(&self, account: &Account) -> Result<bool, StoreError> {
        let deadline = self.deadline();
        if !self.take_id(account, deadline).await.map_err(before)? {
            return Ok(false);
        }
        self.list_login(&account.login, deadline).await.map_err(before)?;
        let fields = account_fields(account)?;
        let arguments: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
        let key = self.keys.login(&account.login);
        match self.step(&scripts::ACCOUNT_CREATE, &key, &arguments, deadline).await? {
            Value::Nil => {}
            Value::BulkString(holder) => {
                if holder != account.id.as_str().as_bytes() {
                    self.drop_pointer(&account.id, account.login.as_str(), deadline).await;
                }
                return Ok(false);
            }
            _ => return Err(unexpected()),
        }
        // Whoever deleted the login's former account may have taken it off the list in between.
        // The account is made, so this failing is no reason to say otherwise.
        let _ = self.list_login(&account.login, deadline).await;
        Ok(true)
    }

    async fn by_login(&self, login: &Login) -> Result<Option<Account>, StoreError> {
        let fields = self.fields(&self.keys.login(login), self.deadline()).await?;
        account_of(login.as_str(), fields)
    }

    async fn by_id(&self, id: &Subject) -> Result<Option<Account>, StoreError> {
        let deadline = self.deadline();
        let Some(login) = self.pointer(id, deadline).await? else { return Ok(None) };
        let fields = self.fields(&self.keys.account(&login), deadline).await?;
        Ok(account_of(&login, fields)?.filter(|account| account.id == *id))
    }

    async fn replace_password(
        &self,
        id: &Subject,
        current: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError> {
        let (expected, new) = (Some(current.expose().as_bytes()), Some(new.expose().as_bytes()));
        self.change(id, Change { field: "password", expected, new }).await
    }

    async fn set_password(&self, id: &Subject, new: &PasswordHash) -> Result<bool, StoreError> {
        let new = Some(new.expose().as_bytes());
        self.change(id, Change { field: "password", expected: None, new }).await
    }

    async fn set_disabled(&self, id: &Subject, at: Option<Timestamp>) -> Result<bool, StoreError> {
        let at = at.map(|at| at.millis().to_string());
        let new = at.as_ref().map(String::as_bytes);
        self.change(id, Change { field: "disabled", expected: None, new }).await
    }

    async fn set_claims(&self, id: &Subject, claims: &ExtraClaims) -> Result<bool, StoreError> {
        let claims = claims_text(claims)?;
        let new = claims.as_deref();
        self.change(id, Change { field: "claims", expected: None, new }).await
    }

    async fn delete(&self, id: &Subject) -> Result<bool, StoreError> {
        let deadline = self.deadline();
        let Some(login) = self.pointer(id, deadline).await.map_err(before)? else {
            return Ok(false);
        };
        let key = self.keys.account(&login);
        let arguments: [&[u8]; 1] = [id.as_str().as_bytes()];
        match self.step(&scripts::ACCOUNT_DELETE, &key, &arguments, deadline).await? {
            Value::Int(1) => {}
            Value::Int(_) => return Ok(false),
            _ => return Err(unexpected()),
        }
        // The account is gone; what is left of it leads nowhere.
        self.drop_pointer(id, &login, deadline).await;
        self.unlist_login(&login, deadline).await;
        Ok(true)
    }

    async fn list(&self, after: Option<&Login>, at_most: u32) -> Result<Vec<Account>, StoreError> {
        let deadline = self.deadline();
        let wanted = usize::try_from(at_most).unwrap_or(usize::MAX);
        let mut accounts = Vec::new();
        let mut after = after.map(|login| login.as_str().to_owned());
        while accounts.len() < wanted {
            let logins = self.logins(after.as_deref(), at_most.min(PAGE), deadline).await?;
            let Some(last) = logins.last() else { break };
            after = Some(last.clone());
            let mut found = stream::iter(logins)
                .map(|login| async move {
                    let fields = self.fields(&self.keys.account(&login), deadline).await?;
                    account_of(&login, fields)
                })
                .buffered(AT_ONCE);
            while let Some(account) = found.next().await {
                accounts.extend(account?);
            }
        }
        accounts.truncate(wanted);
        Ok(accounts)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.answers().await
    }
}

impl RedisStore {
    /// Takes the id for this login. `false` if another login has it.
    async fn take_id(&self, account: &Account, deadline: Instant) -> Result<bool, StoreError> {
        let key = self.keys.id(&account.id);
        let login = account.login.as_str();
        let mut take = redis::cmd("SET");
        take.arg(&key).arg(login).arg("NX");
        match self.ask(&take, &key, deadline).await? {
            // The same login may try again after a creation that broke off.
            Value::Nil => {
                let holder = self.pointer(&account.id, deadline).await?;
                Ok(holder.as_deref() == Some(login))
            }
            _ => Ok(true),
        }
    }

    async fn pointer(&self, id: &Subject, deadline: Instant) -> Result<Option<String>, StoreError> {
        let key = self.keys.id(id);
        let corrupt = || StoreError::corrupt(format!("account {}", id.as_str()), "no login");
        match self.ask(redis::cmd("GET").arg(&key), &key, deadline).await? {
            Value::Nil => Ok(None),
            Value::BulkString(login) => String::from_utf8(login).map(Some).map_err(|_| corrupt()),
            _ => Err(corrupt()),
        }
    }

    async fn drop_pointer(&self, id: &Subject, login: &str, deadline: Instant) {
        let key = self.keys.id(id);
        // If it fails, the pointer leads nowhere.
        let _ = self.step(&scripts::POINTER_DROP, &key, &[login.as_bytes()], deadline).await;
    }

    async fn list_login(&self, login: &Login, deadline: Instant) -> Result<(), StoreError> {
        self.add_login(login.as_str(), deadline).await
    }

    async fn add_login(&self, login: &str, deadline: Instant) -> Result<(), StoreError> {
        let key = self.keys.logins();
        let mut add = redis::cmd("ZADD");
        add.arg(&key).arg(0).arg(login);
        self.ask(&add, &key, deadline).await.map(drop)
    }

    /// Takes a login off the list. If somebody made another account with it meanwhile, it goes back:
    /// whoever makes one puts the login on the list once more after the record is there.
    async fn unlist_login(&self, login: &str, deadline: Instant) {
        let (list, record) = (self.keys.logins(), self.keys.account(login));
        let mut remove = redis::cmd("ZREM");
        remove.arg(&list).arg(login);
        let _ = self.ask(&remove, &list, deadline).await;
        let again = self.ask(redis::cmd("EXISTS").arg(&record), &record, deadline).await;
        if !matches!(again, Ok(Value::Int(0))) {
            let _ = self.add_login(login, deadline).await;
        }
    }

    async fn logins(
        &self,
        after: Option<&str>,
        at_most: u32,
        deadline: Instant,
    ) -> Result<Vec<String>, StoreError> {
        let key = self.keys.logins();
        let from = after.map_or_else(|| "-".to_owned(), |login| format!("({login}"));
        let mut question = redis::cmd("ZRANGE");
        question.arg(&key).arg(from).arg("+").arg("BYLEX").arg("LIMIT").arg(0).arg(at_most);
        let Value::Array(found) = self.ask(&question, &key, deadline).await? else {
            return Err(unexpected());
        };
        let text = |value| bytes(value).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        found
            .into_iter()
            .map(|value| text(value).ok_or_else(|| StoreError::corrupt(&*key, "no login")))
            .collect()
    }

    async fn change(&self, id: &Subject, change: Change<'_>) -> Result<bool, StoreError> {
        let deadline = self.deadline();
        let Some(login) = self.pointer(id, deadline).await.map_err(before)? else {
            return Ok(false);
        };
        let Change { field, expected, new } = change;
        let flag = |set: bool| if set { b"1" } else { b"0" };
        let arguments: [&[u8]; 6] = [
            id.as_str().as_bytes(),
            field.as_bytes(),
            flag(expected.is_some()),
            expected.unwrap_or_default(),
            flag(new.is_some()),
            new.unwrap_or_default(),
        ];
        let key = self.keys.account(&login);
        match self.step(&scripts::ACCOUNT_CHANGE, &key, &arguments, deadline).await? {
            Value::Int(changed) => Ok(changed == 1),
            _ => Err(unexpected()),
        }
    }
}
