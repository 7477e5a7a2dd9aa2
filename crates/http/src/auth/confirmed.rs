//! Requests that the caller confirms with the current password. A wrong one counts as a failed login.

use std::future::Future;

use aquaware_core::account::Account;
use aquaware_core::service::{Caller, PasswordError, RequestContext};

use crate::events::Event;
use crate::problem::Problem;
use crate::state::State;

/// Runs `step`, which checks the current password of the caller, unless the account is locked; and
/// returns the account with the result.
///
/// The attempt is counted before the check: after it, the right one of many concurrent guesses would
/// already have had its effect.
///
/// # Errors
/// The 401 or 429, or those of the step.
pub(super) async fn confirmed<T, F>(
    state: &State,
    context: &RequestContext,
    caller: &Caller,
    step: F,
) -> Result<(Account, T), Problem>
where
    F: Future<Output = Result<T, PasswordError>>,
{
    let accounts = state.accounts()?;
    let account = accounts.service.of_caller(context, caller).await?;
    let account = account.ok_or_else(Problem::invalid_token)?;
    let locks = accounts.failed_logins.count(context, &account.login).await?;
    let outcome = step.await;
    settle(state, context, &account, locks, &outcome).await?;
    Ok((account, outcome?))
}

/// Takes the count of an attempt back, unless the password was wrong. `locks`: the count has locked the
/// account.
pub(super) async fn settle<T>(
    state: &State,
    context: &RequestContext,
    account: &Account,
    locks: bool,
    outcome: &Result<T, PasswordError>,
) -> Result<(), Problem> {
    let failed_logins = &state.accounts()?.failed_logins;
    match outcome {
        Err(PasswordError::Wrong) if locks => {
            state.events.emit(Event::account_locked(Some(&account.id))).await;
        }
        Err(PasswordError::Wrong) => {}
        Ok(_) | Err(PasswordError::Weak(_)) => {
            failed_logins.take_back_single(context, &account.login).await;
        }
        Err(PasswordError::Overloaded(_) | PasswordError::Store(_)) => {
            failed_logins.take_back(context, &account.login).await;
        }
    }
    Ok(())
}
