//! Accounts: looking them up, disabling and deleting them, and what each change means for their
//! sessions. Logins and passwords have files of their own.

mod collisions;
#[cfg(feature = "passwords")]
mod import;
mod login;
mod message_tokens;
mod messages;
mod owner;
mod passwords;
#[cfg(feature = "passwords")]
mod simplejwt;

use std::sync::Arc;

pub use self::collisions::colliding_accounts;
#[cfg(feature = "passwords")]
pub use self::import::{Import, ImportError, ImportOutcome};
pub use self::login::{LogIn, LoginError};
pub use self::message_tokens::{PasswordReset, ResetError, VerifyError};
pub use self::messages::{EmailChangeRequest, Message};
pub use self::passwords::{PasswordChange, PasswordError, SignUp, SignUpError};
use super::RequestContext;
use super::sessions::{Caller, EndedSessions, Sessions};
use crate::account::{Account, Login};
use crate::id::Subject;
use crate::password::PasswordHasher;
use crate::random::Random;
use crate::session::{EndReason, ExtraClaims};
use crate::store::{AccountChange, AccountStore, Outbox, StoreError};

/// The use cases of accounts, over an account store, a password hasher and [`Sessions`].
#[derive(Debug)]
pub struct Accounts {
    store: Arc<dyn AccountStore>,
    hasher: Arc<dyn PasswordHasher>,
    random: Arc<dyn Random>,
    sessions: Arc<Sessions>,
    outbox: Option<Arc<dyn Outbox>>,
    require_verified_email: bool,
}

impl Accounts {
    /// The use cases over these parts.
    #[must_use]
    pub fn new(
        store: Arc<dyn AccountStore>,
        hasher: Arc<dyn PasswordHasher>,
        random: Arc<dyn Random>,
        sessions: Arc<Sessions>,
    ) -> Self {
        let (outbox, require_verified_email) = (None, false);
        Self { store, hasher, random, sessions, outbox, require_verified_email }
    }

    /// The same with an outbox for messages to users. Without one, none are sent.
    #[must_use]
    pub fn with_outbox(self, outbox: Arc<dyn Outbox>) -> Self {
        Self { outbox: Some(outbox), ..self }
    }

    /// The same, and whether only accounts with a verified address can log in.
    #[must_use]
    pub fn with_verified_email_required(self, required: bool) -> Self {
        Self { require_verified_email: required, ..self }
    }

    /// The caller's account; `None` if it has been deleted or disabled.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn of_caller(
        &self,
        context: &RequestContext,
        caller: &Caller,
    ) -> Result<Option<Account>, StoreError> {
        let found = context.budget.wait(self.store.by_id(&caller.session.subject)).await?;
        Ok(found.filter(|account| account.disabled_at.is_none()))
    }

    /// The account with this e-mail address, id or user name, in this order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(&self, name: &str) -> Result<Option<Account>, StoreError> {
        if Login::of_mailbox(name).is_none()
            && let Ok(id) = Subject::new(name)
            && let Some(account) = self.store.by_id(&id).await?
        {
            return Ok(Some(account));
        }
        self.by_email(name).await
    }

    /// The account with this login.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn with_login(&self, login: &Login) -> Result<Option<Account>, StoreError> {
        self.by_email(login.as_str()).await
    }

    /// The account of the mailbox or user name `email`. All forms are read, so that the time does not
    /// depend on whether the account exists.
    async fn by_email(&self, email: &str) -> Result<Option<Account>, StoreError> {
        let mut found = None;
        for login in Login::stored_forms(email) {
            let account = self.store.by_login(&login).await?;
            found = found.or(account);
        }
        Ok(found)
    }

    /// Up to `at_most` accounts after the login `after`, in order of login.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(
        &self,
        after: Option<&Login>,
        at_most: u32,
    ) -> Result<Vec<Account>, StoreError> {
        self.store.list(after, at_most).await
    }

    /// Disables an account, so that it cannot log in, and ends its sessions as
    /// [`Sessions::end_all`] does. Returns `None` if the account does not exist.
    ///
    /// # Errors
    /// [`StoreError`]; retrying is safe.
    pub async fn disable(
        &self,
        context: &RequestContext,
        id: &Subject,
    ) -> Result<Option<EndedSessions>, StoreError> {
        let disable = AccountChange::SetDisabled(Some(context.now));
        let exists = context.budget.wait(self.store.change(id, disable)).await?;
        let ended = self.sessions.end_all(context, id, None, EndReason::AccountDisabled).await?;
        Ok(exists.then_some(ended))
    }

    /// Enables a disabled account. Its sessions stay ended. Returns `false` if the account
    /// does not exist.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn enable(&self, id: &Subject) -> Result<bool, StoreError> {
        self.store.change(id, AccountChange::SetDisabled(None)).await
    }

    /// Deletes an account and ends its sessions as [`Sessions::end_all`] does. Returns `None` if
    /// the account does not exist.
    ///
    /// # Errors
    /// [`StoreError`]; retrying is safe.
    pub async fn delete(
        &self,
        context: &RequestContext,
        id: &Subject,
    ) -> Result<Option<EndedSessions>, StoreError> {
        let existed = context.budget.wait(self.store.delete(id)).await?;
        let ended = self.sessions.end_all(context, id, None, EndReason::AccountDeleted).await?;
        Ok(existed.then_some(ended))
    }

    /// Replaces an account's extra claims. Its sessions carry them from their next refresh on.
    /// Returns `false` if the account does not exist.
    ///
    /// # Errors
    /// [`StoreError`]; retrying is safe.
    pub async fn set_claims(&self, id: &Subject, claims: &ExtraClaims) -> Result<bool, StoreError> {
        if !self.store.change(id, AccountChange::SetClaims(claims)).await? {
            return Ok(false);
        }
        let mut claims = claims.clone();
        loop {
            self.sessions.set_claims(id, &claims).await?;
            // Of two changes at the same time, the one that ends last may have begun first.
            match self.store.by_id(id).await? {
                Some(account) if account.claims != claims => claims = account.claims,
                _ => return Ok(true),
            }
        }
    }

    /// Checks that the store responds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.store.ping().await
    }
}
