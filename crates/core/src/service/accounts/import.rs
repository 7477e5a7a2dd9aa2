//! Accounts of another system: their ids, user names and password hashes stay as they are.

use thiserror::Error;

use super::Accounts;
use crate::account::{Account, Login};
use crate::id::Subject;
use crate::password::{UnsupportedHashError, check_hash, format_of, is_unusable, unusable};
use crate::secret::PasswordHash;
use crate::service::RequestContext;
use crate::session::ExtraClaims;
use crate::store::StoreError;
use crate::text::{MAX_TEXT_BYTES, tidy};
use crate::time::Timestamp;

/// An account to import.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// The e-mail address as its owner wrote it. May be empty if there is a `login`.
    pub email: String,
    /// The user name, if it is not the address.
    pub login: Option<String>,
    /// The id; a new one without it.
    pub id: Option<Subject>,
    /// The hash of the password. Without one, the account cannot log in until a password is set.
    pub password: Option<PasswordHash>,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// When the account was created; now, if it is not known.
    pub created_at: Option<Timestamp>,
    /// Whether the other system has verified the address.
    pub email_verified: bool,
    /// Whether the account is disabled.
    pub disabled: bool,
    /// Extra claims, checked.
    pub claims: ExtraClaims,
}

/// Why an account cannot be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ImportError {
    /// The address is missing or invalid.
    #[error("the e-mail address is missing or invalid")]
    Email,
    /// The user name is invalid.
    #[error("the login is neither a valid e-mail address nor a valid user name")]
    Login,
    /// The hash cannot be checked.
    #[error(transparent)]
    Password(#[from] UnsupportedHashError),
}

/// What became of an account to import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum ImportOutcome {
    /// The account was created.
    Created,
    /// An account with this id or login exists and was left as it is.
    Existing,
}

impl Accounts {
    /// The account that `import` describes, with nothing stored yet.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn to_import(
        &self,
        context: &RequestContext,
        import: Import,
    ) -> Result<Account, ImportError> {
        let email = import.email.trim();
        let address = Login::new(email).map_err(|_| ImportError::Email);
        let login = match &import.login {
            Some(_) if !email.is_empty() && address.is_err() => return Err(ImportError::Email),
            Some(login) => Login::new(login)
                .or_else(|_| Login::user_name(login))
                .map_err(|_| ImportError::Login)?,
            None => address?,
        };
        let password = import.password.filter(|hash| !is_unusable(hash));
        if let Some(hash) = &password {
            check_hash(hash)?;
            // No store keeps longer ones; the longest hash of a known system has 180 bytes.
            if hash.expose().len() > MAX_TEXT_BYTES {
                return Err(UnsupportedHashError::Malformed(format_of(hash)).into());
            }
        }
        Ok(Account {
            id: import.id.unwrap_or_else(|| self.new_id()),
            email: email.to_owned(),
            login,
            password: password.unwrap_or_else(unusable),
            first_name: tidy(import.first_name, MAX_TEXT_BYTES),
            last_name: tidy(import.last_name, MAX_TEXT_BYTES),
            created_at: import.created_at.unwrap_or(context.now),
            disabled_at: import.disabled.then_some(context.now),
            email_verified_at: (import.email_verified && !email.is_empty()).then_some(context.now),
            email_changed_at: None,
            claims: import.claims,
        })
    }

    /// Stores an account of [`Accounts::to_import`], unless one with its id or login exists.
    ///
    /// # Errors
    /// [`StoreError`]; retrying is safe.
    pub async fn import(&self, account: &Account) -> Result<ImportOutcome, StoreError> {
        if self.has_earlier_form(written(account), &account.login).await? {
            return Ok(ImportOutcome::Existing);
        }
        let created = match self.store.create(account).await {
            Err(error) if error.is_unknown() => {
                let found = self.store.by_id(&account.id).await?;
                if found.as_ref() == Some(account) { true } else { return Err(error) }
            }
            result => result?,
        };
        Ok(if created { ImportOutcome::Created } else { ImportOutcome::Existing })
    }

    /// What [`Accounts::import`] would do.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn would_import(&self, account: &Account) -> Result<ImportOutcome, StoreError> {
        let exists = self.has_earlier_form(written(account), &account.login).await?
            || self.store.by_login(&account.login).await?.is_some()
            || self.store.by_id(&account.id).await?.is_some();
        Ok(if exists { ImportOutcome::Existing } else { ImportOutcome::Created })
    }
}

/// The login of an account as its owner wrote it.
fn written(account: &Account) -> &str {
    let is_address = Login::new(&account.email).as_ref() == Ok(&account.login);
    if is_address { &account.email } else { account.login.as_str() }
}
