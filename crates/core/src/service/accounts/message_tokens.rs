//! Tokens in messages: what each is bound to, and what it does.
//!
//! A token is a signed statement that names the account and a digest of what it replaces. A reset and
//! a change of address are bound to the address and the password, a verification to the address that
//! is not verified yet. Once any of these has been replaced, by this token or by anything else, the
//! token is worth nothing. The store repeats the comparison in the step itself.

use aws_lc_rs::digest;
use subtle::ConstantTimeEq as _;
use thiserror::Error;

use super::Accounts;
use crate::account::{Account, Login};
use crate::claims::{MessageBinding, MessageClaims, MessageKind};
use crate::password::{Overloaded, Weakness};
use crate::secret::Password;
use crate::service::{EndedSessions, PasswordError, RequestContext};
use crate::session::EndReason;
use crate::store::{AccountChange, EmailChange, NewEmail, StoreError};

/// What a token of this kind for this account is bound to.
pub(super) fn binding(kind: MessageKind, account: &Account) -> MessageBinding {
    let changed = account.email_changed_at.map(|at| at.millis().to_string()).unwrap_or_default();
    let (name, password) = match kind {
        MessageKind::Reset => ("reset", account.password.expose()),
        MessageKind::Verify => ("verify", ""),
        MessageKind::Change => ("change", account.password.expose()),
    };
    // No part contains a line break, so different parts never give the same text.
    let mut context = digest::Context::new(&digest::SHA256);
    for part in ["aquaware message", name, account.login.as_str(), &changed, password] {
        context.update(part.as_bytes());
        context.update(b"\n");
    }
    let hash = context.finish();
    MessageBinding::from_bytes(hash.as_ref().first_chunk().copied().unwrap_or_default())
}

/// The result of a reset.
#[derive(Debug)]
#[non_exhaustive]
pub struct PasswordReset {
    /// The account before the reset.
    pub account: Account,
    /// Its sessions.
    pub ended: EndedSessions,
}

/// Why a reset is rejected.
#[derive(Debug, Error)]
pub enum ResetError {
    /// The token is not a valid token of this issuer, has expired or was used, or the password or the
    /// address has been replaced since.
    #[error("the token is invalid, expired or used")]
    Token,
    /// The new password is too weak. The token can be used again.
    #[error("the password is too weak")]
    Weak(Vec<Weakness>),
    /// The queue of passwords to be hashed is full.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The store failed. The password may have been replaced.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a verification is rejected.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// As [`ResetError::Token`].
    #[error("the token is invalid, expired or used")]
    Token,
    /// Another account has the new address by now.
    #[error("the e-mail address already has an account")]
    Taken,
    /// The store failed. The address may have been verified.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Sets a new password with a token from a message, verifies the address to which it was sent, and
    /// ends every session of the account as [`Sessions::end_all`](crate::service::Sessions::end_all)
    /// does.
    ///
    /// # Errors
    /// [`ResetError`].
    pub async fn reset(
        &self,
        context: &RequestContext,
        token: &str,
        password: &Password,
    ) -> Result<PasswordReset, ResetError> {
        let (_, account) = self
            .account_of(context, token, &[MessageKind::Reset])
            .await?
            .ok_or(ResetError::Token)?;
        let new = match self.new_password(context, &account, password).await {
            Ok(new) => new,
            Err(PasswordError::Weak(why)) => return Err(ResetError::Weak(why)),
            Err(PasswordError::Overloaded(overloaded)) => return Err(overloaded.into()),
            Err(PasswordError::Store(error)) => return Err(error.into()),
            Err(PasswordError::Wrong) => return Err(ResetError::Token),
        };
        let (current, at) = ((&account).into(), context.now);
        let reset = AccountChange::ResetPassword { current, new: &new, at };
        let step = self.store.change(&account.id, reset);
        match context.budget.wait(step).await {
            Ok(true) => {}
            Ok(false) => return Err(ResetError::Token),
            Err(error) if error.is_unknown() => {
                let found = context.budget.wait(self.store.by_id(&account.id)).await?;
                if found.is_none_or(|account| account.password != new) {
                    return Err(error.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
        let reason = EndReason::PasswordChanged;
        let ended = self.sessions.end_all(context, &account.id, None, reason).await;
        // The password has been replaced, so this must not look like a failure.
        let ended = ended.unwrap_or(EndedSessions { revoked: 0, remaining: true });
        Ok(PasswordReset { account, ended })
    }

    /// Verifies the address of an account, or replaces it by a verified one, with a token from a
    /// message.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub async fn verify_email(
        &self,
        context: &RequestContext,
        token: &str,
    ) -> Result<(), VerifyError> {
        let kinds = [MessageKind::Verify, MessageKind::Change];
        let (claims, account) =
            self.account_of(context, token, &kinds).await?.ok_or(VerifyError::Token)?;
        if let Some(email) = claims.email {
            return self.change_email(context, &account, email).await;
        }
        let verify = AccountChange::VerifyEmail { login: &account.login, at: context.now };
        let step = self.store.change(&account.id, verify);
        match context.budget.wait(step).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(VerifyError::Token),
            Err(error) if error.is_unknown() => {
                let found = context.budget.wait(self.store.by_id(&account.id)).await?;
                let verified = |it: Account| it.email_verified_at == Some(context.now);
                if found.is_some_and(verified) { Ok(()) } else { Err(error.into()) }
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn change_email(
        &self,
        context: &RequestContext,
        account: &Account,
        email: String,
    ) -> Result<(), VerifyError> {
        let login = Login::new(&email).map_err(|_| VerifyError::Token)?;
        // The store compares the current form. An account of an earlier release may have another.
        for earlier in Login::stored_forms(&email).into_iter().filter(|form| *form != login) {
            let other = context.budget.wait(self.store.by_login(&earlier)).await?;
            if other.is_some_and(|other| other.id != account.id) {
                return Err(VerifyError::Taken);
            }
        }
        // An imported account with a user name keeps it.
        let has_address = Login::of_mailbox(account.login.as_str()).is_some();
        let login = if has_address { login } else { account.login.clone() };
        let new = NewEmail { email, login, at: context.now };
        let step = self.store.change_email(&account.id, account.into(), &new);
        match context.budget.wait(step).await {
            Ok(EmailChange::Changed) => Ok(()),
            Ok(EmailChange::Taken) => Err(VerifyError::Taken),
            Ok(EmailChange::Refused) => Err(VerifyError::Token),
            Err(error) if error.is_unknown() => {
                let found = context.budget.wait(self.store.by_id(&account.id)).await?;
                let changed = |it: Account| it.login == new.login && it.email == new.email;
                if found.is_some_and(changed) { Ok(()) } else { Err(error.into()) }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The claims of a token of one of these kinds, and its account if it is still bound to it.
    async fn account_of(
        &self,
        context: &RequestContext,
        token: &str,
        kinds: &[MessageKind],
    ) -> Result<Option<(MessageClaims, Account)>, StoreError> {
        let Ok(claims) = context.snapshot.check_message(token, context.now) else {
            return Ok(None);
        };
        let claims = claims.into_inner();
        if !kinds.contains(&claims.kind) {
            return Ok(None);
        }
        let found = context.budget.wait(self.store.by_id(&claims.sub)).await?;
        Ok(found.filter(|account| is_bound(&claims, account)).map(|account| (claims, account)))
    }
}

/// Whether a token still applies to `account`.
fn is_bound(claims: &MessageClaims, account: &Account) -> bool {
    let expected = binding(claims.kind, account);
    let is_same: bool = claims.binding.as_bytes().ct_eq(expected.as_bytes()).into();
    let is_used = claims.kind == MessageKind::Verify && account.email_verified_at.is_some();
    // Only a change has an address.
    let is_complete = claims.email.is_some() == (claims.kind == MessageKind::Change);
    is_same && is_complete && !is_used && account.disabled_at.is_none()
}
