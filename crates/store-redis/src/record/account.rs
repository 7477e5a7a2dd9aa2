//! An account as the fields of its key.

use aquaware_core::account::Account;
use aquaware_core::secret::PasswordHash;
use aquaware_core::store::{StoreError, StoredAccount};
use redis::Value;

use super::fields::{FieldList, Read, Reader, Writer};

/// The fields of `account`. Its login is part of the key.
pub(crate) fn account_fields(account: &Account) -> FieldList {
    let StoredAccount {
        id,
        login: _,
        email,
        password,
        first_name,
        last_name,
        created_at,
        disabled_at,
        claims,
    } = StoredAccount::from(account);
    let mut fields = Writer::default();
    fields.put("id", id);
    fields.put("email", email);
    fields.put("password", password.expose());
    fields.put_some("first_name", first_name);
    fields.put_some("last_name", last_name);
    fields.put_integer("created", created_at);
    fields.put_some_integer("disabled", disabled_at);
    fields.put_some("claims", claims);
    fields.finish()
}

/// The account with this login and these fields; `None` if there are no fields.
pub(crate) fn account_of(login: &str, fields: Value) -> Result<Option<Account>, StoreError> {
    let corrupt = |what| StoreError::corrupt(format!("account {}", login.escape_debug()), what);
    let stored = Reader::new(fields)
        .and_then(|fields| fields.map(|fields| read(login, fields)).transpose())
        .map_err(corrupt)?;
    let account = stored.map(StoredAccount::into_account).transpose();
    // The key of the record contains the login, not the id.
    account.map_err(|error| match error {
        StoreError::Corrupt { what, key: _ } => corrupt(what),
        other => other,
    })
}

fn read(login: &str, mut fields: Reader) -> Read<StoredAccount> {
    Ok(StoredAccount {
        id: fields.text("id")?,
        login: login.to_owned(),
        email: fields.text("email")?,
        password: PasswordHash::new(fields.text("password")?),
        first_name: fields.some_text("first_name")?,
        last_name: fields.some_text("last_name")?,
        created_at: fields.integer("created")?,
        disabled_at: fields.some_integer("disabled")?,
        claims: fields.some_text("claims")?,
    })
}

#[cfg(test)]
mod tests {
    use aquaware_core::account::Login;
    use aquaware_core::id::Subject;
    use aquaware_core::time::Timestamp;
    use serde_json::json;

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
            claims: json!({"roles": []}).as_object().unwrap().clone(),
        }
    }

    fn value(fields: &FieldList) -> Value {
        Value::Array(fields.iter().cloned().map(Value::BulkString).collect())
    }

    #[test]
    fn accounts_round_trip() {
        let fields = value(&account_fields(&account()));
        assert_eq!(account_of("ann@example.com", fields).unwrap(), Some(account()));
        assert_eq!(account_of("ann@example.com", Value::Array(vec![])).unwrap(), None);
    }

    #[test]
    fn invalid_fields_are_reported_by_their_key() {
        for (name, invalid) in [
            ("id", "secret\n"),
            ("email", "\u{ff}"),
            ("claims", "\"secret\""),
            ("created", "secret"),
            ("disabled", "secret"),
        ] {
            let mut fields = account_fields(&account());
            let position = fields.iter().position(|field| field == name.as_bytes()).unwrap();
            fields[position + 1] = if name == "email" { vec![0xFF] } else { invalid.into() };
            let error = account_of("ann@example.com", value(&fields)).unwrap_err().to_string();
            assert!(error.contains("account ann@example.com"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let fields = value(&account_fields(&account()));
        assert!(account_of("ANN@example.com", fields).is_err());
    }
}
