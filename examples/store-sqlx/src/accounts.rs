//! The account port.

use aquaware_core::account::{Account, Login};
use aquaware_core::id::Subject;
use aquaware_core::secret::PasswordHash;
use aquaware_core::session::ExtraClaims;
use aquaware_core::store::{AccountStore, SessionStore, StoredAccount};
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
