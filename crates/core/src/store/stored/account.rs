//! An account as plain values.

use serde::{Deserialize, Serialize};

use super::{claims_text, read_claims};
use crate::account::{Account, Login};
use crate::id::Subject;
use crate::secret::PasswordHash;
use crate::store::StoreError;
use crate::time::Timestamp;

/// An account as a store keeps it. Times are milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredAccount {
    /// [`Account::id`].
    pub id: String,
    /// [`Account::login`].
    pub login: String,
    /// [`Account::email`].
    pub email: String,
    /// [`Account::password`]. The one value with a separate type, so that it is never formatted
    /// and is wiped from memory.
    #[serde(with = "password")]
    pub password: PasswordHash,
    /// [`Account::first_name`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// [`Account::last_name`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// [`Account::created_at`].
    pub created_at: i64,
    /// [`Account::disabled_at`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_at: Option<i64>,
    /// [`Account::email_verified_at`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_verified_at: Option<i64>,
    /// [`Account::email_changed_at`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_changed_at: Option<i64>,
    /// [`Account::claims`] as a JSON object; `None` if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<String>,
}

impl From<&Account> for StoredAccount {
    fn from(account: &Account) -> Self {
        let Account {
            id,
            email,
            login,
            password,
            first_name,
            last_name,
            created_at,
            disabled_at,
            email_verified_at,
            email_changed_at,
            claims,
        } = account;
        Self {
            id: id.as_str().to_owned(),
            login: login.as_str().to_owned(),
            email: email.clone(),
            password: password.clone(),
            first_name: first_name.clone(),
            last_name: last_name.clone(),
            created_at: created_at.millis(),
            disabled_at: disabled_at.map(Timestamp::millis),
            email_verified_at: email_verified_at.map(Timestamp::millis),
            email_changed_at: email_changed_at.map(Timestamp::millis),
            claims: claims_text(claims),
        }
    }
}

impl StoredAccount {
    /// The account these values stand for.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], naming the first invalid field, with the account's
    /// id as the key.
    pub fn into_account(self) -> Result<Account, StoreError> {
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
            email_verified_at,
            email_changed_at,
            claims,
        } = self;
        Ok(Account {
            id: Subject::new(id).map_err(|_| "id: invalid")?,
            email,
            login: read_login(&login)?,
            password,
            first_name,
            last_name,
            created_at: Timestamp::from_millis(created_at),
            disabled_at: disabled_at.map(Timestamp::from_millis),
            email_verified_at: email_verified_at.map(Timestamp::from_millis),
            email_changed_at: email_changed_at.map(Timestamp::from_millis),
            claims: read_claims(claims.as_deref())?,
        })
    }
}

fn read_login(text: &str) -> Result<Login, &'static str> {
    Login::from_stored(text)
        .map_err(|_| "login: neither a normalized e-mail address nor a user name")
}

mod password {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::secret::PasswordHash;

    pub(super) fn serialize<S: Serializer>(hash: &PasswordHash, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(hash.expose())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<PasswordHash, D::Error> {
        String::deserialize(from).map(PasswordHash::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account {
            id: Subject::new("a-1").unwrap(),
            email: "Ann@example.com".to_owned(),
            login: Login::new("ann@example.com").unwrap(),
            password: PasswordHash::new("$argon2id$secret".to_owned()),
            first_name: Some("Ann \0".to_owned()),
            last_name: None,
            created_at: Timestamp::from_millis(-1),
            disabled_at: Some(Timestamp::from_millis(2)),
            email_verified_at: Some(Timestamp::from_millis(3)),
            email_changed_at: Some(Timestamp::from_millis(4)),
            claims: serde_json::json!({"roles": ["a"]}).as_object().unwrap().clone(),
        }
    }

    #[test]
    fn accounts_round_trip() {
        let bare = Account { disabled_at: None, claims: Default::default(), ..account() };
        for account in [account(), bare] {
            let stored = StoredAccount::from(&account);
            let json = serde_json::to_string(&stored).unwrap();
            assert_eq!(serde_json::from_str::<StoredAccount>(&json).unwrap(), stored, "{json}");
            assert_eq!(stored.into_account().unwrap(), account);
        }
    }

    #[test]
    fn formatting_a_stored_account_hides_the_password_hash() {
        let text = format!("{:?}", StoredAccount::from(&account()));
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn invalid_values_are_reported_by_field_and_key() {
        type Damage = fn(&mut StoredAccount);
        let damages: [(&str, Damage); 4] = [
            ("id", |row| row.id = "a-1\n".to_owned()),
            ("login", |row| row.login = "sec\tret".to_owned()),
            ("login", |row| row.login = "ANN@example.com".to_owned()),
            ("claims", |row| row.claims = Some("\"secret\"".to_owned())),
        ];
        for (field, damage) in damages {
            let mut stored = StoredAccount::from(&account());
            damage(&mut stored);
            let StoreError::Corrupt { what, key } = stored.into_account().unwrap_err() else {
                panic!("{field}: the wrong kind of error");
            };
            assert!(key.starts_with("account a-1") && !key.contains('\n'), "{key}");
            assert!(what.starts_with(field), "{what} should name {field}");
            assert!(!what.contains("secret"), "{what}");
        }
    }
}
