//! An issuer in memory.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use aquaware_token::jwt::{Algorithm, PublicKey};
use aquaware_token::status::StatusList;
use aquaware_token::testing::ManualClock;
use aquaware_token::time::{Clock, Timestamp};
use serde_json::json;

use super::signer::{AUDIENCE, ISSUER, START, STATUS_ENTRIES, STATUS_LIST, Signer};
use super::status_list::TestStatusList;
use super::token::TestToken;
use crate::builder::Builder;
use crate::lists::fixed::FixedLists;
use crate::lists::list::List;
use crate::verifier::Verifier;

/// An issuer with its own key and a clock that is moved by hand.
#[derive(Debug)]
pub struct TestIssuer {
    signer: Signer,
    statuses: Arc<Statuses>,
}

/// The status list, shared with the issuer's verifiers.
#[derive(Debug, Default)]
struct Statuses {
    revoked: Mutex<BTreeSet<u32>>,
    published: FixedLists,
}

impl TestIssuer {
    /// An issuer with an Ed25519 key.
    #[must_use]
    pub fn new() -> Self {
        Self::signing_with(Algorithm::EdDsa)
    }

    /// An issuer with a key for `algorithm`. Generating an RSA key can take seconds.
    ///
    /// # Panics
    /// If no key can be generated.
    #[must_use]
    pub fn signing_with(algorithm: Algorithm) -> Self {
        let signer = Signer::new(algorithm, Arc::new(ManualClock::new(START)));
        let issuer = Self { signer, statuses: Arc::default() };
        issuer.publish();
        issuer
    }

    /// The same issuer after a key rotation: another key, the same clock and status list.
    #[must_use]
    pub fn successor(&self) -> Self {
        let signer = Signer::new(self.signer.access.algorithm(), Arc::clone(self.clock()));
        Self { signer, statuses: Arc::clone(&self.statuses) }
    }

    /// Starts building a token: valid for five minutes and for [`AUDIENCE`], with the subject
    /// `test-subject` and without scope.
    #[must_use]
    pub fn token(&self) -> TestToken<'_> {
        TestToken::new(&self.signer)
    }

    /// Revokes the tokens with this [`status`](TestToken::status). Its verifiers notice
    /// immediately. An index of [`STATUS_ENTRIES`] or more has no effect.
    pub fn revoke(&self, idx: u32) {
        self.statuses.revoked.lock().unwrap_or_else(PoisonError::into_inner).insert(idx);
        self.publish();
    }

    /// Starts building the token of its status list: for [`STATUS_LIST`], with all revocations so
    /// far, valid for a day and with a `ttl` of 10 s.
    #[must_use]
    pub fn status_list(&self) -> TestStatusList<'_> {
        TestStatusList::new(&self.signer, self.entries())
    }

    fn entries(&self) -> StatusList {
        let revoked = self.statuses.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        StatusList::new(STATUS_ENTRIES, revoked.iter().copied())
    }

    fn publish(&self) {
        let (entries, iat): (_, Timestamp) = (self.entries(), self.clock().now());
        let list = List { entries, iat, exp: None, ttl: None, kid: self.kid().to_owned() };
        self.statuses.published.insert(STATUS_LIST, list);
    }

    /// The clock of the issuer and of its [`verifier`](Self::verifier).
    #[must_use]
    pub const fn clock(&self) -> &Arc<ManualClock> {
        &self.signer.clock
    }

    /// The id of its key.
    #[must_use]
    pub fn kid(&self) -> &str {
        self.signer.access.kid().as_str()
    }

    /// Its public key as a JWK.
    #[must_use]
    pub fn public_key(&self) -> serde_json::Value {
        json!(PublicKey::of(&self.signer.access))
    }

    /// Its JWK set, as published by a real issuer.
    #[must_use]
    pub fn key_set(&self) -> Vec<u8> {
        json!({ "keys": [self.public_key()] }).to_string().into_bytes()
    }

    /// A verifier with its key, clock and status list, which fetches nothing.
    ///
    /// # Panics
    /// If the issuer signs with a shared secret, which cannot be published.
    #[must_use]
    pub fn verifier(&self) -> Verifier {
        self.builder().key_set(&self.key_set()).expect("the key set was just generated")
    }

    /// The builder behind [`verifier`](Self::verifier), for other settings.
    #[must_use]
    pub fn builder(&self) -> Builder {
        let clock: Arc<dyn Clock> = self.clock().clone();
        let builder = Verifier::builder(ISSUER, AUDIENCE).clock(clock);
        builder.fixed_lists(self.statuses.published.clone())
    }
}

impl Default for TestIssuer {
    fn default() -> Self {
        Self::new()
    }
}
