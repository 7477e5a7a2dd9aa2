//! The use cases, written against the ports: what a server of this system does, whatever its
//! transport. Handlers parse a request, call one use case and format the response.
//!
//! [`Sessions`] opens, renews and ends sessions and needs no accounts, so a team with its own login
//! uses it alone. [`Accounts`] adds sign-up, login and passwords; [`Clients`] authenticates OAuth
//! clients; [`StatusLists`] publishes revocations.
//!
//! Every request obtains one [`RequestContext`] and passes it to each use case that it calls.
//!
//! The errors of the use cases and the decisions of [`succession`](crate::succession) are exhaustive
//! on purpose: a transport must choose a response for each of them, and the compiler reports a new one.

#[cfg(feature = "accounts")]
mod accounts;
#[cfg(feature = "passwords")]
mod adoption;
mod budget;
mod builder;
mod claims;
mod clients;
mod context;
mod error;
mod introspect;
mod listing;
mod opening;
mod refresh;
mod refused;
mod response;
mod sessions;
mod settings;
mod signing;
mod snapshot;
mod status;
mod view;

use thiserror::Error;

#[cfg(feature = "accounts")]
pub use self::accounts::{
    Accounts, EmailChangeRequest, LogIn, LoginError, Message, PasswordChange, PasswordError,
    PasswordReset, ResetError, SignUp, SignUpError, VerifyError, colliding_accounts,
};
#[cfg(feature = "passwords")]
pub use self::accounts::{Import, ImportError, ImportOutcome};
#[cfg(feature = "passwords")]
pub use self::adoption::{OldRefresh, SimpleJwt, session_of};
pub use self::budget::{StoreTimeout, Timer};
pub use self::builder::SessionsBuilder;
pub use self::clients::{ClientError, ClientToken, Clients, Credentials};
pub use self::context::RequestContext;
pub use self::error::{Error, ErrorKind};
pub use self::introspect::{Introspected, RevokeError};
pub use self::refresh::{CheckedRefresh, Presenter, RefreshError, RefreshOutcome, RefreshRequest};
pub use self::response::TokenResponse;
pub use self::sessions::{AuthError, Caller, EndedSessions, NewSession, Sessions};
pub use self::settings::SessionSettings;
pub use self::snapshot::Snapshot;
pub use self::status::{SignedList, StatusListError, StatusLists};
pub use self::view::{InvalidCursorError, SessionCursor, SessionPage, SessionView};
use crate::claims::Scope;
use crate::id::SessionId;
use crate::jwt::SignError;
use crate::secret::{AccessToken, RefreshToken};
use crate::session::Session;
use crate::store::StoreError;
use crate::time::Timestamp;

/// The result of a login or a refresh.
#[derive(Debug)]
#[non_exhaustive]
pub struct Granted {
    /// The access token.
    pub access: AccessToken,
    /// The expiry of the access token.
    pub access_expires_at: Timestamp,
    /// The next refresh token; `None` if the client keeps the one it has, or may not refresh.
    pub refresh: Option<GrantedRefresh>,
    /// The scope of the access token: the session's, or the narrower one requested.
    pub scope: Scope,
    /// The session as it is now.
    pub session: Session,
    /// The sessions that a login ended because the account had too many.
    pub displaced: Vec<SessionId>,
}

/// A refresh token and its expiry.
#[derive(Debug)]
#[non_exhaustive]
pub struct GrantedRefresh {
    /// The token.
    pub token: RefreshToken,
    /// The expiry of the token.
    pub expires_at: Timestamp,
}

/// Why a valid request could not be carried out.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys cannot sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The clock is before the creation of the keys, so nothing can be signed. Nothing has changed.
    #[error(
        "the clock of this machine is before the creation of the active key: synchronize it, for \
         example with NTP"
    )]
    ClockUnreliable,
    /// The random id of a new session is taken, or every status index drawn for it is. This means
    /// that the source of randomness is broken.
    #[error("the session id {0} is already taken")]
    IdTaken(SessionId),
}

#[cfg(test)]
mod tests;
