//! What owners do with their accounts besides passwords: names, and deletion.

use super::Accounts;
use crate::account::Account;
use crate::secret::Password;
use crate::service::{Caller, EndedSessions, PasswordError, RequestContext};
use crate::session::EndReason;
use crate::store::{AccountChange, NameChange, StoreError};
use crate::text::{MAX_TEXT_BYTES, tidy};

impl Accounts {
    /// Changes names of the caller's account and returns the account. `None` if it has been deleted or
    /// disabled.
    ///
    /// # Errors
    /// [`StoreError`]; retrying is safe.
    pub async fn change_names(
        &self,
        context: &RequestContext,
        caller: &Caller,
        change: NameChange,
    ) -> Result<Option<Account>, StoreError> {
        let tidied = |name: Option<Option<String>>| name.map(|name| tidy(name, MAX_TEXT_BYTES));
        let NameChange { first_name, last_name } = change;
        let change = NameChange { first_name: tidied(first_name), last_name: tidied(last_name) };
        let Some(mut account) = self.of_caller(context, caller).await? else { return Ok(None) };
        if !change.is_empty() {
            let step = self.store.change(&account.id, AccountChange::SetNames(&change));
            if !context.budget.wait(step).await? {
                return Ok(None);
            }
            change.apply(&mut account);
        }
        Ok(Some(account))
    }

    /// Deletes the caller's account after a check of the password, and ends its sessions as
    /// [`Sessions::end_all`](crate::service::Sessions::end_all) does.
    ///
    /// # Errors
    /// [`PasswordError`]. After a failure of the store, the account may have been deleted.
    pub async fn delete_own(
        &self,
        context: &RequestContext,
        caller: &Caller,
        password: &Password,
    ) -> Result<EndedSessions, PasswordError> {
        let account = self.confirm(context, caller, password).await?;
        // If it was deleted meanwhile, its sessions still end.
        let _ = context.budget.wait(self.store.delete(&account.id)).await?;
        let reason = EndReason::AccountDeleted;
        let ended = self.sessions.end_all(context, &account.id, None, reason).await;
        // The account is deleted, so this must not look like a failure.
        Ok(ended.unwrap_or(EndedSessions { revoked: 0, remaining: true }))
    }

    /// The caller's account, if this is its password.
    pub(super) async fn confirm(
        &self,
        context: &RequestContext,
        caller: &Caller,
        password: &Password,
    ) -> Result<Account, PasswordError> {
        let account = self.of_caller(context, caller).await?.ok_or(PasswordError::Wrong)?;
        if !self.hasher.check(password, Some(&account.password)).await?.matches {
            return Err(PasswordError::Wrong);
        }
        Ok(account)
    }
}
