//! Sessions with JWT access tokens and rotating refresh tokens: the rules, without the machinery.
//! This crate performs no I/O and has neither a runtime nor a clock; time and randomness are
//! arguments.
//!
//! # Guarantees
//! 1. **Honest clients are never logged out** by a lost response, a race between tabs, a crashed
//!    server, a store that lost its last writes, or a key rotation.
//! 2. **Stolen tokens are detected.** When two parties use one refresh token outside the retry rules,
//!    the second use ends the session. A stolen store contains nothing that can be replayed.
//! 3. **It costs almost nothing**: one atomic store operation per refresh, one record per session,
//!    and no store access to check an access token.
//!
//! # Terms
//! - A [session](session::Session) is one login of one [subject](id::Subject) with one
//!   [client](policy::ClientProfile), kept as one record in a store.
//! - Its [generation](id::Generation) counts its renewals. A **refresh token** states "session S,
//!   generation N", and a refresh advances the session from `N` to `N+1`.
//! - A presented generation is *live* (the session is at it), *superseded* (the session is past it),
//!   or *ahead* (the store lost writes).
//! - [`succession::judge`] decides what a refresh does: advance, repeat the response, end the session
//!   because of *reuse*, or nothing. No other code contains these rules.
//! - A [mark](retry::Mark) is stored with each advance, so that a repeated attempt is recognized. It
//!   is derived from the request's [key](retry::RetryKey), or random without one.
//! - An [access token](claims::AccessClaims) is for resource servers, which check it
//!   [offline](jwt::AccessCheck) against the [published keys](jwt::KeySet).
//! - [Keys](keys) are next, active, retiring or gone, depending on the time alone.
//!
//! # Invariants
//! - At most one generation of a session is live, with any number of replicas and requests.
//! - A generation has one refresh token: the same claims, and with the same key the same bytes. Only a
//!   store restored from a backup can issue a second one, and its use is detected.
//! - An ended session stays ended, with its first reason.
//! - Tokens of one type are never accepted as another, and none is valid at the second of its `exp`.
//! - Secrets (tokens, passwords, keys, retry keys) are never formatted.
//!
//! # Sessions without accounts
//! A team with its own users needs only [`service::Sessions`] and a [store](store::SessionStore):
//!
//! ```
//! # use std::future::Future;
//! # fn wait<F: Future>(future: F) -> F::Output {
//! #     let mut future = std::pin::pin!(future);
//! #     let mut context = std::task::Context::from_waker(std::task::Waker::noop());
//! #     loop {
//! #         if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) {
//! #             return output;
//! #         }
//! #     }
//! # }
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use aquaware_core::keys::missing;
//! use aquaware_core::prelude::*;
//! use aquaware_core::random::SystemRandom;
//! use aquaware_core::service::RefreshError;
//! use aquaware_core::store::MemoryStore;
//!
//! # fn main() -> Result<(), Error> {
//! let now = Timestamp::from_seconds(1_790_000_000);
//! // A real issuer keeps these records, for example with `aquaware-key-directory`.
//! let keys = missing(&[], Algorithm::EdDsa, now, &SystemRandom)?;
//! let sessions = Sessions::builder("https://auth.example.com")
//!     .client("web", ProfileSettings::default())
//!     .build(Arc::new(MemoryStore::new()), &keys, now)?;
//!
//! // The user has been authenticated, by whatever means.
//! let context = sessions.context(now);
//! let profile = context.profile(&ClientId::new("web")?)?;
//! let login = NewSession::new(Subject::new("user-1")?);
//! let opened = wait(sessions.open(&context, profile, login))?;
//! let first = opened.response(now).refresh_token.expect("the client may refresh");
//!
//! // Later, the token is exchanged for its successor. A lost response can be requested again.
//! let later = sessions.context(now.plus(Duration::from_secs(3600)));
//! let (renewed, _) = wait(sessions.refresh(&later, first, None))?;
//! let (again, _) = wait(sessions.refresh(&later, first, None))?;
//! let second = renewed.response(later.now).refresh_token.expect("it is rotated");
//! assert_eq!(again.response(later.now).refresh_token, Some(second));
//!
//! // Checking an access token needs the keys, but no store.
//! let claims = later.check_access(renewed.access.expose())?;
//! assert_eq!(claims.sub.as_str(), "user-1");
//!
//! // Much later, the superseded token is used again: it was stolen, and the session ends.
//! let late = sessions.context(later.now.plus(Duration::from_secs(3600)));
//! assert!(matches!(wait(sessions.refresh(&late, first, None)), Err(RefreshError::Reused)));
//! assert!(matches!(wait(sessions.refresh(&late, second, None)), Err(RefreshError::Ended(_))));
//! # Ok(())
//! # }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "accounts")]
pub mod account;
pub mod client_secret;
pub mod keys;
pub mod limits;
pub mod message;
pub mod origin;
#[cfg(feature = "accounts")]
pub mod outbox;
pub mod password;
pub mod policy;
pub mod prelude;
pub mod retry;
pub mod service;
pub mod session;
pub mod status;
pub mod store;
pub mod succession;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;

pub use aquaware_token::{claims, error_chain, id, jwt, random, secret, time};

pub use crate::service::{Error, ErrorKind};
pub use crate::session::Session;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
