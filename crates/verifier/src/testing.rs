//! For the unit tests of services (feature `testing`): an issuer in memory, tokens good and bad,
//! and a clock moved by hand. No server, no network, no sleeping.
//!
//! Nothing here is fit for production.
//!
//! ```
//! use aquaware_verifier::testing::TestIssuer;
//! use std::time::Duration;
//!
//! let issuer = TestIssuer::new();
//! let verifier = issuer.verifier();
//!
//! let token = issuer.token().subject("ann").scope("tanks:read").sign();
//! assert_eq!(verifier.verify(&token)?.sub.as_str(), "ann");
//!
//! let doomed = issuer.token().status(7).sign();
//! assert!(verifier.verify(&doomed).is_ok());
//! issuer.revoke(7);
//! assert!(verifier.verify(&doomed).is_err());
//!
//! issuer.clock().advance(Duration::from_secs(3600));
//! assert!(verifier.verify(&token).is_err());
//! # Ok::<(), aquaware_verifier::Rejection>(())
//! ```
#![allow(
    clippy::expect_used,
    reason = "everything is made of constants that keep the rules; where one doesn't, the test that uses it must stop"
)]

mod status;
mod token;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use aquaware_token::id::KeyId;
use aquaware_token::jwt::{Algorithm, PublicKey, SigningKey, TokenType, generate_key};
use aquaware_token::random::SystemRandom;
pub use aquaware_token::status::StatusList;
pub use aquaware_token::testing::ManualClock;
use aquaware_token::time::{Clock, Timestamp};
use serde_json::json;

pub use self::status::TestStatusList;
pub use self::token::TestToken;
use crate::builder::Builder;
use crate::lists::{FixedLists, List};
use crate::verifier::Verifier;

/// Who a [`TestIssuer`] is.
pub const ISSUER: &str = "https://issuer.test";
/// Whom its tokens are for.
pub const AUDIENCE: &str = "service.test";
/// When its clock begins: 2026-09-21T14:13:20Z.
pub const START: Timestamp = Timestamp::from_seconds(1_790_000_000);
/// Where its status list is.
pub const STATUS_LIST: &str = "https://issuer.test/status-lists/0";
/// How many entries that has.
pub const STATUS_ENTRIES: u32 = 1024;

/// An issuer with a key of its own and a clock that stands still.
#[derive(Debug)]
pub struct TestIssuer {
    /// What signs access tokens, and the same key for refresh tokens, which no issuer would do.
    pub(crate) access: SigningKey,
    pub(crate) refresh: SigningKey,
    clock: Arc<ManualClock>,
    statuses: Arc<Statuses>,
}

/// What it says of its tokens, to its verifiers at once.
#[derive(Debug, Default)]
struct Statuses {
    revoked: Mutex<BTreeSet<u32>>,
    shown: FixedLists,
}

impl TestIssuer {
    /// An issuer with an Ed25519 key.
    #[must_use]
    pub fn new() -> Self {
        Self::signing_with(Algorithm::EdDsa)
    }

    /// An issuer with a key of `algorithm`. RSA keys take up to seconds to make.
    ///
    /// # Panics
    /// When no key can be made.
    #[must_use]
    pub fn signing_with(algorithm: Algorithm) -> Self {
        let issuer = Self::with(algorithm, Arc::new(ManualClock::new(START)), Arc::default());
        issuer.show();
        issuer
    }

    /// Another key of the same issuer, with the same clock and status list: after a rotation, or a stranger's.
    #[must_use]
    pub fn successor(&self) -> Self {
        let (clock, statuses) = (Arc::clone(&self.clock), Arc::clone(&self.statuses));
        Self::with(self.access.algorithm(), clock, statuses)
    }

    fn with(algorithm: Algorithm, clock: Arc<ManualClock>, statuses: Arc<Statuses>) -> Self {
        let material = generate_key(algorithm, &SystemRandom).expect("a key can be generated");
        let kid = KeyId::generate(&SystemRandom);
        let key = |token_type| {
            let key = SigningKey::new(kid.clone(), token_type, algorithm, &material);
            key.expect("a generated key is valid")
        };
        let (access, refresh) = (key(TokenType::Access), key(TokenType::Refresh));
        Self { access, refresh, clock, statuses }
    }

    /// Begins a token: good for [`AUDIENCE`] and five minutes, about `test-subject`, without scope.
    #[must_use]
    pub fn token(&self) -> TestToken<'_> {
        TestToken::new(self)
    }

    /// Revokes the tokens with this [`status`](TestToken::status), for its verifiers at once. Past
    /// [`STATUS_ENTRIES`] there are none.
    pub fn revoke(&self, idx: u32) {
        self.statuses.revoked.lock().unwrap_or_else(PoisonError::into_inner).insert(idx);
        self.show();
    }

    /// Begins the token of its status list: for [`STATUS_LIST`], with what is revoked so far, good
    /// for a day and with a `ttl` of 10 s.
    #[must_use]
    pub fn status_list(&self) -> TestStatusList<'_> {
        TestStatusList::new(self, self.entries())
    }

    fn entries(&self) -> StatusList {
        let revoked = self.statuses.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        StatusList::new(STATUS_ENTRIES, revoked.iter().copied())
    }

    fn show(&self) {
        let (entries, iat) = (self.entries(), self.clock.now());
        let list = List { entries, iat, exp: None, ttl: None, kid: self.kid().to_owned() };
        self.statuses.shown.put(STATUS_LIST, list);
    }

    /// What moves its time, and that of its [`verifier`](Self::verifier).
    #[must_use]
    pub const fn clock(&self) -> &Arc<ManualClock> {
        &self.clock
    }

    /// The name of its key.
    #[must_use]
    pub fn kid(&self) -> &str {
        self.access.kid().as_str()
    }

    /// The entry of its key in a key set.
    #[must_use]
    pub fn public_key(&self) -> serde_json::Value {
        json!(PublicKey::of(&self.access))
    }

    /// Its key set, as it would be published.
    #[must_use]
    pub fn key_set(&self) -> Vec<u8> {
        json!({ "keys": [self.public_key()] }).to_string().into_bytes()
    }

    /// A verifier of its tokens, which knows its key, its time and its status list, and fetches
    /// nothing.
    ///
    /// # Panics
    /// For an issuer with a shared secret, which nobody can publish.
    #[must_use]
    pub fn verifier(&self) -> Verifier {
        self.builder().key_set(&self.key_set()).expect("the key set was just made")
    }

    /// What [`verifier`](Self::verifier) begins with, for settings of your own.
    #[must_use]
    pub fn builder(&self) -> Builder {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let builder = Verifier::builder().issuer(ISSUER).audience(AUDIENCE).clock(clock);
        builder.sharing(self.statuses.shown.clone())
    }
}

impl Default for TestIssuer {
    fn default() -> Self {
        Self::new()
    }
}
