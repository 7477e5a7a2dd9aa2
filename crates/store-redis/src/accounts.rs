//! The account port: one key per account, found by its login; a pointer from the id to the login; and
//! a list of all logins.
//!
//! The record is authoritative: its key makes the login unique, and it contains the id. The pointer
//! makes the id unique. It is set before the record is created, and only believed if the record
//! agrees. The login is added to the list before the record exists. So an operation that fails
//! half-way leaves at most a pointer or a list entry without a record, and both are ignored. A pointer
//! that is left behind reserves its id for its login, which does no harm because ids are not reused.

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

use crate::error::before_step;
use crate::record::{account_fields, account_of, bytes, claims_text};
use crate::scripts;
use crate::store::{RedisStore, unexpected};

/// Number of accounts that are read concurrently for a list.
const CONCURRENT_READS: usize = 64;
/// Number of logins that are read per request.
const PAGE_SIZE: u32 = 500;

/// The change of one field.
struct Change<'a> {
    field: &'a str,
    /// The value that the field must have, if any is required.
    expected: Option<&'a [u8]>,
    /// The new value; `None` removes the field.
    new: Option<&'a [u8]>,
}

#[async_trait]
impl AccountStore for RedisStore {
    async fn create(&self, account: &Account) -> Result<bool, StoreError> {
        let deadline = self.deadline();
        if !self.reserve_id(account, deadline).await.map_err(before_step)? {
            return Ok(false);
        }
        self.add_login(account.login.as_str(), deadline).await.map_err(before_step)?;
        let fields = account_fields(account);
        let arguments: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
        let key = self.keys.login(&account.login);
        match self.run(&scripts::ACCOUNT_CREATE, &key, &arguments, deadline).await? {
            Value::Nil => {}
            Value::BulkString(holder) => {
                if holder != account.id.as_str().as_bytes() {
                    self.drop_pointer(&account.id, account.login.as_str(), deadline).await;
                }
                return Ok(false);
            }
            _ => return Err(unexpected()),
        }
        // A concurrent deletion of the former account with this login may have removed it from the
        // list. The account exists, so a failure here does not change the result.
        let _ = self.add_login(account.login.as_str(), deadline).await;
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
        let claims = claims_text(claims);
        let new = claims.as_ref().map(String::as_bytes);
        self.change(id, Change { field: "claims", expected: None, new }).await
    }

    async fn delete(&self, id: &Subject) -> Result<bool, StoreError> {
        let deadline = self.deadline();
        let Some(login) = self.pointer(id, deadline).await.map_err(before_step)? else {
            return Ok(false);
        };
        let key = self.keys.account(&login);
        let arguments: [&[u8]; 1] = [id.as_str().as_bytes()];
        match self.run(&scripts::ACCOUNT_DELETE, &key, &arguments, deadline).await? {
            Value::Int(1) => {}
            Value::Int(_) => return Ok(false),
            _ => return Err(unexpected()),
        }
        // The account is deleted. What is left of it is ignored.
        self.drop_pointer(id, &login, deadline).await;
        self.remove_login(&login, deadline).await;
        Ok(true)
    }

    async fn list(&self, after: Option<&Login>, at_most: u32) -> Result<Vec<Account>, StoreError> {
        let deadline = self.deadline();
        let wanted = usize::try_from(at_most).unwrap_or(usize::MAX);
        let mut accounts = Vec::new();
        let mut after = after.map(|login| login.as_str().to_owned());
        while accounts.len() < wanted {
            let logins = self.logins(after.as_deref(), at_most.min(PAGE_SIZE), deadline).await?;
            let Some(last) = logins.last() else { break };
            after = Some(last.clone());
            let mut found = stream::iter(logins)
                .map(|login| async move {
                    let fields = self.fields(&self.keys.account(&login), deadline).await?;
                    account_of(&login, fields)
                })
                .buffered(CONCURRENT_READS);
            while let Some(account) = found.next().await {
                accounts.extend(account?);
            }
        }
        accounts.truncate(wanted);
        Ok(accounts)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.check_writable().await
    }
}

impl RedisStore {
    /// Reserves the id for this login. `false` if another login has it.
    async fn reserve_id(&self, account: &Account, deadline: Instant) -> Result<bool, StoreError> {
        let key = self.keys.id(&account.id);
        let login = account.login.as_str();
        let mut reserve = redis::cmd("SET");
        reserve.arg(&key).arg(login).arg("NX");
        match self.send(&reserve, &key, deadline).await? {
            // A creation with the same login may be repeated after it failed half-way.
            Value::Nil => {
                let holder = self.pointer(&account.id, deadline).await?;
                Ok(holder.as_deref() == Some(login))
            }
            _ => Ok(true),
        }
    }

    async fn pointer(&self, id: &Subject, deadline: Instant) -> Result<Option<String>, StoreError> {
        let key = self.keys.id(id);
        let corrupt = || StoreError::corrupt(format!("account {}", id.as_str()), "not a login");
        match self.send(redis::cmd("GET").arg(&key), &key, deadline).await? {
            Value::Nil => Ok(None),
            Value::BulkString(login) => String::from_utf8(login).map(Some).map_err(|_| corrupt()),
            _ => Err(corrupt()),
        }
    }

    async fn drop_pointer(&self, id: &Subject, login: &str, deadline: Instant) {
        let key = self.keys.id(id);
        // If it fails, the pointer is ignored.
        let _ = self.run(&scripts::POINTER_DROP, &key, &[login.as_bytes()], deadline).await;
    }

    async fn add_login(&self, login: &str, deadline: Instant) -> Result<(), StoreError> {
        let key = self.keys.logins();
        let mut add = redis::cmd("ZADD");
        add.arg(&key).arg(0).arg(login);
        self.send(&add, &key, deadline).await.map(drop)
    }

    /// Removes a login from the list, and adds it again if another account with it has been created
    /// in between. The creation also adds it again after its record exists, so whichever is last
    /// leaves the login on the list.
    async fn remove_login(&self, login: &str, deadline: Instant) {
        let (list, record) = (self.keys.logins(), self.keys.account(login));
        let mut remove = redis::cmd("ZREM");
        remove.arg(&list).arg(login);
        let _ = self.send(&remove, &list, deadline).await;
        let exists = self.send(redis::cmd("EXISTS").arg(&record), &record, deadline).await;
        if !matches!(exists, Ok(Value::Int(0))) {
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

    async fn change(&self, id: &Subject, change: Change<'_>) -> Result<bool, StoreError> {
        let deadline = self.deadline();
        let Some(login) = self.pointer(id, deadline).await.map_err(before_step)? else {
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
        match self.run(&scripts::ACCOUNT_CHANGE, &key, &arguments, deadline).await? {
            Value::Int(changed) => Ok(changed == 1),
            _ => Err(unexpected()),
        }
    }
}
