//! What one request sees: policy, keys and time, read once.

use std::sync::Arc;

use super::budget::Budget;
use super::snapshot::Snapshot;
use crate::claims::AccessClaims;
use crate::id::{ClientId, Issuer};
use crate::jwt::{PublicKeySet, TokenError, Verified};
use crate::policy::{ClientProfile, UnknownClientError};
use crate::store::StoreError;
use crate::time::Timestamp;

/// The snapshot and the instant of one request.
///
/// The outermost layer obtains it once, from [`Sessions::context`](super::Sessions::context), and
/// passes it to every use case. A reload in the middle of a request therefore never makes one half
/// of the answer follow the old policy and the other half the new one.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// Policy and keys.
    pub snapshot: Arc<Snapshot>,
    /// The instant of the request.
    pub now: Timestamp,
    /// How long the request may still wait for stores.
    pub(super) budget: Budget,
}

impl RequestContext {
    /// The same for work that goes on after the response, with no bound on the time that it waits for
    /// stores.
    #[must_use]
    pub fn in_background(&self) -> Self {
        Self { budget: Budget::new(None), ..self.clone() }
    }

    /// Waits for an operation of a store within the time that this request may wait for stores.
    ///
    /// # Errors
    /// Those of the operation; [`StoreError::Unreachable`] or [`StoreError::UnknownOutcome`] if the time
    /// is over.
    pub async fn wait_for_store<T>(
        &self,
        operation: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.budget.wait(operation).await
    }

    /// The profile of the client `id`, if it is configured.
    #[must_use]
    pub fn client(&self, id: &ClientId) -> Option<&ClientProfile> {
        self.snapshot.policy().client(id)
    }

    /// The profile of the client `id`.
    ///
    /// # Errors
    /// [`UnknownClientError`] if it is not configured.
    pub fn profile(&self, id: &ClientId) -> Result<&ClientProfile, UnknownClientError> {
        self.client(id).ok_or_else(|| UnknownClientError(id.clone()))
    }

    /// The public keys, for services that verify access tokens offline.
    #[must_use]
    pub fn key_set(&self) -> PublicKeySet {
        PublicKeySet { keys: self.snapshot.ring().published(self.now).collect() }
    }

    /// The issuer of all tokens.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        self.snapshot.policy().issuer()
    }

    /// Checks an access token without the store: [`Snapshot::check_access`] at [`Self::now`].
    ///
    /// # Errors
    /// The first rule that the token breaks.
    pub fn check_access(&self, token: &str) -> Result<Verified<AccessClaims>, TokenError> {
        self.snapshot.check_access(token, self.now)
    }
}
