//! Ready-made parts: an issuer with two clients and its keys, assembled or one by one.
#![allow(
    clippy::expect_used,
    reason = "all values are valid constants; a test with an invalid one must stop"
)]

use std::sync::Arc;

pub use aquaware_token::testing::fixture::*;

use super::SeededRandom;
use crate::jwt::Algorithm;
use crate::keys::{KeyRecord, KeyRing, missing};
use crate::policy::{ClientProfile, ProfileSettings, TokenPolicy};
use crate::service::{NewSession, Sessions, Snapshot};
use crate::store::SessionStore;

/// The profile of the client `name` with these settings.
///
/// # Panics
/// If the settings are invalid.
#[must_use]
pub fn profile(name: &str, settings: ProfileSettings) -> ClientProfile {
    ClientProfile::new(client(name), settings).expect("valid settings")
}

/// [`issuer`] with the default clients: `web`, and `device`, which keeps one refresh token.
#[must_use]
pub fn policy() -> TokenPolicy {
    policy_with([])
}

/// [`policy`] with additional profiles; a profile with the same id replaces the default.
#[must_use]
pub fn policy_with(profiles: impl IntoIterator<Item = ClientProfile>) -> TokenPolicy {
    let own =
        [profile("web", ProfileSettings::default()), profile("device", ProfileSettings::device())];
    TokenPolicy::new(issuer(), own.into_iter().chain(profiles))
}

/// The keys of a first start at [`NOW`]: an active and a next one of each type. Equal seeds give equal
/// keys, except for ES256 and RS256.
#[must_use]
pub fn key_records(algorithm: Algorithm, seed: u64) -> Vec<KeyRecord> {
    missing(&[], algorithm, NOW, &SeededRandom::new(seed)).expect("keys can be generated")
}

/// The ring of [`key_records`] with EdDSA.
#[must_use]
pub fn ring(policy: &TokenPolicy) -> KeyRing {
    ring_of(&key_records(Algorithm::EdDsa, 0), policy)
}

/// The ring of these records at [`NOW`].
///
/// # Panics
/// If they do not form a key ring.
#[must_use]
pub fn ring_of(records: &[KeyRecord], policy: &TokenPolicy) -> KeyRing {
    KeyRing::new(records, policy, NOW).expect("a usable key ring")
}

/// This policy with [`ring`].
#[must_use]
pub fn snapshot(policy: TokenPolicy) -> Arc<Snapshot> {
    let ring = ring(&policy);
    Arc::new(Snapshot::new(policy, ring))
}

/// The use cases over `store` under this policy, with [`ring`] and randomness from a seed.
#[must_use]
pub fn sessions(store: Arc<dyn SessionStore>, policy: TokenPolicy) -> Sessions {
    Sessions::new(store, Arc::new(SeededRandom::new(1)), snapshot(policy))
}

/// The session of a login by [`subject`]`(number)`: no scope, no extra claims, an unknown device.
#[must_use]
pub fn login_of(number: u32) -> NewSession {
    NewSession::new(subject(number))
}
