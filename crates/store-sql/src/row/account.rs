//! A row of `accounts`, and the record it stands for.

use aquaware_core::account::{Account, Login};
use aquaware_core::id::Subject;
use aquaware_core::secret::PasswordHash;
use aquaware_core::store::StoreError;
use aquaware_core::time::Timestamp;
use diesel::{Insertable, Queryable};

use super::claims_of;
#[cfg(feature = "server")]
use super::claims_text;
use crate::schema::accounts;

/// A row of `accounts`, its fields in the order of the columns. Without `Debug`: it holds a
/// password hash.
#[derive(Insertable, Queryable)]
#[diesel(table_name = accounts)]
pub(crate) struct AccountRow {
    id: String,
    login: String,
    email: String,
    password: String,
    first_name: Option<String>,
    last_name: Option<String>,
    created_at: i64,
    disabled_at: Option<i64>,
    claims: Option<String>,
}

impl AccountRow {
    /// The row of `account`.
    #[cfg(feature = "server")]
    pub(crate) fn of(account: &Account) -> Result<Self, StoreError> {
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
        Ok(Self {
            id: id.as_str().to_owned(),
            login: login.as_str().to_owned(),
            email: email.clone(),
            password: password.expose().to_owned(),
            first_name: first_name.clone(),
            last_name: last_name.clone(),
            created_at: created_at.millis(),
            disabled_at: disabled_at.map(Timestamp::millis),
            claims: claims_text(claims)?,
        })
    }

    /// The record this row stands for.
    pub(crate) fn into_account(self) -> Result<Account, StoreError> {
        let key = format!("account {}", self.id.escape_debug());
        self.read().map_err(|what| StoreError::corrupt(key, what))
    }

    fn read(self) -> Result<Account, &'static str> {
        let Self {
            id,
            login,
            email,
            password,
            first_name,
            last_name,
            created_at,
            disabled_at,
            claims,
        } = self;
        let password = PasswordHash::new(password);
        Ok(Account {
            id: Subject::new(id).map_err(|_| "the id is no subject")?,
            email,
            login: login_of(&login)?,
            password,
            first_name,
            last_name,
            created_at: Timestamp::from_millis(created_at),
            disabled_at: disabled_at.map(Timestamp::from_millis),
            claims: claims_of(claims.as_deref())?,
        })
    }
}

/// The login, if it is in the one form in which logins are compared.
fn login_of(text: &str) -> Result<Login, &'static str> {
    Login::new(text)
        .ok()
        .filter(|login| login.as_str() == text)
        .ok_or("the login is no comparable address")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> AccountRow {
        AccountRow {
            id: "a-1".to_owned(),
            login: "ann@example.com".to_owned(),
            email: "Ann@example.com".to_owned(),
            password: "$argon2id$secret".to_owned(),
            first_name: Some("Ann \0".to_owned()),
            last_name: None,
            created_at: 1,
            disabled_at: Some(2),
            claims: None,
        }
    }

    #[test]
    fn a_row_is_an_account() {
        let account = row().into_account().unwrap();
        assert_eq!(account.id.as_str(), "a-1");
        assert_eq!(account.login.as_str(), "ann@example.com");
        assert_eq!(account.email, "Ann@example.com");
        assert_eq!(account.password.expose(), "$argon2id$secret");
        assert_eq!(account.first_name.as_deref(), Some("Ann \0"));
        assert_eq!(account.disabled_at, Some(Timestamp::from_millis(2)));
    }

    #[cfg(feature = "server")]
    #[test]
    fn an_account_comes_back_from_its_row_as_it_went_in() {
        let mut account = row().into_account().unwrap();
        account.claims = serde_json::json!({"roles": ["a"]}).as_object().unwrap().clone();
        assert_eq!(AccountRow::of(&account).unwrap().into_account().unwrap(), account);
    }

    #[test]
    fn a_row_that_nobody_here_wrote_is_reported_by_its_key() {
        type Spoil = fn(&mut AccountRow);
        let spoils: [(&str, Spoil); 4] = [
            ("id", |row| row.id = "a-1\n".to_owned()),
            ("login", |row| row.login = "secret".to_owned()),
            ("login", |row| row.login = "ANN@example.com".to_owned()),
            ("claims", |row| row.claims = Some("\"secret\"".to_owned())),
        ];
        for (what, spoil) in spoils {
            let mut row = row();
            spoil(&mut row);
            let error = row.into_account().unwrap_err().to_string();
            assert!(error.contains("account a-1") && error.contains(what), "{error}");
            assert!(!error.contains("secret") && !error.contains('\n'), "{error}");
        }
    }
}
