//! Clients by themselves: who they are, and tokens for them alone (RFC 6749 §2.3, §4.4).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest;
use thiserror::Error;

use super::ServiceError;
use super::sessions::Sessions;
use super::snapshot::{About, Snapshot};
use crate::claims::Scope;
use crate::id::{ClientId, Subject};
use crate::password::{Overloaded, PasswordHasher};
use crate::policy::{ClientProfile, Grant};
use crate::random::Random;
use crate::secret::{AccessToken, Password, PasswordHash};
use crate::time::Timestamp;

/// What a client shows of itself.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Who it says it is.
    pub id: ClientId,
    /// The secret that proves it; none for a public client.
    pub secret: Option<Password>,
}

/// Why a client isn't believed, or gets nothing.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Unknown, without its secret, or with a wrong one: nobody learns which.
    #[error("the client could not be authenticated")]
    Invalid,
    /// It may not do this.
    #[error("the client may not use this grant")]
    NotAllowed,
    /// More than it may ask for.
    #[error("the scope is not the client's")]
    InvalidScope,
    /// Too many checks are waiting.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The client is good, but.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// A token for a client by itself.
#[derive(Debug)]
pub struct ClientToken {
    /// The token: `sub` is the client, and there is no session.
    pub access: AccessToken,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What it is good for.
    pub scope: Scope,
}

/// The use cases of clients, over a hasher and [`Sessions`]'s snapshot.
///
/// A secret is checked as slowly as a password. So that a busy client doesn't pay for it with each
/// call, a good check is remembered for a minute, as a salted hash of what was checked.
pub struct Clients {
    sessions: Arc<Sessions>,
    hasher: Arc<dyn PasswordHasher>,
    random: Arc<dyn Random>,
    salt: [u8; 32],
    good: Mutex<HashMap<[u8; 32], Timestamp>>,
}

impl fmt::Debug for Clients {
    /// Without salt and memory: both together would let a secret be guessed fast.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").field("sessions", &self.sessions).finish_non_exhaustive()
    }
}

impl Clients {
    /// How long a good check is remembered.
    pub const MEMORY: Duration = Duration::from_secs(60);
    /// How many are: more than any configuration has clients.
    pub(super) const MOST: usize = 4096;

    /// The use cases over these parts.
    #[must_use]
    pub fn new(
        sessions: Arc<Sessions>,
        hasher: Arc<dyn PasswordHasher>,
        random: Arc<dyn Random>,
    ) -> Self {
        let mut salt = [0; 32];
        random.fill(&mut salt);
        Self { sessions, hasher, random, salt, good: Mutex::default() }
    }

    /// Whether the client is who it says: a confidential one by its secret, a public one by having
    /// none to show. Gives the policy and keys in force, in which the client has a profile.
    ///
    /// # Errors
    /// [`ClientError::Invalid`], [`ClientError::Overloaded`].
    pub async fn authenticate(
        &self,
        credentials: &Credentials,
        now: Timestamp,
    ) -> Result<Arc<Snapshot>, ClientError> {
        let snapshot = self.sessions.snapshot();
        let profile = snapshot.policy().client(&credentials.id);
        let stored = profile.and_then(|profile| profile.secret.as_ref());
        match (&credentials.secret, stored) {
            (None, None) if profile.is_some() => {}
            (Some(secret), Some(hash)) => self.check(&credentials.id, secret, hash, now).await?,
            (Some(secret), None) => {
                // As slow as a wrong secret of a client that has one.
                let _ = self.hasher.check(secret, None).await?;
                return Err(ClientError::Invalid);
            }
            (None, _) => return Err(ClientError::Invalid),
        }
        Ok(snapshot)
    }

    async fn check(
        &self,
        id: &ClientId,
        secret: &Password,
        hash: &PasswordHash,
        now: Timestamp,
    ) -> Result<(), ClientError> {
        let key = self.memory_key(id, secret, hash);
        if self.good().get(&key).is_some_and(|until| now < *until) {
            return Ok(());
        }
        if !self.hasher.check(secret, Some(hash)).await?.matches {
            return Err(ClientError::Invalid);
        }
        let mut good = self.good();
        if good.len() >= Self::MOST {
            good.retain(|_, until| now < *until);
            if good.len() >= Self::MOST {
                good.clear();
            }
        }
        good.insert(key, now.plus(Self::MEMORY));
        Ok(())
    }

    /// A client whose secret was changed has another stored hash, and so nothing remembered.
    pub(super) fn memory_key(
        &self,
        id: &ClientId,
        secret: &Password,
        hash: &PasswordHash,
    ) -> [u8; 32] {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.salt);
        for part in [id.as_str(), hash.expose(), secret.expose()] {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut key = [0; 32];
        key.copy_from_slice(context.finish().as_ref());
        key
    }

    fn good(&self) -> MutexGuard<'_, HashMap<[u8; 32], Timestamp>> {
        self.good.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A token for a confidential client by itself (RFC 6749 §4.4). No store, and no refresh token.
    /// Without a scope asked for it has none.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn token(
        &self,
        snapshot: &Snapshot,
        profile: &ClientProfile,
        scope: Scope,
        now: Timestamp,
    ) -> Result<ClientToken, ClientError> {
        if !profile.is_confidential() || !profile.allows(Grant::ClientCredentials) {
            return Err(ClientError::NotAllowed);
        }
        if !scope.is_within(&profile.scopes) {
            return Err(ClientError::InvalidScope);
        }
        #[allow(clippy::expect_used, reason = "64 letters, digits, dots and dashes are a subject")]
        let subject = Subject::new(profile.id().as_str()).expect("a client id is a subject");
        let about = About { subject, session: None, scope: scope.clone() };
        let (access, expires_at) = snapshot
            .access_token(about, profile, &*self.random, now)
            .map_err(ServiceError::from)?;
        Ok(ClientToken { access, expires_at, scope })
    }
}
