//! Accounts. Beside hashing a password the parsing of a statement is nothing, so diesel writes
//! these, and a change first locks the row it is for: whether there is one must not depend on
//! whether the change makes a difference.

use aquaware_core::account::{Account, Login};
use aquaware_core::id::Subject;
use aquaware_core::secret::PasswordHash;
use aquaware_core::session::ExtraClaims;
use aquaware_core::store::{AccountStore, StoreError};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;
use diesel::mysql::Mysql;
use diesel::prelude::*;
use diesel::query_builder::{QueryFragment, QueryId};
use diesel_async::RunQueryDsl;

use super::MysqlStore;
use super::connection::MysqlLink;
use super::sessions::unless_taken;
use crate::row::{AccountRow, claims_text};
use crate::schema::accounts;
use crate::server::Trouble;

#[async_trait]
impl AccountStore for MysqlStore {
    async fn create(&self, account: &Account) -> Result<bool, StoreError> {
        self.write(AccountRow::of(account)?, |link, row| {
            Box::pin(async move {
                let insert = diesel::insert_into(accounts::table).values(row);
                let done = insert.execute(link.changing()).await;
                unless_taken(link, done)
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
                let it = accounts::table.find(id.as_str());
                let change = diesel::update(it).set(accounts::password.eq(new.expose()));
                replace(link, id, Some(current), change).await
            })
        })
        .await
    }

    async fn set_password(&self, id: &Subject, new: &PasswordHash) -> Result<bool, StoreError> {
        self.write((id.clone(), new.clone()), |link, (id, new)| {
            Box::pin(async move {
                let it = accounts::table.find(id.as_str());
                let change = diesel::update(it).set(accounts::password.eq(new.expose()));
                replace(link, id, None, change).await
            })
        })
        .await
    }

    async fn set_disabled(&self, id: &Subject, at: Option<Timestamp>) -> Result<bool, StoreError> {
        self.write((id.clone(), at.map(Timestamp::millis)), |link, (id, at)| {
            Box::pin(async move {
                let it = accounts::table.find(id.as_str());
                let change = diesel::update(it).set(accounts::disabled_at.eq(*at));
                replace(link, id, None, change).await
            })
        })
        .await
    }

    async fn set_claims(&self, id: &Subject, claims: &ExtraClaims) -> Result<bool, StoreError> {
        self.write((id.clone(), claims_text(claims)?), |link, (id, claims)| {
            Box::pin(async move {
                let it = accounts::table.find(id.as_str());
                let change = diesel::update(it).set(accounts::claims.eq(claims));
                replace(link, id, None, change).await
            })
        })
        .await
    }

    async fn delete(&self, id: &Subject) -> Result<bool, StoreError> {
        self.write(id.clone(), |link, id| {
            Box::pin(async move {
                let it = accounts::table.find(id.as_str());
                let done = diesel::delete(it).execute(link.changing()).await;
                link.asked(done).map(|rows| rows > 0)
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

/// Runs `change` if there is such an account, with that password hash if one is named.
async fn replace<C>(
    link: &mut MysqlLink,
    id: &Subject,
    current: Option<&PasswordHash>,
    change: C,
) -> Result<bool, Trouble>
where
    C: QueryFragment<Mysql> + QueryId + Send,
{
    link.begin_transaction().await?;
    let done = async {
        let it = accounts::table.find(id.as_str()).select(accounts::password).for_update();
        let hash = it.load::<String>(link.changing()).await;
        let Some(hash) = link.asked(hash)?.pop() else { return Ok(false) };
        if current.is_some_and(|current| current.expose() != hash) {
            return Ok(false);
        }
        let done = change.execute(link.changing()).await;
        link.asked(done).map(|_| true)
    }
    .await;
    link.end_transaction(done).await
}

fn one(mut rows: Vec<AccountRow>) -> Result<Option<Account>, Trouble> {
    Ok(rows.pop().map(AccountRow::into_account).transpose()?)
}
