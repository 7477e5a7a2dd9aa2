//! The use cases, written against the ports: what every server of this system does, whatever its
//! transport. Handlers parse, call one of these, and answer.
//!
//! [`Sessions`] renews and ends what exists and needs no accounts, so a team with its own login
//! takes it alone. [`Accounts`] is the login, sign-up and password side.

mod accounts;
mod clients;
mod introspect;
mod refresh;
mod sessions;
mod snapshot;
mod status;

use thiserror::Error;

pub use self::accounts::{
    Accounts, Door, LogIn, LoginError, PasswordChange, PasswordError, SignUp, SignUpError,
};
pub use self::clients::{ClientError, ClientToken, Clients, Credentials};
pub use self::introspect::{Introspected, RevokeError};
pub use self::refresh::{Presenter, RefreshError, Renew, Renewal};
pub use self::sessions::{AuthError, Caller, NewSession, Sessions};
pub use self::snapshot::Snapshot;
pub use self::status::{SignedList, StatusListError, StatusLists};
use crate::claims::Scope;
use crate::id::SessionId;
use crate::jwt::SignError;
use crate::secret::{AccessToken, RefreshToken};
use crate::session::Session;
use crate::store::StoreError;
use crate::time::Timestamp;

/// What a login or a refresh gives.
#[derive(Debug)]
pub struct Granted {
    /// For the resource servers.
    pub access: AccessToken,
    /// When the access token ends.
    pub access_expires_at: Timestamp,
    /// For the next refresh; none where the client keeps the one it has, or may not refresh.
    pub refresh: Option<GrantedRefresh>,
    /// What the access token is good for: the session's scope, or the narrower one asked for.
    pub scope: Scope,
    /// The session as it now stands.
    pub session: Session,
}

/// A refresh token and its end.
#[derive(Debug)]
pub struct GrantedRefresh {
    /// The token.
    pub token: RefreshToken,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// What can go wrong once everything presented is good.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// The store has no outcome to tell.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys can't sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// A new session's random name is taken, or every status index drawn for it: the randomness is
    /// broken.
    #[error("session name {0} is taken")]
    IdTaken(SessionId),
}

#[cfg(test)]
mod tests;
