//! Users who arrive with a refresh token of djangorestframework-simplejwt.

use super::Accounts;
use crate::account::Account;
use crate::password::set_at;
use crate::policy::ClientProfile;
use crate::retry::RetryKey;
use crate::service::{
    Granted, NewSession, OldRefresh, RefreshError, RefreshOutcome, RequestContext,
};
use crate::session::{Device, EndReason};
use crate::store::StoreError;

impl Accounts {
    /// Renews the session of an old token, if its account is enabled and its password was not set after
    /// the token was issued.
    ///
    /// # Errors
    /// [`RefreshError`]; [`RefreshError::Ended`] also if the account does not exist or is disabled.
    pub async fn refresh_adopted(
        &self,
        context: &RequestContext,
        profile: &ClientProfile,
        token: &OldRefresh,
        device: Device,
        retry_key: Option<&RetryKey>,
    ) -> Result<(Granted, RefreshOutcome), RefreshError> {
        let account = self.owner(context, token).await?;
        let new = new_session(account, device);
        let renewed = self.sessions.renew_adopted(context, profile, token, new, retry_key).await?;
        let (granted, outcome, begun) = renewed;
        // A change in between has ended the sessions that existed then, and this one must not be missed.
        if begun && let Err(error) = self.owner(context, token).await {
            self.sessions.end(context, &token.claims().sid, EndReason::Revoked).await?;
            return Err(error);
        }
        Ok((granted, outcome))
    }

    /// Ends the session of an old token, so that it cannot be used. Returns whether it could be used
    /// before.
    ///
    /// # Errors
    /// [`RefreshError::Service`].
    pub async fn retire(
        &self,
        context: &RequestContext,
        profile: &ClientProfile,
        token: &OldRefresh,
    ) -> Result<bool, RefreshError> {
        let claims = token.claims();
        let new = NewSession::new(claims.sub.clone());
        let begun = self.sessions.adopt(context, profile, token, new).await?;
        let sid = &claims.sid;
        let current = self.sessions.is_current(context, sid, claims.generation).await?;
        self.sessions.end(context, sid, EndReason::Logout).await?;
        Ok(begun || current == Some(true))
    }

    /// The enabled account of an old token that is not older than its password.
    async fn owner(
        &self,
        context: &RequestContext,
        token: &OldRefresh,
    ) -> Result<Account, RefreshError> {
        let claims = token.claims();
        let found: Result<_, StoreError> = context.budget.wait(self.store.by_id(&claims.sub)).await;
        let account = found?.ok_or(RefreshError::Ended(EndReason::AccountDeleted))?;
        if account.disabled_at.is_some() {
            return Err(RefreshError::Ended(EndReason::AccountDisabled));
        }
        if set_at(&account.password).is_some_and(|set_at| claims.iat < set_at) {
            return Err(RefreshError::Ended(EndReason::PasswordChanged));
        }
        Ok(account)
    }
}

fn new_session(account: Account, device: Device) -> NewSession {
    let claims = account.claims;
    NewSession { claims, device, ..NewSession::new(account.id) }
}
