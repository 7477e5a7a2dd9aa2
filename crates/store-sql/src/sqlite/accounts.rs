//! Accounts. Parsing a statement costs nothing compared with hashing a password, so these are not
//! prepared.

use aquaware_core::account::{Account, Login};
use aquaware_core::id::Subject;
use aquaware_core::secret::PasswordHash;
use aquaware_core::session::ExtraClaims;
use aquaware_core::store::{AccountStore, StoreError};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;
use diesel::prelude::*;

use super::SqliteStore;
use super::error::store_result;
use crate::row::AccountRow;
use crate::statements::{self, AccountChange};

#[async_trait]
impl AccountStore for SqliteStore {
    async fn create(&self, account: &Account) -> Result<bool, StoreError> {
        let row = AccountRow::from(account);
        self.write(move |connection| {
            let insert = statements::insert_account(row.clone()).on_conflict_do_nothing();
            changed(insert.execute(connection))
        })
        .await
    }

    async fn by_login(&self, login: &Login) -> Result<Option<Account>, StoreError> {
        let query = statements::account_by_login(login.as_str().to_owned());
        self.read(move |connection| {
            let row: Option<AccountRow> = store_result(query.get_result(connection).optional())?;
            row.map(AccountRow::into_account).transpose()
        })
        .await
    }

    async fn by_id(&self, id: &Subject) -> Result<Option<Account>, StoreError> {
        let query = statements::account_by_id(id.as_str().to_owned());
        self.read(move |connection| {
            let row: Option<AccountRow> = store_result(query.get_result(connection).optional())?;
            row.map(AccountRow::into_account).transpose()
        })
        .await
    }

    async fn replace_password(
        &self,
        id: &Subject,
        current: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError> {
        let (id, current) = (id.as_str().to_owned(), current.expose().to_owned());
        let change = AccountChange::password(new);
        self.write(move |connection| {
            let update = statements::replace_password(id.clone(), current.clone(), change.clone());
            changed(update.execute(connection))
        })
        .await
    }

    async fn set_password(&self, id: &Subject, new: &PasswordHash) -> Result<bool, StoreError> {
        self.update_account(id, AccountChange::password(new)).await
    }

    async fn set_disabled(&self, id: &Subject, at: Option<Timestamp>) -> Result<bool, StoreError> {
        self.update_account(id, AccountChange::disabled(at)).await
    }

    async fn set_claims(&self, id: &Subject, claims: &ExtraClaims) -> Result<bool, StoreError> {
        self.update_account(id, AccountChange::claims(claims)).await
    }

    async fn delete(&self, id: &Subject) -> Result<bool, StoreError> {
        let id = id.as_str().to_owned();
        self.write(move |connection| {
            changed(statements::delete_account(id.clone()).execute(connection))
        })
        .await
    }

    async fn list(&self, after: Option<&Login>, at_most: u32) -> Result<Vec<Account>, StoreError> {
        // No login is empty, so every login comes after the empty text.
        let after = after.map_or("", Login::as_str).to_owned();
        let page = statements::list_accounts(after, i64::from(at_most));
        self.read(move |connection| {
            let rows: Vec<AccountRow> = store_result(page.load(connection))?;
            rows.into_iter().map(AccountRow::into_account).collect()
        })
        .await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.probe().await
    }
}

impl SqliteStore {
    async fn update_account(
        &self,
        id: &Subject,
        change: AccountChange,
    ) -> Result<bool, StoreError> {
        let id = id.as_str().to_owned();
        self.write(move |connection| {
            changed(statements::update_account(id.clone(), change.clone()).execute(connection))
        })
        .await
    }
}

/// Whether a statement found a row to change.
fn changed(result: QueryResult<usize>) -> Result<bool, StoreError> {
    store_result(result).map(|rows| rows > 0)
}
