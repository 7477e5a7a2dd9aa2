//! The account port.

use aquaware_core::account::{Account, Login};
use aquaware_core::id::Subject;
use aquaware_core::store::{
    AccountChange, AccountStore, Current, EmailChange, NewEmail, SessionStore, StoredAccount,
};
use async_trait::async_trait;
use serde_json::{Value, json};
use sqlx::{query, query_scalar, types::Json};

use crate::{Records, Result, SqlxStore, store_error};

impl SqlxStore {
    async fn accounts(&self, query: Records<'_, StoredAccount>) -> Result<Vec<Account>> {
        let found = query.fetch_all(&self.0).await.map_err(store_error)?.into_iter();
        found.map(|Json(stored)| stored.into_account()).collect()
    }

    /// Patches an account that has this address and this password.
    async fn patch_current(
        &self,
        id: &Subject,
        current: Current<'_>,
        patch: Value,
    ) -> sqlx::Result<bool> {
        let update = query(
            "UPDATE accounts SET record = json_patch(record, ?)
             WHERE id = ? AND login = ? AND record ->> 'password' = ?",
        );
        let update = update.bind(Json(patch)).bind(id.as_str()).bind(current.login.as_str());
        let done = update.bind(current.password.expose()).execute(&self.0).await?;
        Ok(done.rows_affected() == 1)
    }
}

#[async_trait]
impl AccountStore for SqlxStore {
    async fn create(&self, account: &Account) -> Result<bool> {
        let insert = query("INSERT INTO accounts (record) VALUES (?) ON CONFLICT DO NOTHING");
        Ok(self.execute(insert.bind(Json(StoredAccount::from(account)))).await? == 1)
    }

    async fn by_login(&self, login: &Login) -> Result<Option<Account>> {
        let select = query_scalar("SELECT record FROM accounts WHERE login = ?");
        Ok(self.accounts(select.bind(login.as_str())).await?.pop())
    }

    async fn by_id(&self, id: &Subject) -> Result<Option<Account>> {
        let select = query_scalar("SELECT record FROM accounts WHERE id = ?");
        Ok(self.accounts(select.bind(id.as_str())).await?.pop())
    }

    async fn change(&self, id: &Subject, change: AccountChange<'_>) -> Result<bool> {
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await.map_err(store_error)?;
        let select = query_scalar("SELECT record FROM accounts WHERE id = ?").bind(id.as_str());
        let found: Option<Json<StoredAccount>> =
            select.fetch_optional(&mut *transaction).await.map_err(store_error)?;
        let found = found.map(|Json(stored)| stored.into_account()).transpose()?;
        let Some(mut account) = found.filter(|account| change.holds(account)) else {
            return Ok(false);
        };
        change.apply(&mut account);
        let update = query("UPDATE accounts SET record = ? WHERE id = ?");
        let update = update.bind(Json(StoredAccount::from(&account))).bind(id.as_str());
        update.execute(&mut *transaction).await.map_err(store_error)?;
        transaction.commit().await.map_err(store_error)?;
        Ok(true)
    }

    async fn change_email(
        &self,
        id: &Subject,
        current: Current<'_>,
        new: &NewEmail,
    ) -> Result<EmailChange> {
        let patch = json!({
            "email": new.email,
            "login": new.login.as_str(),
            "email_verified_at": new.at.millis(),
            "email_changed_at": new.at.millis(),
        });
        match self.patch_current(id, current, patch).await {
            Ok(true) => Ok(EmailChange::Changed),
            Ok(false) => Ok(EmailChange::Refused),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                Ok(EmailChange::Taken)
            }
            Err(error) => Err(store_error(error)),
        }
    }

    async fn delete(&self, id: &Subject) -> Result<bool> {
        let delete = query("DELETE FROM accounts WHERE id = ?").bind(id.as_str());
        Ok(self.execute(delete).await? == 1)
    }

    async fn list(&self, after: Option<&Login>, at_most: u32) -> Result<Vec<Account>> {
        let query = "SELECT record FROM accounts WHERE login > ? ORDER BY login LIMIT ?";
        let after = after.map_or("", Login::as_str);
        self.accounts(query_scalar(query).bind(after).bind(at_most)).await
    }

    async fn ping(&self) -> Result<()> {
        SessionStore::ping(self).await
    }
}
