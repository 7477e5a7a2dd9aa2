//! An account as the fields of its key.

use aquaware_core::account::Account;
use aquaware_core::secret::PasswordHash;
use aquaware_core::store::{StoreError, StoredAccount};
use redis::Value;

use super::fields::{FieldList, Read, Reader, Writer};

/// What is in the key of a login.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Slot {
    /// The account that was created in this key. It may have another login by now.
    pub(crate) account: Option<Account>,
    /// The name in the key of the account that has this login by now.
    pub(crate) to: Option<String>,
}

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
        email_verified_at,
        email_changed_at,
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
    fields.put_some_integer("verified", email_verified_at);
    fields.put_some_integer("changed", email_changed_at);
    fields.put_some("claims", claims);
    fields.finish()
}

/// The fields of the key with this name, which is the login of the account unless there is a field
/// for it.
pub(crate) fn slot_of(name: &str, fields: Value) -> Result<Slot, StoreError> {
    let corrupt = |what| StoreError::corrupt(format!("account {}", name.escape_debug()), what);
    let Some(mut fields) = Reader::new(fields).map_err(corrupt)? else {
        return Ok(Slot::default());
    };
    let to = fields.some_text("to").map_err(corrupt)?;
    if to.is_some() && !fields.has("id") {
        return Ok(Slot { account: None, to });
    }
    let account = read(name, fields).map_err(corrupt)?.into_account();
    // The name of the key is the login, not the id.
    let account = account.map_err(|error| match error {
        StoreError::Corrupt { what, key: _ } => corrupt(what),
        other => other,
    })?;
    Ok(Slot { account: Some(account), to })
}

fn read(name: &str, mut fields: Reader) -> Read<StoredAccount> {
    let login = fields.some_text("login")?;
    Ok(StoredAccount {
        id: fields.text("id")?,
        login: login.unwrap_or_else(|| name.to_owned()),
        email: fields.text("email")?,
        password: PasswordHash::new(fields.text("password")?),
        first_name: fields.some_text("first_name")?,
        last_name: fields.some_text("last_name")?,
        created_at: fields.integer("created")?,
        disabled_at: fields.some_integer("disabled")?,
        email_verified_at: fields.some_integer("verified")?,
        email_changed_at: fields.some_integer("changed")?,
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
            email_verified_at: Some(Timestamp::from_millis(3)),
            email_changed_at: Some(Timestamp::from_millis(4)),
            claims: json!({"roles": []}).as_object().unwrap().clone(),
        }
    }

    fn value(fields: &FieldList) -> Value {
        Value::Array(fields.iter().cloned().map(Value::BulkString).collect())
    }

    #[test]
    fn accounts_round_trip() {
        let slot = |fields: &FieldList| slot_of("ann@example.com", value(fields)).unwrap();
        let mut fields = account_fields(&account());
        assert_eq!(slot(&fields), Slot { account: Some(account()), to: None });
        assert_eq!(slot(&Vec::new()), Slot::default());
        let reference = ["to", " b-2", "to_at", "1"].map(|text| text.as_bytes().to_vec());
        assert_eq!(slot(&reference.to_vec()), Slot { account: None, to: Some(" b-2".to_owned()) });
        fields.extend(reference);
        fields.extend(["login", "bob@example.com"].map(|text| text.as_bytes().to_vec()));
        let moved = Account { login: Login::new("bob@example.com").unwrap(), ..account() };
        assert_eq!(slot(&fields), Slot { account: Some(moved), to: Some(" b-2".to_owned()) });
    }

    #[test]
    fn invalid_fields_are_reported_by_their_key() {
        for (name, invalid) in [
            ("id", "secret\n"),
            ("email", "\u{ff}"),
            ("claims", "\"secret\""),
            ("created", "secret"),
            ("disabled", "secret"),
            ("verified", "secret"),
            ("changed", "secret"),
        ] {
            let mut fields = account_fields(&account());
            let position = fields.iter().position(|field| field == name.as_bytes()).unwrap();
            fields[position + 1] = if name == "email" { vec![0xFF] } else { invalid.into() };
            let error = slot_of("ann@example.com", value(&fields)).unwrap_err().to_string();
            assert!(error.contains("account ann@example.com"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let fields = value(&account_fields(&account()));
        assert!(slot_of("ANN@example.com", fields).is_err());
    }
}
