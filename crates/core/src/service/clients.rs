//! OAuth clients: their authentication, and tokens that they obtain for themselves (RFC 6749 §2.3,
//! §4.4).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest;
use thiserror::Error;

use super::signing::AccessGrant;
use super::{RequestContext, ServiceError};
use crate::claims::Scope;
use crate::client_secret::GeneratedSecretHash;
use crate::id::{ClientId, Subject};
use crate::password::{Overloaded, PasswordHasher};
use crate::policy::{ClientProfile, Grant, Target};
use crate::random::Random;
use crate::secret::{AccessToken, Password, PasswordHash};
use crate::time::Timestamp;

/// The credentials that a client presents.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The client's id.
    pub id: ClientId,
    /// The client's secret; `None` for a public client.
    pub secret: Option<Password>,
}

/// Why a client is not authenticated or obtains no token.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The client is unknown, or its secret is missing or wrong.
    #[error("the client could not be authenticated")]
    Invalid,
    /// The client does not have this grant.
    #[error("the client is not allowed to use this grant")]
    NotAllowed,
    /// The requested scope exceeds the client's.
    #[error("the requested scope exceeds the client's scopes")]
    InvalidScope,
    /// The queue of secrets to be checked is full.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The request is valid, but could not be carried out.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// A token that a client obtained for itself.
#[derive(Debug)]
#[non_exhaustive]
pub struct ClientToken {
    /// The access token. Its `sub` is the client, and it has no session.
    pub access: AccessToken,
    /// The expiry of the token.
    pub expires_at: Timestamp,
    /// The scope of the token.
    pub scope: Scope,
}

/// The use cases of clients.
///
/// A secret that an operator chose is checked as slowly as a password. So that busy clients do not
/// pay for this with each request, a successful check is remembered for some minutes as a salted
/// hash of its inputs. A generated secret has a [fast hash](GeneratedSecretHash).
pub struct Clients {
    hasher: Arc<dyn PasswordHasher>,
    random: Arc<dyn Random>,
    salt: [u8; 32],
    verified: Mutex<HashMap<[u8; 32], Timestamp>>,
}

impl fmt::Debug for Clients {
    /// Leaves out the salt and the remembered hashes: together they allow fast guessing of secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").field("hasher", &self.hasher).finish_non_exhaustive()
    }
}

impl Clients {
    /// How long a successful check is remembered.
    pub const MEMORY: Duration = Duration::from_secs(300);
    /// Maximum number of remembered checks: more than any configuration has clients.
    pub(super) const MAX_REMEMBERED: usize = 4096;

    /// The use cases over this hasher.
    #[must_use]
    pub fn new(hasher: Arc<dyn PasswordHasher>, random: Arc<dyn Random>) -> Self {
        let mut salt = [0; 32];
        random.fill(&mut salt);
        Self { hasher, random, salt, verified: Mutex::default() }
    }

    /// The profile of a client that needs no check: a public one that presents no secret, or one
    /// whose secret was checked within [`Clients::MEMORY`]. Limits on failures do not apply to it.
    #[must_use]
    pub fn recall<'a>(
        &self,
        context: &'a RequestContext,
        credentials: &Credentials,
    ) -> Option<&'a ClientProfile> {
        let profile = context.client(&credentials.id)?;
        let is_known = match (&credentials.secret, profile.secret()) {
            (None, None) => true,
            (Some(secret), Some(hash)) => {
                let key = self.memory_key(&credentials.id, secret, hash);
                self.verified().get(&key).is_some_and(|until| context.now < *until)
            }
            (Some(_), None) | (None, Some(_)) => false,
        };
        is_known.then_some(profile)
    }

    /// Authenticates a client, a confidential one by its secret and a public one by presenting none,
    /// and returns its profile.
    ///
    /// # Errors
    /// [`ClientError::Invalid`], [`ClientError::Overloaded`].
    pub async fn authenticate<'a>(
        &self,
        context: &'a RequestContext,
        credentials: &Credentials,
    ) -> Result<&'a ClientProfile, ClientError> {
        if let Some(profile) = self.recall(context, credentials) {
            return Ok(profile);
        }
        // Client ids are public, so an unknown one is rejected without the cost of a check.
        let profile = context.client(&credentials.id).ok_or(ClientError::Invalid)?;
        let (Some(secret), Some(hash)) = (&credentials.secret, profile.secret()) else {
            return Err(ClientError::Invalid);
        };
        self.check(&credentials.id, secret, hash, context.now).await?;
        Ok(profile)
    }

    async fn check(
        &self,
        id: &ClientId,
        secret: &Password,
        hash: &PasswordHash,
        now: Timestamp,
    ) -> Result<(), ClientError> {
        let matches = match GeneratedSecretHash::parse(hash) {
            Some(hash) => hash.matches(secret),
            None => self.hasher.check(secret, Some(hash)).await?.matches,
        };
        if !matches {
            return Err(ClientError::Invalid);
        }
        let key = self.memory_key(id, secret, hash);
        let mut verified = self.verified();
        if verified.len() >= Self::MAX_REMEMBERED {
            verified.retain(|_, until| now < *until);
            if verified.len() >= Self::MAX_REMEMBERED {
                verified.clear();
            }
        }
        verified.insert(key, now.plus(Self::MEMORY));
        Ok(())
    }

    /// Covers the stored hash, so a change of the secret makes the system forget what it remembers about the client.
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

    fn verified(&self) -> MutexGuard<'_, HashMap<[u8; 32], Timestamp>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Issues a token to a confidential client for itself (RFC 6749 §4.4), without the store and
    /// without a refresh token. The token has no scope unless one is requested.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn token(
        &self,
        context: &RequestContext,
        profile: &ClientProfile,
        scope: Scope,
    ) -> Result<ClientToken, ClientError> {
        self.token_for(context, profile, scope, None)
    }

    /// [`token`](Self::token) for `target` alone (RFC 8707).
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn token_for(
        &self,
        context: &RequestContext,
        profile: &ClientProfile,
        scope: Scope,
        target: Option<&Target>,
    ) -> Result<ClientToken, ClientError> {
        if !profile.is_confidential() || !profile.allows(Grant::ClientCredentials) {
            return Err(ClientError::NotAllowed);
        }
        if !scope.is_within(profile.scopes()) {
            return Err(ClientError::InvalidScope);
        }
        #[allow(clippy::expect_used, reason = "every client id is a valid subject")]
        let subject = Subject::new(profile.id().as_str()).expect("a client id is a valid subject");
        let grant = AccessGrant { subject, session: None, scope: scope.clone(), target };
        let signed = context.access_token(grant, profile, &*self.random);
        let (access, expires_at) = signed?;
        Ok(ClientToken { access, expires_at, scope })
    }
}
