//! The account port.

use aquaware_core::account::{Account, Login};
use aquaware_core::id::Subject;
use aquaware_core::secret::PasswordHash;
use aquaware_core::session::ExtraClaims;
use aquaware_core::store::{
    AccountStore, Current, EmailChange, NameChange, NewEmail, SessionStore, StoredAccount,
};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;
use serde_json::{Value, json};
use sqlx::{query, query_scalar, types::Json};

use crate::{Records, Result, SqlxStore, claims_text, store_error};

impl SqlxStore {
    async fn accounts(&self, query: Records<'_, StoredAccount>) -> Result<Vec<Account>> {
        let found = query.fetch_all(&self.0).await.map_err(store_error)?.into_iter();
        found.map(|Json(stored)| stored.into_account()).collect()
    }

    /// Patches an account that has this password hash, if one is given.
    async fn patch_account(
        &self,
        id: &Subject,
        password: Option<&PasswordHash>,
        patch: Value,
    ) -> Result<bool> {
        let update = query(
            "UPDATE accounts SET record = json_patch(record, ?)
             WHERE id = ? AND record ->> 'password' = ifnull(?, record ->> 'password')",
        );
        let update = update.bind(Json(patch)).bind(id.as_str());
        Ok(self.execute(update.bind(password.map(PasswordHash::expose))).await? == 1)
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

    async fn replace_password(
        &self,
        id: &Subject,
        current: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool> {
        self.patch_account(id, Some(current), json!({ "password": new.expose() })).await
    }

    async fn set_password(&self, id: &Subject, new: &PasswordHash) -> Result<bool> {
        self.patch_account(id, None, json!({ "password": new.expose() })).await
    }

    async fn set_disabled(&self, id: &Subject, at: Option<Timestamp>) -> Result<bool> {
        self.patch_account(id, None, json!({ "disabled_at": at.map(Timestamp::millis) })).await
    }

    async fn set_claims(&self, id: &Subject, claims: &ExtraClaims) -> Result<bool> {
        self.patch_account(id, None, json!({ "claims": claims_text(claims) })).await
    }

    async fn set_names(&self, id: &Subject, change: &NameChange) -> Result<bool> {
        let NameChange { first_name, last_name } = change;
        let names = [("first_name", first_name), ("last_name", last_name)];
        // In a merge patch, null removes a member.
        let patch = names.into_iter().filter_map(|(key, name)| Some((key, name.as_ref()?)));
        self.patch_account(id, None, patch.map(|(key, name)| (key, json!(name))).collect()).await
    }

    async fn verify_email(&self, id: &Subject, login: &Login, at: Timestamp) -> Result<bool> {
        let update = query(
            "UPDATE accounts SET record = json_patch(record, ?)
             WHERE id = ? AND login = ? AND record ->> 'email_verified_at' IS NULL",
        );
        let update = update.bind(Json(json!({ "email_verified_at": at.millis() })));
        Ok(self.execute(update.bind(id.as_str()).bind(login.as_str())).await? == 1)
    }

    async fn reset_password(
        &self,
        id: &Subject,
        current: Current<'_>,
        new: &PasswordHash,
        at: Timestamp,
    ) -> Result<bool> {
        let patch = json!({ "password": new.expose(), "email_verified_at": at.millis() });
        self.patch_current(id, current, patch).await.map_err(store_error)
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
