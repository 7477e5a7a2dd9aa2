//! Logging in with a password.

use thiserror::Error;

use super::Accounts;
use crate::account::Account;
use crate::claims::Scope;
use crate::password::Overloaded;
use crate::policy::{ClientProfile, Grant};
use crate::secret::Password;
use crate::service::{Granted, NewSession, RequestContext, ServiceError};
use crate::session::{Device, EndReason};
use crate::store::{AccountChange, StoreError};

/// A request to log in.
#[derive(Clone, Debug)]
pub struct LogIn<'a> {
    /// The e-mail address, or the user name of an imported account.
    pub email: String,
    /// The password.
    pub password: Password,
    /// The client that logs the user in.
    pub client: &'a ClientProfile,
    /// [`Grant::Login`] for a first-party application without a secret; [`Grant::Password`] for the
    /// password grant (RFC 6749 §4.3) of a client that, if it is confidential, has authenticated.
    pub grant: Grant,
    /// The requested scope.
    pub scope: Scope,
    /// The origin of the login.
    pub device: Device,
}

fn may_log_in(client: &ClientProfile, grant: Grant) -> bool {
    match grant {
        Grant::Login => !client.is_confidential() && client.allows(grant),
        Grant::Password => client.allows(grant),
        Grant::RefreshToken | Grant::ClientCredentials => false,
    }
}

/// Why a login is rejected.
#[derive(Debug, Error)]
pub enum LoginError {
    /// The password is wrong, the login is unknown or the account is disabled. Callers cannot tell
    /// which.
    #[error("wrong login or password")]
    InvalidCredentials,
    /// The password is right, but the address of the account is not verified.
    #[error("the e-mail address is not verified")]
    EmailNotVerified(Box<Account>),
    /// The client does not have this grant.
    #[error("the client is not allowed to log users in")]
    NotAllowed,
    /// The requested scope exceeds the client's.
    #[error("the requested scope exceeds the client's scopes")]
    InvalidScope,
    /// The queue of passwords to be checked is full.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The credentials are valid, but the request could not be carried out.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl From<StoreError> for LoginError {
    fn from(error: StoreError) -> Self {
        Self::Service(error.into())
    }
}

impl Accounts {
    /// Opens a session for a user who knows the password. A wrong password, an unknown login and a
    /// disabled account take the same time and return the same error.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn log_in(
        &self,
        context: &RequestContext,
        request: LogIn<'_>,
    ) -> Result<Granted, LoginError> {
        let LogIn { email, password, client, grant, scope, device } = request;
        if !may_log_in(client, grant) {
            return Err(LoginError::NotAllowed);
        }
        if !scope.is_within(client.scopes()) {
            return Err(LoginError::InvalidScope);
        }
        let account = self.verify(context, &email, &password).await?;
        if self.require_verified_email && account.email_verified_at.is_none() {
            return Err(LoginError::EmailNotVerified(Box::new(account)));
        }
        let new = NewSession {
            subject: account.id.clone(),
            scope,
            claims: account.claims.clone(),
            device,
        };
        let granted = self.sessions.open(context, client, new).await?;
        let Some(current) = self.recheck(context, &account, &password).await? else {
            let id = &granted.session.id;
            self.sessions.end(context, id, EndReason::PasswordChanged).await?;
            return Err(LoginError::InvalidCredentials);
        };
        if current.claims != account.claims {
            let id = &granted.session.id;
            self.sessions.set_claims_of(context, id, &current.claims).await?;
        }
        Ok(granted)
    }

    /// The account with these credentials.
    async fn verify(
        &self,
        context: &RequestContext,
        email: &str,
        password: &Password,
    ) -> Result<Account, LoginError> {
        let found = context.budget.wait(self.by_email(email)).await?;
        let stored = found.as_ref().map(|account| &account.password);
        let check = self.hasher.check(password, stored).await?;
        let valid = |account: &Account| check.matches && account.disabled_at.is_none();
        let mut account = found.filter(valid).ok_or(LoginError::InvalidCredentials)?;
        if let Some(new) = check.rehashed {
            let rehash = AccountChange::ReplacePassword { current: &account.password, new: &new };
            if context.budget.wait(self.store.change(&account.id, rehash)).await? {
                account.password = new;
            }
        }
        Ok(account)
    }

    /// Reads the account again after its session was opened. Disabling it or changing its password
    /// ends the sessions that exist at that moment, and must not miss one that was being opened.
    async fn recheck(
        &self,
        context: &RequestContext,
        before: &Account,
        password: &Password,
    ) -> Result<Option<Account>, LoginError> {
        let found = context.budget.wait(self.store.by_id(&before.id)).await?;
        let Some(account) = found.filter(|account| account.disabled_at.is_none()) else {
            return Ok(None);
        };
        // A concurrent login may have stored another hash of the same password.
        let same = account.password == before.password
            || self.hasher.check(password, Some(&account.password)).await?.matches;
        Ok(same.then_some(account))
    }
}
