//! The account port: one key per account, a pointer from its id to the name of that key, and a list of
//! all logins. Logins and their keys are in [`logins`](crate::logins).
//!
//! The pointer makes the id unique. It is set before the record is created, and only believed if the
//! record agrees. The login is added to the list before the record exists. So an operation that fails
//! half-way leaves at most a pointer or a list entry without a record, and both are ignored. A pointer
//! that is left behind reserves its id for its login, which does no harm because ids are not reused.

use aquaware_core::account::{Account, Login};
use aquaware_core::id::Subject;
use aquaware_core::store::{
    AccountChange, AccountStore, Current, EmailChange, NameChange, NewEmail, StoreError,
};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;
use futures_util::stream::{self, StreamExt as _};
use redis::Value;
use tokio::time::Instant;

use crate::error::before_step;
use crate::logins::own_name;
use crate::record::{account_fields, claims_text, slot_of};
use crate::scripts;
use crate::store::{RedisStore, unexpected};

/// Number of accounts that are read concurrently for a list.
const CONCURRENT_READS: usize = 64;
/// Number of logins that are read per request.
const PAGE_SIZE: u32 = 500;

/// A field and its value; `None` is an absent field.
type Field<'a> = (&'static str, Option<&'a str>);

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
            // The account that was created in this key may have another login by now.
            Value::BulkString(holder) => {
                return if holder == account.id.as_str().as_bytes() {
                    Ok(false)
                } else {
                    self.create_apart(account, fields, deadline).await
                };
            }
            _ => return Err(unexpected()),
        }
        // A concurrent deletion of the former account with this login may have removed it from the
        // list. The account exists, so a failure here does not change the result.
        let _ = self.add_login(account.login.as_str(), deadline).await;
        Ok(true)
    }

    async fn by_login(&self, login: &Login) -> Result<Option<Account>, StoreError> {
        self.find_login(login.as_str(), self.deadline()).await
    }

    async fn by_id(&self, id: &Subject) -> Result<Option<Account>, StoreError> {
        let deadline = self.deadline();
        let Some(name) = self.pointer(id, deadline).await? else { return Ok(None) };
        let account = self.account_in(&name, deadline).await?;
        Ok(account.filter(|account| account.id == *id))
    }

    async fn change(&self, id: &Subject, change: AccountChange<'_>) -> Result<bool, StoreError> {
        let millis = |at: Timestamp| at.millis().to_string();
        match change {
            AccountChange::ReplacePassword { current, new } => {
                let expected = [("password", Some(current.expose()))];
                self.change_fields(id, &expected, &[("password", Some(new.expose()))]).await
            }
            AccountChange::SetPassword(new) => {
                self.change_fields(id, &[], &[("password", Some(new.expose()))]).await
            }
            AccountChange::SetDisabled(at) => {
                self.change_fields(id, &[], &[("disabled", at.map(millis).as_deref())]).await
            }
            AccountChange::SetClaims(claims) => {
                self.change_fields(id, &[], &[("claims", claims_text(claims).as_deref())]).await
            }
            AccountChange::SetNames(NameChange { first_name, last_name }) => {
                let names = [("first_name", first_name), ("last_name", last_name)];
                let named =
                    names.into_iter().filter_map(|(field, name)| Some((field, name.as_ref()?)));
                let changes: Vec<Field<'_>> =
                    named.map(|(field, name)| (field, name.as_deref())).collect();
                self.change_fields(id, &[], &changes).await
            }
            AccountChange::VerifyEmail { login, at } => {
                let expected = [("login", Some(login.as_str())), ("verified", None)];
                self.change_fields(id, &expected, &[("verified", Some(&millis(at)))]).await
            }
            AccountChange::ResetPassword { current, new, at } => {
                let at = millis(at);
                let expected = [
                    ("login", Some(current.login.as_str())),
                    ("password", Some(current.password.expose())),
                ];
                let changes = [("password", Some(new.expose())), ("verified", Some(&*at))];
                self.change_fields(id, &expected, &changes).await
            }
        }
    }

    async fn change_email(
        &self,
        id: &Subject,
        current: Current<'_>,
        new: &NewEmail,
    ) -> Result<EmailChange, StoreError> {
        let deadline = self.deadline();
        let Some(name) = self.pointer(id, deadline).await.map_err(before_step)? else {
            return Ok(EmailChange::Refused);
        };
        let found = self.account_in(&name, deadline).await.map_err(before_step)?;
        if !found.is_some_and(|account| account.id == *id && current.is_of(&account)) {
            return Ok(EmailChange::Refused);
        }
        self.move_account(id, &name, current, new, deadline).await
    }

    async fn delete(&self, id: &Subject) -> Result<bool, StoreError> {
        let deadline = self.deadline();
        let Some(name) = self.pointer(id, deadline).await.map_err(before_step)? else {
            return Ok(false);
        };
        let key = self.keys.account(&name);
        let arguments: [&[u8]; 1] = [id.as_str().as_bytes()];
        let login = match self.run(&scripts::ACCOUNT_DELETE, &key, &arguments, deadline).await? {
            Value::Nil => return Ok(false),
            Value::BulkString(login) => String::from_utf8_lossy(&login).into_owned(),
            _ => return Err(unexpected()),
        };
        let login = if login.is_empty() { &name } else { &login };
        // The account is deleted. What is left of it is ignored.
        self.drop_pointer(id, &name, deadline).await;
        self.release_login(login, &name, deadline).await;
        self.remove_login(login, deadline).await;
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
                .map(|login| async move { self.find_login(&login, deadline).await })
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
            Value::Nil => match self.pointer(&account.id, deadline).await? {
                Some(name) if name == own_name(&account.id) => {
                    if self.account_in(&name, deadline).await?.is_some() {
                        return Ok(false);
                    }
                    self.set_pointer(&account.id, login, deadline).await?;
                    Ok(true)
                }
                holder => Ok(holder.as_deref() == Some(login)),
            },
            _ => Ok(true),
        }
    }

    /// The name of the key of the account with this id.
    async fn pointer(&self, id: &Subject, deadline: Instant) -> Result<Option<String>, StoreError> {
        let key = self.keys.id(id);
        let corrupt = || StoreError::corrupt(format!("account {}", id.as_str()), "not a pointer");
        match self.send(redis::cmd("GET").arg(&key), &key, deadline).await? {
            Value::Nil => Ok(None),
            Value::BulkString(login) => String::from_utf8(login).map(Some).map_err(|_| corrupt()),
            _ => Err(corrupt()),
        }
    }

    pub(crate) async fn set_pointer(
        &self,
        id: &Subject,
        name: &str,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let key = self.keys.id(id);
        self.send(redis::cmd("SET").arg(&key).arg(name), &key, deadline).await.map(drop)
    }

    pub(crate) async fn drop_pointer(&self, id: &Subject, name: &str, deadline: Instant) {
        let key = self.keys.id(id);
        // If it fails, the pointer is ignored.
        let _ = self.run(&scripts::POINTER_DROP, &key, &[name.as_bytes()], deadline).await;
    }

    /// The account in the key with this name, whatever its login is.
    pub(crate) async fn account_in(
        &self,
        name: &str,
        deadline: Instant,
    ) -> Result<Option<Account>, StoreError> {
        let fields = self.fields(&self.keys.account(name), deadline).await?;
        Ok(slot_of(name, fields)?.account)
    }

    /// Changes fields if those in `expected` have these values.
    async fn change_fields(
        &self,
        id: &Subject,
        expected: &[Field<'_>],
        changes: &[Field<'_>],
    ) -> Result<bool, StoreError> {
        let deadline = self.deadline();
        let Some(name) = self.pointer(id, deadline).await.map_err(before_step)? else {
            return Ok(false);
        };
        let count = expected.len().to_string();
        let mut arguments = vec![id.as_str().as_bytes(), count.as_bytes()];
        for (field, value) in expected.iter().chain(changes) {
            // The login has a field only if it is not the name of the key.
            let value = value.filter(|value| *field != "login" || *value != name);
            let flag: &[u8] = if value.is_some() { b"1" } else { b"0" };
            arguments.extend([field.as_bytes(), flag, value.unwrap_or_default().as_bytes()]);
        }
        let key = self.keys.account(&name);
        match self.run(&scripts::ACCOUNT_CHANGE, &key, &arguments, deadline).await? {
            Value::Int(changed) => Ok(changed == 1),
            _ => Err(unexpected()),
        }
    }
}
