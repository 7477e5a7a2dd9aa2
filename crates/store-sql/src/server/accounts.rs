//! The account port, the same for every engine.

use aquaware_core::account::{Account, Login};
use aquaware_core::id::Subject;
use aquaware_core::store::{
    AccountChange, AccountStore, Current, EmailChange, NewEmail, StoreError,
};
use async_trait::async_trait;
use diesel_async::methods::{ExecuteDsl, LoadQuery};

use super::engine::Engine;
use super::error::{Access, StatementError};
use super::store::{ACCOUNT_CHANGES, ServerStore};
use crate::error::SqlError;
use crate::row::AccountRow;
use crate::statements::{self, AccountColumns, AccountCondition, condition_and_columns};

#[async_trait]
impl<C: Engine> AccountStore for ServerStore<C>
where
    statements::account_by_login: LoadQuery<'static, C::Raw, AccountRow>,
    statements::account_by_id: LoadQuery<'static, C::Raw, AccountRow>,
    statements::list_accounts: LoadQuery<'static, C::Raw, AccountRow>,
    statements::delete_account: ExecuteDsl<C::Raw>,
{
    async fn create(&self, account: &Account) -> Result<bool, StoreError> {
        self.write(AccountRow::from(account), |connection, row| {
            Box::pin(connection.insert_account(row.clone()))
        })
        .await
    }

    async fn by_login(&self, login: &Login) -> Result<Option<Account>, StoreError> {
        self.read(login.as_str().to_owned(), |connection, login| {
            Box::pin(async move {
                let query = statements::account_by_login(login.clone());
                into_account(connection.load(Access::Read, query).await?)
            })
        })
        .await
    }

    async fn by_id(&self, id: &Subject) -> Result<Option<Account>, StoreError> {
        self.read(id.as_str().to_owned(), |connection, id| {
            Box::pin(async move {
                let query = statements::account_by_id(id.clone());
                into_account(connection.load(Access::Read, query).await?)
            })
        })
        .await
    }

    async fn change(&self, id: &Subject, change: AccountChange<'_>) -> Result<bool, StoreError> {
        let (condition, Some(columns)) = condition_and_columns(change) else {
            return Ok(self.by_id(id).await?.is_some());
        };
        self.write(
            (id.as_str().to_owned(), condition, columns),
            |connection, (id, condition, columns)| {
                Box::pin(connection.update_account(id, condition, columns))
            },
        )
        .await
    }

    async fn change_email(
        &self,
        id: &Subject,
        current: Current<'_>,
        new: &NewEmail,
    ) -> Result<EmailChange, StoreError> {
        let input =
            (id.as_str().to_owned(), AccountCondition::from(current), AccountColumns::from(new));
        self.write(input, |connection, (id, condition, change)| {
            Box::pin(async move {
                match connection.update_account(id, condition, change).await {
                    Ok(true) => Ok(EmailChange::Changed),
                    Ok(false) => Ok(EmailChange::Refused),
                    Err(error) if error.sql_error() == SqlError::DuplicateKey => {
                        Ok(EmailChange::Taken)
                    }
                    Err(error) => Err(error),
                }
            })
        })
        .await
    }

    async fn delete(&self, id: &Subject) -> Result<bool, StoreError> {
        self.write(id.as_str().to_owned(), |connection, id| {
            Box::pin(async move {
                Ok(connection.execute(statements::delete_account(id.clone())).await? > 0)
            })
        })
        .await
    }

    async fn list(&self, after: Option<&Login>, at_most: u32) -> Result<Vec<Account>, StoreError> {
        // No login is empty, so every login comes after the empty text.
        let after = after.map_or("", Login::as_str).to_owned();
        self.read((after, at_most), |connection, (after, at_most)| {
            Box::pin(async move {
                let page = statements::list_accounts(after.clone(), i64::from(*at_most));
                let rows: Vec<AccountRow> = connection.load(Access::Read, page).await?;
                Ok(rows.into_iter().map(AccountRow::into_account).collect::<Result<_, _>>()?)
            })
        })
        .await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.probe(&ACCOUNT_CHANGES).await
    }
}

fn into_account(rows: Vec<AccountRow>) -> Result<Option<Account>, StatementError> {
    Ok(rows.into_iter().next().map(AccountRow::into_account).transpose()?)
}
