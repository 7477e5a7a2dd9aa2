//! Setting passwords: at sign-up, by their owner, and by an operator.

use thiserror::Error;

use super::Accounts;
use crate::account::{Account, Login};
use crate::id::Subject;
use crate::password::{EstablishError, Overloaded, Weakness};
use crate::secret::{Password, PasswordHash};
use crate::service::{Caller, EndedSessions, RequestContext};
use crate::session::{EndReason, ExtraClaims};
use crate::store::{AccountChange, StoreError};
use crate::text::{MAX_TEXT_BYTES, tidy};

/// A request for a new account.
#[derive(Clone, Debug)]
pub struct SignUp {
    /// The e-mail address as its owner wrote it.
    pub email: String,
    /// The chosen password.
    pub password: Password,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
}

/// Why no account is created.
#[derive(Debug, Error)]
pub enum SignUpError {
    /// The address is invalid.
    #[error("not a valid e-mail address")]
    Email,
    /// Another account has this address.
    #[error("the e-mail address already has an account")]
    Taken,
    /// The password is too weak.
    #[error("the password is too weak")]
    Weak(Vec<Weakness>),
    /// The queue of passwords to be hashed is full.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A change of password by its owner.
#[derive(Clone, Debug)]
pub struct PasswordChange {
    /// The current password.
    pub current: Password,
    /// The new password.
    pub new: Password,
}

/// Why a password is not replaced.
#[derive(Debug, Error)]
pub enum PasswordError {
    /// The current password is wrong, or the account no longer exists.
    #[error("wrong password")]
    Wrong,
    /// The new password is too weak.
    #[error("the password is too weak")]
    Weak(Vec<Weakness>),
    /// The queue of passwords to be hashed is full.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The store failed; retrying is safe.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Creates an account.
    ///
    /// # Errors
    /// [`SignUpError`].
    pub async fn sign_up(
        &self,
        context: &RequestContext,
        request: SignUp,
    ) -> Result<Account, SignUpError> {
        let SignUp { email, password, first_name, last_name } = request;
        let login = Login::new(&email).map_err(|_| SignUpError::Email)?;
        let guessable = guessable(&email, first_name.as_deref(), last_name.as_deref());
        let hash = match self.hasher.establish(&password, &guessable, context.now).await {
            Ok(hash) => hash,
            Err(EstablishError::Weak(why)) => return Err(SignUpError::Weak(why)),
            Err(EstablishError::Overloaded(overloaded)) => return Err(overloaded.into()),
        };
        if self.has_earlier_form(&email, &login).await? {
            return Err(SignUpError::Taken);
        }
        let account = Account {
            id: self.new_id(),
            email: email.trim().to_owned(),
            login,
            password: hash,
            first_name: tidy(first_name, MAX_TEXT_BYTES),
            last_name: tidy(last_name, MAX_TEXT_BYTES),
            created_at: context.now,
            disabled_at: None,
            email_verified_at: None,
            email_changed_at: None,
            claims: ExtraClaims::new(),
        };
        let created = context.budget.wait(self.store.create(&account)).await?;
        if created { Ok(account) } else { Err(SignUpError::Taken) }
    }

    /// A version 4 UUID (RFC 9562 §5.4).
    pub(super) fn new_id(&self) -> Subject {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes);
        let id = uuid::Builder::from_random_bytes(bytes).into_uuid().to_string();
        #[allow(
            clippy::expect_used,
            reason = "36 hexadecimal digits and dashes are a valid subject"
        )]
        Subject::new(id).expect("a UUID is a valid subject")
    }

    /// Replaces the caller's password, then ends every other session of the account as
    /// [`Sessions::end_all`](crate::service::Sessions::end_all) does: the old password must not keep
    /// working because there are too many sessions to end, or because the store fails meanwhile.
    ///
    /// # Errors
    /// [`PasswordError`]. After a failure of the store, the password may have been replaced.
    pub async fn change_password(
        &self,
        context: &RequestContext,
        caller: &Caller,
        change: PasswordChange,
    ) -> Result<EndedSessions, PasswordError> {
        let account = self.confirm(context, caller, &change.current).await?;
        let new = self.new_password(context, &account, &change.new).await?;
        let change = AccountChange::ReplacePassword { current: &account.password, new: &new };
        let replace = self.store.change(&account.id, change);
        match context.budget.wait(replace).await {
            Ok(true) => {}
            Ok(false) => return Err(PasswordError::Wrong),
            Err(error) if error.is_unknown() => {
                let found = context.budget.wait(self.store.by_id(&account.id)).await?;
                if found.is_none_or(|account| account.password != new) {
                    return Err(error.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(self.end_others(context, caller, &account.id).await)
    }

    /// Repeats a change of password after which sessions remained: if the password is `new` now, ends
    /// the others.
    ///
    /// # Errors
    /// [`PasswordError::Wrong`] if the account has another password.
    pub async fn continue_change(
        &self,
        context: &RequestContext,
        caller: &Caller,
        new: &Password,
    ) -> Result<EndedSessions, PasswordError> {
        let account = self.of_caller(context, caller).await?.ok_or(PasswordError::Wrong)?;
        if !self.hasher.check(new, Some(&account.password)).await?.matches {
            return Err(PasswordError::Wrong);
        }
        Ok(self.end_others(context, caller, &account.id).await)
    }

    /// Ends the other sessions of the caller. The password has been replaced already, so a failure
    /// must not look as if the change had failed.
    async fn end_others(
        &self,
        context: &RequestContext,
        caller: &Caller,
        account: &Subject,
    ) -> EndedSessions {
        let (current, reason) = (Some(&caller.session.id), EndReason::PasswordChanged);
        let ended = self.sessions.end_all(context, account, current, reason).await;
        ended.unwrap_or(EndedSessions { revoked: 0, remaining: true })
    }

    /// Sets a password without checking the old one, then ends the account's sessions: a reset by an
    /// operator.
    ///
    /// # Errors
    /// [`PasswordError`]; [`PasswordError::Wrong`] if the account no longer exists.
    pub async fn reset_password(
        &self,
        context: &RequestContext,
        account: &Account,
        password: &Password,
    ) -> Result<EndedSessions, PasswordError> {
        let new = self.new_password(context, account, password).await?;
        let set = AccountChange::SetPassword(&new);
        if !context.budget.wait(self.store.change(&account.id, set)).await? {
            return Err(PasswordError::Wrong);
        }
        let reason = EndReason::PasswordChanged;
        Ok(self.sessions.end_all(context, &account.id, None, reason).await?)
    }

    pub(super) async fn new_password(
        &self,
        context: &RequestContext,
        account: &Account,
        password: &Password,
    ) -> Result<PasswordHash, PasswordError> {
        let (first, last) = (account.first_name.as_deref(), account.last_name.as_deref());
        let guessable = guessable(&account.email, first, last);
        self.hasher.establish(password, &guessable, context.now).await.map_err(
            |error| match error {
                EstablishError::Weak(why) => PasswordError::Weak(why),
                EstablishError::Overloaded(overloaded) => overloaded.into(),
            },
        )
    }

    /// Whether an account of an earlier release has `login`, written as `text`, in another form. The
    /// store compares the current form alone.
    pub(super) async fn has_earlier_form(
        &self,
        text: &str,
        login: &Login,
    ) -> Result<bool, StoreError> {
        for earlier in Login::stored_forms(text).into_iter().filter(|form| form != login) {
            if self.store.by_login(&earlier).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Words that an attacker would try first, so a password must not be made of them.
fn guessable(email: &str, first_name: Option<&str>, last_name: Option<&str>) -> Vec<String> {
    let names = [first_name, last_name].into_iter().flatten();
    std::iter::once(email).chain(names).chain(["aquaware"]).map(str::to_owned).collect()
}
