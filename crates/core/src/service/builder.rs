//! From an issuer, its clients, keys and a store to [`Sessions`].

use std::sync::Arc;

use super::error::Error;
use super::{Sessions, Snapshot};
use crate::id::{ClientId, Issuer};
use crate::keys::{KeyRecord, KeyRing};
use crate::policy::{ClientProfile, ProfileSettings, TokenPolicy};
use crate::random::{Random, SystemRandom};
use crate::store::SessionStore;
use crate::time::Timestamp;

/// Builds [`Sessions`]. Obtained from [`Sessions::builder`].
#[derive(Clone, Debug)]
#[must_use = "nothing is built before `build` is called"]
pub struct SessionsBuilder {
    issuer: String,
    clients: Vec<(String, ProfileSettings)>,
    random: Arc<dyn Random>,
}

impl Sessions {
    /// Begins to build the use cases of the issuer with this URL.
    pub fn builder(issuer: impl Into<String>) -> SessionsBuilder {
        let (issuer, random) = (issuer.into(), Arc::new(SystemRandom));
        SessionsBuilder { issuer, clients: Vec::new(), random }
    }
}

impl SessionsBuilder {
    /// Adds a client.
    pub fn client(mut self, id: impl Into<String>, settings: ProfileSettings) -> Self {
        self.clients.push((id.into(), settings));
        self
    }

    /// Sets the source of randomness; [`SystemRandom`] without it.
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// The use cases over `store`, signing with `keys`. Replicas have the same store and keys.
    ///
    /// # Errors
    /// [`Error`] for an invalid issuer or client, or if no key can sign at `now`.
    pub fn build(
        self,
        store: Arc<dyn SessionStore>,
        keys: &[KeyRecord],
        now: Timestamp,
    ) -> Result<Sessions, Error> {
        let profile = |(id, settings)| {
            let client = ClientId::new(id)?;
            ClientProfile::new(client.clone(), settings)
                .map_err(|source| Error::Settings { client, source })
        };
        let clients: Result<Vec<_>, Error> = self.clients.into_iter().map(profile).collect();
        let policy = TokenPolicy::new(Issuer::new(self.issuer)?, clients?);
        let ring = KeyRing::new(keys, &policy, now)?;
        Ok(Sessions::new(store, self.random, Arc::new(Snapshot::new(policy, ring))))
    }
}
