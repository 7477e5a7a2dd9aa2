//! Accounts. Parsing a statement costs nothing compared with hashing a password, so these are not
//! prepared.

use aquaware_core::account::{Account, Login};
use aquaware_core::id::Subject;
use aquaware_core::store::{
    AccountChange, AccountStore, Current, EmailChange, NewEmail, StoreError,
};
use async_trait::async_trait;
use diesel::prelude::*;

use super::SqliteStore;
use super::error::{sql_error, store_result};
use crate::error::SqlError;
use crate::row::AccountRow;
use crate::statements::{self, AccountColumns, AccountCondition, condition_and_columns};

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

    async fn change(&self, id: &Subject, change: AccountChange<'_>) -> Result<bool, StoreError> {
        let (condition, Some(columns)) = condition_and_columns(change) else {
            return Ok(self.by_id(id).await?.is_some());
        };
        let id = id.as_str().to_owned();
        self.write(move |connection| changed(update(connection, &id, &condition, &columns))).await
    }

    async fn change_email(
        &self,
        id: &Subject,
        current: Current<'_>,
        new: &NewEmail,
    ) -> Result<EmailChange, StoreError> {
        let (id, condition) = (id.as_str().to_owned(), AccountCondition::from(current));
        let columns = AccountColumns::from(new);
        self.write(move |connection| match update(connection, &id, &condition, &columns) {
            Ok(0) => Ok(EmailChange::Refused),
            Ok(_) => Ok(EmailChange::Changed),
            // SQLite undoes the statement, not the transaction.
            Err(error) if sql_error(&error) == SqlError::DuplicateKey => Ok(EmailChange::Taken),
            Err(error) => store_result(Err(error)),
        })
        .await
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

/// Changes an account if the condition holds; returns the number of accounts changed.
fn update(
    connection: &mut SqliteConnection,
    id: &str,
    condition: &AccountCondition,
    columns: &AccountColumns,
) -> QueryResult<usize> {
    let (id, columns) = (id.to_owned(), columns.clone());
    match condition.clone() {
        AccountCondition::None => statements::update_account(id, columns).execute(connection),
        AccountCondition::Password(current) => {
            statements::replace_password(id, current, columns).execute(connection)
        }
        AccountCondition::Unverified { login } => {
            statements::update_unverified(id, login, columns).execute(connection)
        }
        AccountCondition::Current { login, password } => {
            statements::update_current(id, login, password, columns).execute(connection)
        }
    }
}

/// Whether a statement found a row to change.
fn changed(result: QueryResult<usize>) -> Result<bool, StoreError> {
    store_result(result).map(|rows| rows > 0)
}
