//! How accounts are displayed, without password hashes.

use aquaware_core::account::{Account, Login};
use aquaware_core::time::Timestamp;
use serde_json::{Value as Json, json};

use crate::cli::error::CommandError;
use crate::cli::table::Table;

/// An account as JSON.
pub(super) fn as_json(account: &Account) -> Json {
    json!({
        "id": account.id.as_str(),
        "email": account.email,
        "email_verified_at": account.email_verified_at.map(Timestamp::to_rfc3339),
        "first_name": account.first_name,
        "last_name": account.last_name,
        "created_at": account.created_at.to_rfc3339(),
        "disabled_at": account.disabled_at.map(Timestamp::to_rfc3339),
        "claims": account.claims,
    })
}

/// Accounts as a table.
pub(super) fn list_text(accounts: &[Account]) -> String {
    let mut table = Table::new(["E-MAIL", "ID", "CREATED", "STATE", "CLAIMS"]);
    for account in accounts {
        let claims = if account.claims.is_empty() { "-".to_owned() } else { claims(account) };
        let state = if account.disabled_at.is_some() { "disabled" } else { "enabled" };
        table.row([
            account.email.clone(),
            account.id.to_string(),
            account.created_at.to_rfc3339(),
            state.to_owned(),
            claims,
        ]);
    }
    table.text(0)
}

/// All details of an account.
pub(super) fn details(account: &Account, live_sessions: usize) -> String {
    let mut table = Table::plain();
    let disabled = account.disabled_at.map(Timestamp::to_rfc3339);
    let verified = account.email_verified_at.map(Timestamp::to_rfc3339);
    for (name, value) in [
        ("e-mail", Some(account.email.clone())),
        ("verified", Some(verified.unwrap_or_else(|| "no".to_owned()))),
        ("id", Some(account.id.to_string())),
        ("first name", account.first_name.clone()),
        ("last name", account.last_name.clone()),
        ("created", Some(account.created_at.to_rfc3339())),
        ("disabled", Some(disabled.unwrap_or_else(|| "no".to_owned()))),
        ("claims", Some(claims(account))),
        ("live sessions", Some(live_sessions.to_string())),
    ] {
        table.row([name.to_owned(), value.unwrap_or_else(|| "-".to_owned())]);
    }
    table.text(0)
}

fn claims(account: &Account) -> String {
    serde_json::to_string(&account.claims).unwrap_or_default()
}

/// The normalized address or user name, by which accounts are ordered.
pub(super) fn login(email: &str) -> Result<Login, CommandError> {
    Login::of_input(email).ok_or_else(|| {
        CommandError::Usage(format!("{email:?} is neither an e-mail address nor a user name"))
    })
}

#[cfg(test)]
mod tests {
    use aquaware_core::id::Subject;
    use aquaware_core::secret::PasswordHash;

    use super::*;

    fn account() -> Account {
        Account {
            id: Subject::new("0b8e").unwrap(),
            email: "Ann@Example.com".to_owned(),
            login: Login::new("ann@example.com").unwrap(),
            password: PasswordHash::new("$argon2id$hash".to_owned()),
            first_name: None,
            last_name: Some("\u{1b}[31mRed".to_owned()),
            created_at: Timestamp::from_seconds(1_790_000_000),
            disabled_at: Some(Timestamp::from_seconds(1_790_000_001)),
            email_verified_at: None,
            email_changed_at: None,
            claims: serde_json::Map::new(),
        }
    }

    #[test]
    fn output_has_neither_password_hashes_nor_control_characters() {
        let account = account();
        let text = list_text(std::slice::from_ref(&account)) + &details(&account, 1);
        let json = as_json(&account);
        assert!(!format!("{text}{json}").contains("argon2"));
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(text.contains("disabled") && text.contains("[31mRed"), "{text}");
        assert_eq!(json["disabled_at"], "2026-09-21T14:13:21.000Z");
    }
}
