//! Accounts of users who log in with a password. A team with its own users needs none of this: it
//! disables the default features and opens sessions for the users it has authenticated.

mod login;

pub use self::login::{InvalidLoginError, Login};
use crate::id::Subject;
use crate::secret::PasswordHash;
use crate::session::ExtraClaims;
use crate::time::Timestamp;

/// The record of an account. Adapters store it as a
/// [`StoredAccount`](crate::store::StoredAccount).
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// The account's id: the `sub` of its tokens, never reused.
    pub id: Subject,
    /// The e-mail address as its owner wrote it; empty for an imported account without one.
    pub email: String,
    /// The normalized address by which the account is found, or the user name of an imported account.
    /// Unique among accounts. Accounts of earlier releases keep the form of that release.
    pub login: Login,
    /// The hash of its password.
    pub password: PasswordHash,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// When the account was created.
    pub created_at: Timestamp,
    /// When the account was disabled; `None` if it is enabled.
    pub disabled_at: Option<Timestamp>,
    /// When the owner last proved to receive mail at the address; `None` if never.
    pub email_verified_at: Option<Timestamp>,
    /// When the address was last changed; `None` if it is the first one.
    pub email_changed_at: Option<Timestamp>,
    /// Extra claims for its access tokens.
    pub claims: ExtraClaims,
}
