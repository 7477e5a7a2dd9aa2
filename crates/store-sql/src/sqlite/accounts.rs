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

use super::SqliteStore;
use super::failure::asked;
use crate::row::{AccountRow, claims_text};
use crate::schema::accounts;

#[async_trait]
impl AccountStore for SqliteStore {
    async fn create(&self, account: &Account) -> Result<bool, StoreError> {
        let account = account.clone();
        self.write(move |connection| insert(connection, &account)).await
    }

    async fn by_login(&self, login: &Login) -> Result<Option<Account>, StoreError> {
        let login = login.clone();
        self.read(move |connection| {
            let found = accounts::table.filter(accounts::login.eq(login.as_str()));
            let row: Option<AccountRow> = asked(found.get_result(connection).optional())?;
            row.map(AccountRow::into_account).transpose()
        })
        .await
    }

    async fn by_id(&self, id: &Subject) -> Result<Option<Account>, StoreError> {
        let id = id.clone();
        self.read(move |connection| {
            let found = accounts::table.find(id.as_str());
            let row: Option<AccountRow> = asked(found.get_result(connection).optional())?;
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
        let (id, current, new) = (id.clone(), current.clone(), new.clone());
        self.write(move |connection| {
            let it =
                accounts::table.find(id.as_str()).filter(accounts::password.eq(current.expose()));
            let change = diesel::update(it).set(accounts::password.eq(new.expose()));
            hit(change.execute(connection))
        })
        .await
    }

    async fn set_password(&self, id: &Subject, new: &PasswordHash) -> Result<bool, StoreError> {
        let (id, new) = (id.clone(), new.clone());
        self.write(move |connection| {
            let it = accounts::table.find(id.as_str());
            let change = diesel::update(it).set(accounts::password.eq(new.expose()));
            hit(change.execute(connection))
        })
        .await
    }

    async fn set_disabled(&self, id: &Subject, at: Option<Timestamp>) -> Result<bool, StoreError> {
        let (id, at) = (id.clone(), at.map(Timestamp::millis));
        self.write(move |connection| {
            let it = accounts::table.find(id.as_str());
            hit(diesel::update(it).set(accounts::disabled_at.eq(at)).execute(connection))
        })
        .await
    }

    async fn set_claims(&self, id: &Subject, claims: &ExtraClaims) -> Result<bool, StoreError> {
        let (id, claims) = (id.clone(), claims_text(claims)?);
        self.write(move |connection| {
            let it = accounts::table.find(id.as_str());
            hit(diesel::update(it).set(accounts::claims.eq(&claims)).execute(connection))
        })
        .await
    }

    async fn delete(&self, id: &Subject) -> Result<bool, StoreError> {
        let id = id.clone();
        self.write(move |connection| {
            hit(diesel::delete(accounts::table.find(id.as_str())).execute(connection))
        })
        .await
    }

    async fn list(&self, after: Option<&Login>, at_most: u32) -> Result<Vec<Account>, StoreError> {
        // No login is empty, so all of them come after the empty text.
        let after = after.map_or("", Login::as_str).to_owned();
        self.read(move |connection| {
            let page = accounts::table
                .filter(accounts::login.gt(after))
                .order(accounts::login)
                .limit(i64::from(at_most));
            let rows: Vec<AccountRow> = asked(page.load(connection))?;
            rows.into_iter().map(AccountRow::into_account).collect()
        })
        .await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.answers().await
    }
}

fn insert(connection: &mut SqliteConnection, account: &Account) -> Result<bool, StoreError> {
    let Account {
        id,
        email,
        login,
        password,
        first_name,
        last_name,
        created_at,
        disabled_at,
        claims,
    } = account;
    let row = (
        accounts::id.eq(id.as_str()),
        accounts::login.eq(login.as_str()),
        accounts::email.eq(email),
        accounts::password.eq(password.expose()),
        accounts::first_name.eq(first_name),
        accounts::last_name.eq(last_name),
        accounts::created_at.eq(created_at.millis()),
        accounts::disabled_at.eq(disabled_at.map(Timestamp::millis)),
        accounts::claims.eq(claims_text(claims)?),
    );
    let insert = diesel::insert_into(accounts::table).values(row).on_conflict_do_nothing();
    hit(insert.execute(connection))
}

/// Whether a statement found a row to change.
fn hit(result: QueryResult<usize>) -> Result<bool, StoreError> {
    asked(result).map(|rows| rows > 0)
}
