//! Sessions that renew themselves: the rules of a system of access and refresh tokens, and nothing
//! of its machinery. No I/O, no async runtime, no clock and no randomness but what is passed in.
//!
//! # What it promises
//! 1. **Nobody honest is ever logged out** by a lost answer, a race between tabs, a server killed
//!    in the middle, a store that lost its last writes, or a rotation of keys.
//! 2. **Nobody dishonest stays in.** Two parties with one refresh token are found out at the second
//!    use outside the retry rules, and the session ends. What the store holds can't be replayed.
//! 3. **It costs almost nothing**: one atomic store operation per refresh, one record per session
//!    however long it lives, no store at all to check an access token.
//!
//! # The words
//! - A [session](session::Session) is one login of one [subject](id::Subject) with one
//!   [client](policy::ClientProfile): one record in a store.
//! - Its [generation](id::Generation) is how often it was renewed. A **refresh token** says
//!   "session S, generation N"; a refresh moves the session from `N` to `N+1`.
//! - A presented generation is *live* (the session stands there), *superseded* (it stands further
//!   on), or *ahead* (the store lost writes).
//! - [`succession::judge`] decides what a refresh does: advance, repeat the answer, end the session
//!   for *reuse*, or nothing. It is a pure function; stores and services know no other rule.
//! - A [mark](retry::Mark) is what an attempt leaves in the record to be recognised by. It comes
//!   from the request's [key](retry::RetryKey), or is random.
//! - An [access token](claims::AccessClaims) is what resource servers see; they check it
//!   [offline](jwt::AccessCheck) with the [published keys](jwt::KeySet).
//! - [Keys](keys) are next, active, retiring or gone, by the clock alone.
//!
//! # What always holds
//! - At most one generation of a session is live, with any number of replicas and requests.
//! - A generation has one refresh token: the same claims, and under the same key the same bytes.
//!   Only a store put back from a copy can make a second one, and its use is found out.
//! - An ended session never lives again, and keeps its first reason.
//! - No token of one type passes for another, and none is good at the second of its `exp`.
//! - No secret (token, password, key, retry key) is ever formatted.
//!
//! # Without a login of its own
//! A team with its own users takes [`service::Sessions`] and a [store](store::SessionStore):
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
//! use aquaware_core::id::{ClientId, Issuer, Subject};
//! use aquaware_core::jwt::Algorithm;
//! use aquaware_core::keys::{KeyRing, missing};
//! use aquaware_core::policy::{ClientProfile, ProfileSettings, TokenPolicy};
//! use aquaware_core::random::SystemRandom;
//! use aquaware_core::service::{NewSession, RefreshError, Sessions, Snapshot};
//! use aquaware_core::store::MemoryStore;
//! use aquaware_core::time::Timestamp;
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = Timestamp::from_seconds(1_790_000_000);
//! let web = ClientId::new("web")?;
//! let profile = ClientProfile::new(web.clone(), ProfileSettings::default())?;
//! let policy = TokenPolicy::new(Issuer::new("https://auth.example.com")?, [profile]);
//! // A real issuer keeps these records; every replica reads the same ones.
//! let records = missing(&[], Algorithm::EdDsa, now, &SystemRandom)?;
//! let ring = KeyRing::new(&records, &policy, now)?;
//! let sessions = Sessions::new(
//!     Arc::new(MemoryStore::new()),
//!     Arc::new(SystemRandom),
//!     Arc::new(Snapshot::new(policy, ring)),
//! );
//!
//! // Somebody proved who they are, however that was done.
//! let context = sessions.context(now);
//! let profile = context.client(&web).ok_or("no such client")?;
//! let login = NewSession {
//!     subject: Subject::new("user-1")?,
//!     scope: Default::default(),
//!     claims: Default::default(),
//!     device: Default::default(),
//! };
//! let opened = wait(sessions.open(&context, profile, login))?;
//! let first = opened.refresh.ok_or("no refresh token")?.token;
//!
//! // Later: the token is exchanged for its successor. A lost answer can be asked for again.
//! let later = sessions.context(now.plus(Duration::from_secs(3600)));
//! let (renewed, _) = wait(sessions.refresh(&later, first.expose(), None))?;
//! let (again, _) = wait(sessions.refresh(&later, first.expose(), None))?;
//! let second = renewed.refresh.ok_or("no refresh token")?.token;
//! assert_eq!(again.refresh.ok_or("no refresh token")?.token.expose(), second.expose());
//!
//! // Checking needs keys and no store.
//! let claims = later.check_access(renewed.access.expose())?;
//! assert_eq!(claims.sub.as_str(), "user-1");
//!
//! // The superseded token once more, much later: somebody has a copy, and the session is over.
//! let late = sessions.context(later.now.plus(Duration::from_secs(3600)));
//! let stolen = wait(sessions.refresh(&late, first.expose(), None));
//! assert!(matches!(stolen, Err(RefreshError::Reused)));
//! assert!(matches!(
//!     wait(sessions.refresh(&late, second.expose(), None)),
//!     Err(RefreshError::Ended(_))
//! ));
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "passwords")]
pub mod account;
pub mod keys;
pub mod password;
pub mod policy;
pub mod retry;
pub mod service;
pub mod session;
pub mod status;
pub mod store;
pub mod succession;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;

pub use aquaware_token::{claims, id, jwt, random, secret, time};

pub use crate::session::Session;
