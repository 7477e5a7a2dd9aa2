//! `aquaware accounts`: lists and changes accounts.

mod claims;
mod import;
mod view;

use aquaware_core::account::Account;
use aquaware_core::id::Subject;
use aquaware_core::password::Weakness;
use aquaware_core::service::{Accounts, PasswordError, RequestContext, SignUp, SignUpError};
use serde_json::json;

use self::claims::parse;
use self::view::{as_json, details, list_text};
use super::arguments::{AccountsCommand, PasswordSource};
use super::context::{Context, failed, with_stores};
use super::error::CommandError;
use super::progress::Progress;

/// The number of accounts that one query returns.
pub(super) const PAGE_SIZE: u32 = 500;

/// Runs the command.
pub(super) fn run(
    command: AccountsCommand,
    context: &mut Context<'_, '_>,
) -> Result<(), CommandError> {
    match command {
        AccountsCommand::Add { email, first_name, last_name, password } => {
            add(email, first_name, last_name, password, context)
        }
        AccountsCommand::Import { file, format, dry_run } => {
            import::run(&import::Options { file, format, dry_run }, context)
        }
        AccountsCommand::List { after, limit } => list(after.as_deref(), limit, context),
        AccountsCommand::Show { account } => show(&account, context),
        AccountsCommand::Disable { account } => {
            let outcome = "disabled; its sessions have ended:";
            change(&account, outcome, context, async |accounts, id, request| {
                // Without a bound on the time, all sessions have ended afterwards.
                accounts.disable(request, id).await.map(|ended| ended.is_some())
            })
        }
        AccountsCommand::Enable { account } => {
            change(&account, "enabled:", context, async |accounts, id, _| accounts.enable(id).await)
        }
        AccountsCommand::SetPassword { account, password } => {
            set_password(&account, password, context)
        }
        AccountsCommand::SetClaims { account, claims } => {
            let claims = parse(&claims)?;
            let outcome = "changed the claims, which sessions use from their next refresh on:";
            change(&account, outcome, context, async |accounts, id, _| {
                accounts.set_claims(id, &claims).await
            })
        }
        AccountsCommand::Delete { account, yes } => delete(&account, yes, context),
    }
}

fn add(
    email: String,
    first_name: Option<String>,
    last_name: Option<String>,
    from: PasswordSource,
    context: &mut Context<'_, '_>,
) -> Result<(), CommandError> {
    let config = context.config_with_stores()?;
    let password = context.input.new_password(from)?;
    let account = with_stores(&config, async |stores, request| {
        let account = SignUp { email: email.clone(), password, first_name, last_name };
        stores.accounts.sign_up(&request, account).await.map_err(|error| match error {
            SignUpError::Email => {
                CommandError::Usage(format!("{email:?} is not a valid e-mail address"))
            }
            SignUpError::Taken => {
                CommandError::Failed(format!("the account {email:?} already exists"))
            }
            SignUpError::Weak(reasons) => weak(&reasons),
            other => failed(other),
        })
    })?;
    print_account(&account, "created:", context)
}

fn list(
    after: Option<&str>,
    limit: Option<u32>,
    context: &mut Context<'_, '_>,
) -> Result<(), CommandError> {
    let config = context.config_with_stores()?;
    let start = after.map(view::login).transpose()?;
    let accounts = with_stores(&config, async |stores, _| {
        // An account of an earlier release may be stored under another form of its address.
        let known = match after {
            Some(email) => stores.accounts.find(email).await.map_err(failed)?,
            None => None,
        };
        let mut after = known.map(|account| account.login).or(start);
        let mut left = limit.unwrap_or(u32::MAX);
        let mut accounts: Vec<Account> = Vec::new();
        let progress = Progress::spinner("reading the accounts");
        while left > 0 {
            let page =
                stores.accounts.list(after.as_ref(), left.min(PAGE_SIZE)).await.map_err(failed)?;
            let Some(last) = page.last() else { break };
            after = Some(last.login.clone());
            left = left.saturating_sub(u32::try_from(page.len()).unwrap_or(u32::MAX));
            accounts.extend(page);
            progress.set_message(format!("read {} accounts", accounts.len()));
        }
        Ok(accounts)
    })?;
    let json = json!({ "accounts": accounts.iter().map(as_json).collect::<Vec<_>>() });
    if accounts.is_empty() {
        return context.print(&json, &format!("no accounts in {}", config.store.accounts));
    }
    context.print(&json, &list_text(&accounts))
}

fn show(name: &str, context: &mut Context<'_, '_>) -> Result<(), CommandError> {
    let config = context.config_with_stores()?;
    let (account, live) = with_stores(&config, async |stores, request| {
        let account = find(&stores.accounts, name).await?;
        let live = stores.sessions.list(&request, &account.id).await.map_err(failed)?.len();
        Ok((account, live))
    })?;
    let json = json!({ "account": as_json(&account), "live_sessions": live });
    context.print(&json, &details(&account, live))
}

fn set_password(
    name: &str,
    from: PasswordSource,
    context: &mut Context<'_, '_>,
) -> Result<(), CommandError> {
    let config = context.config_with_stores()?;
    let input = &mut *context.input;
    let account = with_stores(&config, async |stores, request| {
        // Before the prompt: the operator should not type a password for a missing account.
        let account = find(&stores.accounts, name).await?;
        let password = input.new_password(from)?;
        let _progress = Progress::spinner("changing the password and ending the sessions");
        let reset = stores.accounts.reset_password(&request, &account, &password).await;
        let _ = reset.map_err(|error| match error {
            PasswordError::Weak(reasons) => weak(&reasons),
            PasswordError::Wrong => unknown(name),
            other => failed(other),
        })?;
        Ok(account)
    })?;
    print_account(&account, "changed the password; the sessions have ended:", context)
}

fn delete(name: &str, yes: bool, context: &mut Context<'_, '_>) -> Result<(), CommandError> {
    let config = context.config_with_stores()?;
    let account = with_stores(&config, async |stores, request| {
        let account = find(&stores.accounts, name).await?;
        let what = format!("this deletes the account {} and cannot be undone", account.email);
        context.confirm(&what, yes)?;
        let _progress = Progress::spinner("deleting the account and ending its sessions");
        let _ = stores.accounts.delete(&request, &account.id).await.map_err(failed)?;
        Ok(account)
    })?;
    let text = format!("deleted {}; its sessions have ended", account.email);
    context.print(&json!({ "deleted": as_json(&account) }), &text)
}

/// Changes an account by `operation`, which returns whether the account exists, and prints it.
fn change<E: std::error::Error>(
    name: &str,
    outcome: &str,
    context: &mut Context<'_, '_>,
    operation: impl AsyncFnOnce(&Accounts, &Subject, &RequestContext) -> Result<bool, E>,
) -> Result<(), CommandError> {
    let config = context.config_with_stores()?;
    let account = with_stores(&config, async |stores, request| {
        let account = find(&stores.accounts, name).await?;
        let _progress = Progress::spinner("changing the account and its sessions");
        if !operation(&stores.accounts, &account.id, &request).await.map_err(failed)? {
            return Err(unknown(name));
        }
        find(&stores.accounts, account.id.as_str()).await
    })?;
    print_account(&account, outcome, context)
}

fn print_account(
    account: &Account,
    outcome: &str,
    context: &mut Context<'_, '_>,
) -> Result<(), CommandError> {
    let text = format!("{outcome}\n{}", list_text(std::slice::from_ref(account)));
    context.print(&json!({ "account": as_json(account) }), &text)
}

async fn find(accounts: &Accounts, name: &str) -> Result<Account, CommandError> {
    accounts.find(name).await.map_err(failed)?.ok_or_else(|| unknown(name))
}

pub(super) fn unknown(name: &str) -> CommandError {
    CommandError::Failed(format!("there is no account {name:?}"))
}

fn weak(reasons: &[Weakness]) -> CommandError {
    let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    CommandError::Failed(format!("the password is too weak: it {}", reasons.join(", and it ")))
}
