//! An account as the fields of its key.

use aquaware_core::account::{Account, Login};
use aquaware_core::id::Subject;
use aquaware_core::secret::PasswordHash;
use aquaware_core::store::StoreError;
use redis::Value;

use super::{FieldList, Read, Reader, Writer, claims_text};

/// The fields of `account`. Its login is the name of the key.
pub(crate) fn account_fields(account: &Account) -> Result<FieldList, StoreError> {
    let Account {
        id,
        email,
        login: _,
        password,
        first_name,
        last_name,
        created_at,
        disabled_at,
        claims,
    } = account;
    let mut fields = Writer::default();
    fields.put("id", id.as_str());
    fields.put("email", email.as_str());
    fields.put("password", password.expose());
    fields.put_some("first_name", first_name.as_deref());
    fields.put_some("last_name", last_name.as_deref());
    fields.put_time("created", *created_at);
    fields.put_some("disabled", disabled_at.map(|at| at.millis().to_string()));
    fields.put_some("claims", claims_text(claims)?);
    Ok(fields.0)
}

/// The account with this login as its fields say; `None` where there are none.
pub(crate) fn account_of(login: &str, fields: Value) -> Result<Option<Account>, StoreError> {
    let key = || format!("account {}", login.escape_debug());
    Reader::of(fields)
        .and_then(|fields| fields.map(|fields| read(login, fields)).transpose())
        .map_err(|what| StoreError::corrupt(key(), what))
}

fn read(login: &str, mut fields: Reader) -> Read<Account> {
    Ok(Account {
        id: Subject::new(fields.text("id")?).map_err(|_| "the id is no subject")?,
        email: fields.text("email")?,
        login: login_of(login)?,
        password: PasswordHash::new(fields.text("password")?),
        first_name: fields.some_text("first_name")?,
        last_name: fields.some_text("last_name")?,
        created_at: fields.time("created")?,
        disabled_at: fields.some_time("disabled")?,
        claims: fields.claims("claims")?,
    })
}

/// The login, if it is in the one form in which logins are compared.
fn login_of(text: &str) -> Read<Login> {
    Login::new(text)
        .ok()
        .filter(|login| login.as_str() == text)
        .ok_or("the login is no comparable address")
}

#[cfg(test)]
mod tests {
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
    fn an_account_comes_back_from_its_fields_as_it_went_in() {
        let fields = value(&account_fields(&account()).unwrap());
        assert_eq!(account_of("ann@example.com", fields).unwrap(), Some(account()));
        assert_eq!(account_of("ann@example.com", Value::Array(vec![])).unwrap(), None);
    }

    #[test]
    fn fields_that_nobody_here_wrote_are_reported_by_their_key() {
        for (name, spoilt) in [
            ("id", "secret\n"),
            ("email", "\u{ff}"),
            ("claims", "\"secret\""),
            ("created", "secret"),
            ("disabled", "secret"),
        ] {
            let mut fields = account_fields(&account()).unwrap();
            let place = fields.iter().position(|field| field == name.as_bytes()).unwrap();
            fields[place + 1] = if name == "email" { vec![0xFF] } else { spoilt.into() };
            let error = account_of("ann@example.com", value(&fields)).unwrap_err().to_string();
            assert!(error.contains("account ann@example.com"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let fields = value(&account_fields(&account()).unwrap());
        assert!(account_of("ANN@example.com", fields).is_err());
    }
}
