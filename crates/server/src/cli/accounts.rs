//! `aquaware accounts`: what an operator does to accounts. The rules are the core's; here it is
//! called, and its answers are told.

mod claims;
mod view;

use aquaware_core::account::Account;
use aquaware_core::password::Weakness;
use aquaware_core::service::{Accounts, PasswordError, SignUp, SignUpError};
use aquaware_core::session::ExtraClaims;
use serde_json::json;

use self::claims::parse;
use self::view::{as_json, details, list_text};
use super::CommandError;
use super::arguments::{AccountsCommand, PasswordSource};
use super::dialogue::{Dialogue, failed, with_stores};

/// How many accounts are asked for at once.
const PAGE: u32 = 500;

/// Runs one of them.
pub(super) fn run(
    command: AccountsCommand,
    dialogue: &mut Dialogue<'_, '_>,
) -> Result<(), CommandError> {
    match command {
        AccountsCommand::Add { email, first_name, last_name, password } => {
            add(email, first_name, last_name, password, dialogue)
        }
        AccountsCommand::List { after, limit } => list(after.as_deref(), limit, dialogue),
        AccountsCommand::Show { account } => show(&account, dialogue),
        AccountsCommand::Disable { account } => disable(&account, dialogue),
        AccountsCommand::Enable { account } => enable(&account, dialogue),
        AccountsCommand::SetPassword { account, password } => {
            set_password(&account, password, dialogue)
        }
        AccountsCommand::SetClaims { account, claims } => {
            set_claims(&account, &parse(&claims)?, dialogue)
        }
        AccountsCommand::Delete { account, yes } => delete(&account, yes, dialogue),
    }
}

fn add(
    email: String,
    first_name: Option<String>,
    last_name: Option<String>,
    from: PasswordSource,
    dialogue: &mut Dialogue<'_, '_>,
) -> Result<(), CommandError> {
    let config = dialogue.config_with_stores()?;
    let password = dialogue.input.new_password(from)?;
    let account = with_stores(&config, async |stores, context| {
        let wish = SignUp { email: email.clone(), password, first_name, last_name };
        stores.accounts.sign_up(&context, wish).await.map_err(|error| match error {
            SignUpError::Email => CommandError::Usage(format!("{email:?} is no e-mail address")),
            SignUpError::Taken => {
                CommandError::Failed(format!("there is an account {email:?} already"))
            }
            SignUpError::Weak(why) => weak(&why),
            other => failed(other),
        })
    })?;
    done(&account, "added", dialogue)
}

fn list(
    after: Option<&str>,
    limit: Option<u32>,
    dialogue: &mut Dialogue<'_, '_>,
) -> Result<(), CommandError> {
    let config = dialogue.config_with_stores()?;
    let after = after.map(view::login).transpose()?;
    let accounts = with_stores(&config, async |stores, _| {
        let (mut after, mut left) = (after, limit.unwrap_or(u32::MAX));
        let mut accounts: Vec<Account> = Vec::new();
        while left > 0 {
            let page =
                stores.accounts.list(after.as_ref(), left.min(PAGE)).await.map_err(failed)?;
            let Some(last) = page.last() else { break };
            after = Some(last.login.clone());
            left = left.saturating_sub(u32::try_from(page.len()).unwrap_or(u32::MAX));
            accounts.extend(page);
        }
        Ok(accounts)
    })?;
    let json = json!({ "accounts": accounts.iter().map(as_json).collect::<Vec<_>>() });
    dialogue.answer(&json, &list_text(&accounts))
}

fn show(name: &str, dialogue: &mut Dialogue<'_, '_>) -> Result<(), CommandError> {
    let config = dialogue.config_with_stores()?;
    let (account, live) = with_stores(&config, async |stores, context| {
        let account = find(&stores.accounts, name).await?;
        let live = stores.sessions.list(&context, &account.id).await.map_err(failed)?.len();
        Ok((account, live))
    })?;
    let json = json!({ "account": as_json(&account), "live_sessions": live });
    dialogue.answer(&json, &details(&account, live))
}

fn disable(name: &str, dialogue: &mut Dialogue<'_, '_>) -> Result<(), CommandError> {
    let config = dialogue.config_with_stores()?;
    let account = with_stores(&config, async |stores, context| {
        let account = find(&stores.accounts, name).await?;
        let known = stores.accounts.disable(&context, &account.id).await.map_err(failed)?;
        again(&stores.accounts, &account, known).await
    })?;
    done(&account, "disabled; its sessions have ended:", dialogue)
}

fn enable(name: &str, dialogue: &mut Dialogue<'_, '_>) -> Result<(), CommandError> {
    let config = dialogue.config_with_stores()?;
    let account = with_stores(&config, async |stores, _| {
        let account = find(&stores.accounts, name).await?;
        let known = stores.accounts.enable(&account.id).await.map_err(failed)?;
        again(&stores.accounts, &account, known).await
    })?;
    done(&account, "enabled", dialogue)
}

fn set_password(
    name: &str,
    from: PasswordSource,
    dialogue: &mut Dialogue<'_, '_>,
) -> Result<(), CommandError> {
    let config = dialogue.config_with_stores()?;
    let input = &mut *dialogue.input;
    let account = with_stores(&config, async |stores, context| {
        // Looked for first: nobody types a password for nobody.
        let account = find(&stores.accounts, name).await?;
        let password = input.new_password(from)?;
        let reset = stores.accounts.reset_password(&context, &account, &password).await;
        reset.map_err(|error| match error {
            PasswordError::Weak(why) => weak(&why),
            PasswordError::Wrong => unknown(name),
            other => failed(other),
        })?;
        Ok(account)
    })?;
    done(&account, "has a new password; its sessions have ended:", dialogue)
}

fn set_claims(
    name: &str,
    claims: &ExtraClaims,
    dialogue: &mut Dialogue<'_, '_>,
) -> Result<(), CommandError> {
    let config = dialogue.config_with_stores()?;
    let account = with_stores(&config, async |stores, _| {
        let account = find(&stores.accounts, name).await?;
        let known = stores.accounts.set_claims(&account.id, claims).await.map_err(failed)?;
        again(&stores.accounts, &account, known).await
    })?;
    done(&account, "has these claims, in its sessions from their next refresh on:", dialogue)
}

fn delete(name: &str, yes: bool, dialogue: &mut Dialogue<'_, '_>) -> Result<(), CommandError> {
    let config = dialogue.config_with_stores()?;
    let account = with_stores(&config, async |stores, context| {
        let account = find(&stores.accounts, name).await?;
        let what = format!("this deletes the account {} and can't be undone", account.email);
        dialogue.confirm(&what, yes)?;
        stores.accounts.delete(&context, &account.id).await.map_err(failed)?;
        Ok(account)
    })?;
    let text = format!("deleted {}; its sessions have ended", account.email);
    dialogue.answer(&json!({ "deleted": as_json(&account) }), &text)
}

fn done(
    account: &Account,
    what: &str,
    dialogue: &mut Dialogue<'_, '_>,
) -> Result<(), CommandError> {
    let text = format!("{what}\n{}", list_text(std::slice::from_ref(account)));
    dialogue.answer(&json!({ "account": as_json(account) }), &text)
}

async fn find(accounts: &Accounts, name: &str) -> Result<Account, CommandError> {
    accounts.named(name).await.map_err(failed)?.ok_or_else(|| unknown(name))
}

/// The account after a change, unless it was deleted meanwhile.
async fn again(
    accounts: &Accounts,
    account: &Account,
    known: bool,
) -> Result<Account, CommandError> {
    let found = accounts.named(account.id.as_str()).await.map_err(failed)?;
    found.filter(|_| known).ok_or_else(|| unknown(&account.email))
}

pub(super) fn unknown(name: &str) -> CommandError {
    CommandError::Failed(format!("there is no account {name:?}"))
}

fn weak(why: &[Weakness]) -> CommandError {
    let reasons: Vec<String> = why.iter().map(ToString::to_string).collect();
    CommandError::Failed(format!("the password is too weak: it {}", reasons.join(", and it ")))
}
