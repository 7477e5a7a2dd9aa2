//! Accounts: sign-up, login, passwords, and what ends sessions from the account's side.

use std::sync::Arc;

use thiserror::Error;

use super::sessions::{Caller, NewSession, Sessions};
use super::{Granted, ServiceError};
use crate::account::{Account, Login};
use crate::claims::Scope;
use crate::id::{ClientId, Subject};
use crate::password::{EstablishError, Overloaded, PasswordHasher, Weakness};
use crate::policy::{ClientProfile, Grant};
use crate::random::Random;
use crate::secret::{Password, PasswordHash};
use crate::session::{Device, EndReason, ExtraClaims};
use crate::store::{AccountStore, StoreError};
use crate::text::{MAX_TEXT_BYTES, tidy};
use crate::time::Timestamp;

/// The use cases of accounts, over an account store, a password hasher and [`Sessions`].
#[derive(Debug)]
pub struct Accounts {
    store: Arc<dyn AccountStore>,
    hasher: Arc<dyn PasswordHasher>,
    random: Arc<dyn Random>,
    sessions: Arc<Sessions>,
}

/// Somebody who wants an account.
#[derive(Clone, Debug)]
pub struct SignUp {
    /// The address as they wrote it.
    pub email: String,
    /// The password they chose.
    pub password: Password,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
}

/// Why there is no new account.
#[derive(Debug, Error)]
pub enum SignUpError {
    /// The address is none.
    #[error("not an e-mail address")]
    Email,
    /// The address has an account.
    #[error("the login is taken")]
    Taken,
    /// The password is weak.
    #[error("the password is too weak")]
    Weak(Vec<Weakness>),
    /// Too many password checks are waiting.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The store has no outcome to tell.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Somebody who wants a session.
#[derive(Clone, Debug)]
pub struct LogIn {
    /// The login.
    pub email: String,
    /// The password.
    pub password: Password,
    /// Which client asks.
    pub client: ClientId,
    /// Which way it asks.
    pub door: Door,
    /// What they want to be allowed.
    pub scope: Scope,
    /// Where they are.
    pub device: Device,
}

/// Which way a login comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// From the first party's own applications: a client with the grant `login` and no secret.
    FirstParty,
    /// By the password grant (RFC 6749 §4.3), from a client that has that grant by name and, if it
    /// is confidential, proved who it is.
    PasswordGrant,
}

impl Door {
    fn is_open_to(self, profile: &ClientProfile) -> bool {
        match self {
            Self::FirstParty => !profile.is_confidential() && profile.allows(Grant::Login),
            Self::PasswordGrant => profile.allows(Grant::Password),
        }
    }
}

/// Why there is no new session.
#[derive(Debug, Error)]
pub enum LoginError {
    /// Wrong password, no such login, or disabled: nobody learns which.
    #[error("wrong login or password")]
    InvalidCredentials,
    /// No such client.
    #[error("the client is not known")]
    UnknownClient,
    /// The client may not log people in.
    #[error("the client may not log in")]
    NotAllowed,
    /// More than the client may ask for.
    #[error("the scope is not the client's")]
    InvalidScope,
    /// Too many password checks are waiting.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The credentials are good, but.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl From<StoreError> for LoginError {
    fn from(error: StoreError) -> Self {
        Self::Service(error.into())
    }
}

/// A change of password by its owner.
#[derive(Clone, Debug)]
pub struct PasswordChange {
    /// The one so far.
    pub current: Password,
    /// The one from now on.
    pub new: Password,
}

/// Why the password stays as it was.
#[derive(Debug, Error)]
pub enum PasswordError {
    /// The current password is wrong, or the account is gone.
    #[error("wrong password")]
    Wrong,
    /// The new one is weak.
    #[error("the password is too weak")]
    Weak(Vec<Weakness>),
    /// Too many password checks are waiting.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The store has no outcome to tell; trying again is safe.
    #[error(transparent)]
    Store(#[from] StoreError),
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
        Self { store, hasher, random, sessions }
    }

    /// Makes an account.
    ///
    /// # Errors
    /// [`SignUpError`].
    pub async fn sign_up(&self, wish: SignUp, now: Timestamp) -> Result<Account, SignUpError> {
        let SignUp { email, password, first_name, last_name } = wish;
        let login = Login::new(&email).map_err(|_| SignUpError::Email)?;
        let context = context(&email, first_name.as_deref(), last_name.as_deref());
        let hash = match self.hasher.establish(&password, &context).await {
            Ok(hash) => hash,
            Err(EstablishError::Weak(why)) => return Err(SignUpError::Weak(why)),
            Err(EstablishError::Overloaded(overloaded)) => return Err(overloaded.into()),
        };
        let account = Account {
            id: self.new_id(),
            email,
            login,
            password: hash,
            first_name: tidy(first_name, MAX_TEXT_BYTES),
            last_name: tidy(last_name, MAX_TEXT_BYTES),
            created_at: now,
            disabled_at: None,
            claims: ExtraClaims::new(),
        };
        if self.store.create(&account).await? { Ok(account) } else { Err(SignUpError::Taken) }
    }

    /// A version 4 UUID (RFC 9562 §5.4).
    fn new_id(&self) -> Subject {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes);
        let id = uuid::Builder::from_random_bytes(bytes).into_uuid().to_string();
        #[allow(clippy::expect_used, reason = "36 hexadecimal digits and dashes are a subject")]
        Subject::new(id).expect("a UUID is a subject")
    }

    /// Opens a session for whoever knows the password. Takes the same time, and gives the same
    /// error, for a wrong password, an unknown login and a disabled account.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn log_in(&self, wish: LogIn, now: Timestamp) -> Result<Granted, LoginError> {
        let LogIn { email, password, client, door, scope, device } = wish;
        let snapshot = self.sessions.snapshot();
        let profile = snapshot.policy().client(&client).ok_or(LoginError::UnknownClient)?;
        if !door.is_open_to(profile) {
            return Err(LoginError::NotAllowed);
        }
        if !scope.is_within(&profile.scopes) {
            return Err(LoginError::InvalidScope);
        }
        let account = self.prove(&email, &password).await?;
        let new = NewSession {
            subject: account.id.clone(),
            scope,
            claims: account.claims.clone(),
            device,
        };
        let granted = self.sessions.open(&snapshot, profile, new, now).await?;
        let Some(current) = self.still_good(&account, &password).await? else {
            self.sessions.end(&granted.session.id, EndReason::PasswordChanged, now).await?;
            return Err(LoginError::InvalidCredentials);
        };
        if current.claims != account.claims {
            self.sessions.set_claims(&current.id, &current.claims).await?;
        }
        Ok(granted)
    }

    /// The account behind these credentials.
    async fn prove(&self, email: &str, password: &Password) -> Result<Account, LoginError> {
        let found = match Login::new(email) {
            Ok(login) => self.store.by_login(&login).await?,
            Err(_) => None,
        };
        let stored = found.as_ref().map(|account| &account.password);
        let check = self.hasher.check(password, stored).await?;
        let good = |account: &Account| check.matches && account.disabled_at.is_none();
        let mut account = found.filter(good).ok_or(LoginError::InvalidCredentials)?;
        if let Some(new) = check.rehashed
            && self.store.replace_password(&account.id, &account.password, &new).await?
        {
            account.password = new;
        }
        Ok(account)
    }

    /// The account as it is now, unless it was shut while its session was being opened: who
    /// disables it or changes its password ends the sessions there are, and must not miss one in
    /// the making.
    async fn still_good(
        &self,
        before: &Account,
        password: &Password,
    ) -> Result<Option<Account>, LoginError> {
        let now = self.store.by_id(&before.id).await?;
        let Some(account) = now.filter(|account| account.disabled_at.is_none()) else {
            return Ok(None);
        };
        // Another login may have rehashed the same password.
        let same = account.password == before.password
            || self.hasher.check(password, Some(&account.password)).await?.matches;
        Ok(same.then_some(account))
    }

    /// The caller's account, unless it is gone or disabled.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn of(&self, caller: &Caller) -> Result<Option<Account>, StoreError> {
        let found = self.store.by_id(&caller.session.subject).await?;
        Ok(found.filter(|account| account.disabled_at.is_none()))
    }

    /// Changes the caller's password and ends every other session of the account.
    ///
    /// # Errors
    /// [`PasswordError`]; trying again after a store's failure is safe.
    pub async fn change_password(
        &self,
        caller: &Caller,
        change: PasswordChange,
        now: Timestamp,
    ) -> Result<(), PasswordError> {
        let account = self.of(caller).await?.ok_or(PasswordError::Wrong)?;
        if !self.hasher.check(&change.current, Some(&account.password)).await?.matches {
            return Err(PasswordError::Wrong);
        }
        let new = self.new_password(&account, &change.new).await?;
        let end_others = || {
            let current = Some(&caller.session.id);
            self.sessions.end_all(&account.id, current, EndReason::PasswordChanged, now)
        };
        // Before, so that a failure leaves the old password and can be tried again; after, for the
        // sessions opened in between.
        end_others().await?;
        let replaced = self.store.replace_password(&account.id, &account.password, &new).await;
        // Whatever came of it: an answer that got lost may have been a yes.
        end_others().await?;
        if replaced? { Ok(()) } else { Err(PasswordError::Wrong) }
    }

    async fn new_password(
        &self,
        account: &Account,
        password: &Password,
    ) -> Result<PasswordHash, PasswordError> {
        let (first, last) = (account.first_name.as_deref(), account.last_name.as_deref());
        let context = context(&account.email, first, last);
        self.hasher.establish(password, &context).await.map_err(|error| match error {
            EstablishError::Weak(why) => PasswordError::Weak(why),
            EstablishError::Overloaded(overloaded) => overloaded.into(),
        })
    }

    /// Disables an account: it can't log in, and its sessions end. `false` without one.
    ///
    /// # Errors
    /// [`StoreError`]; trying again is safe.
    pub async fn disable(&self, id: &Subject, now: Timestamp) -> Result<bool, StoreError> {
        let known = self.store.set_disabled(id, Some(now)).await?;
        self.sessions.end_all(id, None, EndReason::AccountDisabled, now).await?;
        Ok(known)
    }

    /// Lets a disabled account log in again. Its sessions stay ended. `false` without one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn enable(&self, id: &Subject) -> Result<bool, StoreError> {
        self.store.set_disabled(id, None).await
    }

    /// Deletes an account and ends its sessions. `false` without one.
    ///
    /// # Errors
    /// [`StoreError`]; trying again is safe.
    pub async fn delete(&self, id: &Subject, now: Timestamp) -> Result<bool, StoreError> {
        let known = self.store.delete(id).await?;
        self.sessions.end_all(id, None, EndReason::AccountDeleted, now).await?;
        Ok(known)
    }

    /// Sets a password without asking for the old one, and ends the account's sessions: an
    /// operator's reset.
    ///
    /// # Errors
    /// [`PasswordError`]; [`PasswordError::Wrong`] when the account is gone.
    pub async fn reset_password(
        &self,
        account: &Account,
        password: &Password,
        now: Timestamp,
    ) -> Result<(), PasswordError> {
        let new = self.new_password(account, password).await?;
        if !self.store.set_password(&account.id, &new).await? {
            return Err(PasswordError::Wrong);
        }
        self.sessions.end_all(&account.id, None, EndReason::PasswordChanged, now).await?;
        Ok(())
    }

    /// Replaces an account's extra claims; its sessions have them from their next refresh on.
    /// `false` without an account.
    ///
    /// # Errors
    /// [`StoreError`]; trying again is safe.
    pub async fn set_claims(&self, id: &Subject, claims: &ExtraClaims) -> Result<bool, StoreError> {
        let known = self.store.set_claims(id, claims).await?;
        self.sessions.set_claims(id, claims).await?;
        Ok(known)
    }

    /// The account with this e-mail address or id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn named(&self, name: &str) -> Result<Option<Account>, StoreError> {
        if let Ok(login) = Login::new(name) {
            return self.store.by_login(&login).await;
        }
        match Subject::new(name) {
            Ok(id) => self.store.by_id(&id).await,
            Err(_) => Ok(None),
        }
    }

    /// Up to `at_most` accounts in order of login, those after `after`.
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

    /// Whether the store answers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.store.ping().await
    }
}

/// What a password must not be made of.
fn context(email: &str, first_name: Option<&str>, last_name: Option<&str>) -> Vec<String> {
    let names = [first_name, last_name].into_iter().flatten();
    std::iter::once(email).chain(names).chain(["aquaware"]).map(str::to_owned).collect()
}
