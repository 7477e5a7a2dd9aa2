//! Accounts. Beside hashing a password the parsing of a statement is nothing, so diesel writes
//! these.

use aquaware_core::account::{Account, Login};
use aquaware_core::id::Subject;
use aquaware_core::secret::PasswordHash;
use aquaware_core::session::ExtraClaims;
use aquaware_core::store::{AccountStore, StoreError};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::PostgresStore;
use super::connection::PgLink;
use crate::row::{AccountRow, claims_text};
use crate::schema::accounts;
use crate::server::Trouble;

#[async_trait]
impl AccountStore for PostgresStore {
    async fn create(&self, account: &Account) -> Result<bool, StoreError> {
        self.write(AccountRow::of(account)?, |link, row| {
            Box::pin(async move {
                let insert =
                    diesel::insert_into(accounts::table).values(row).on_conflict_do_nothing();
                let done = insert.execute(&mut link.connection).await;
                hit(link, done)
            })
        })
        .await
    }

    async fn by_login(&self, login: &Login) -> Result<Option<Account>, StoreError> {
        self.read(login.as_str().to_owned(), |link, login| {
            Box::pin(async move {
                let found = accounts::table.filter(accounts::login.eq(login));
                let rows = found.load(&mut link.connection).await;
                one(link.asked(rows)?)
            })
        })
        .await
    }

    async fn by_id(&self, id: &Subject) -> Result<Option<Account>, StoreError> {
        self.read(id.as_str().to_owned(), |link, id| {
            Box::pin(async move {
                let rows = accounts::table.find(id).load(&mut link.connection).await;
                one(link.asked(rows)?)
            })
        })
        .await
    }

    async fn replace_password(
        &self,
        id: &Subject,
        current: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError> {
        let input = (id.clone(), current.clone(), new.clone());
        self.write(input, |link, (id, current, new)| {
            Box::pin(async move {
                let it = accounts::table
                    .find(id.as_str())
                    .filter(accounts::password.eq(current.expose()));
                let change = diesel::update(it).set(accounts::password.eq(new.expose()));
                let done = change.execute(&mut link.connection).await;
                hit(link, done)
            })
        })
        .await
    }

    async fn set_password(&self, id: &Subject, new: &PasswordHash) -> Result<bool, StoreError> {
        self.write((id.clone(), new.clone()), |link, (id, new)| {
            Box::pin(async move {
                let it = accounts::table.find(id.as_str());
                let change = diesel::update(it).set(accounts::password.eq(new.expose()));
                let done = change.execute(&mut link.connection).await;
                hit(link, done)
            })
        })
        .await
    }

    async fn set_disabled(&self, id: &Subject, at: Option<Timestamp>) -> Result<bool, StoreError> {
        self.write((id.clone(), at.map(Timestamp::millis)), |link, (id, at)| {
            Box::pin(async move {
                let it = accounts::table.find(id.as_str());
                let change = diesel::update(it).set(accounts::disabled_at.eq(at));
                let done = change.execute(&mut link.connection).await;
                hit(link, done)
            })
        })
        .await
    }

    async fn set_claims(&self, id: &Subject, claims: &ExtraClaims) -> Result<bool, StoreError> {
        self.write((id.clone(), claims_text(claims)?), |link, (id, claims)| {
            Box::pin(async move {
                let it = accounts::table.find(id.as_str());
                let change = diesel::update(it).set(accounts::claims.eq(claims));
                let done = change.execute(&mut link.connection).await;
                hit(link, done)
            })
        })
        .await
    }

    async fn delete(&self, id: &Subject) -> Result<bool, StoreError> {
        self.write(id.clone(), |link, id| {
            Box::pin(async move {
                let it = accounts::table.find(id.as_str());
                let done = diesel::delete(it).execute(&mut link.connection).await;
                hit(link, done)
            })
        })
        .await
    }

    async fn list(&self, after: Option<&Login>, at_most: u32) -> Result<Vec<Account>, StoreError> {
        // No login is empty, so all of them come after the empty text.
        let after = after.map_or("", Login::as_str).to_owned();
        self.read((after, at_most), |link, (after, at_most)| {
            Box::pin(async move {
                let page = accounts::table
                    .filter(accounts::login.gt(after))
                    .order(accounts::login)
                    .limit(i64::from(*at_most));
                let rows: QueryResult<Vec<AccountRow>> = page.load(&mut link.connection).await;
                let rows = link.asked(rows)?;
                Ok(rows.into_iter().map(AccountRow::into_account).collect::<Result<_, _>>()?)
            })
        })
        .await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.answers().await
    }
}

/// Whether a statement found a row to change. PostgreSQL counts found rows.
fn hit(link: &PgLink, done: QueryResult<usize>) -> Result<bool, Trouble> {
    link.asked(done).map(|rows| rows > 0)
}

fn one(mut rows: Vec<AccountRow>) -> Result<Option<Account>, Trouble> {
    Ok(rows.pop().map(AccountRow::into_account).transpose()?)
}
