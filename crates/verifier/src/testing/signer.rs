//! The identity of a [`TestIssuer`](crate::testing::TestIssuer), and what signs its tokens.

use std::sync::Arc;

use aquaware_token::id::KeyId;
use aquaware_token::jwt::{Algorithm, SigningKey, TokenType, generate_key};
use aquaware_token::random::SystemRandom;
use aquaware_token::testing::ManualClock;
use aquaware_token::time::Timestamp;

/// The issuer.
pub const ISSUER: &str = "https://issuer.test";
/// The audience of its tokens.
pub const AUDIENCE: &str = "service.test";
/// The initial time of its clock: 2026-09-21T14:13:20Z.
pub const START: Timestamp = Timestamp::from_seconds(1_790_000_000);
/// The URI of its status list.
pub const STATUS_LIST: &str = "https://issuer.test/status-lists/0";
/// The number of entries in its status list.
pub const STATUS_ENTRIES: u32 = 1024;

#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) access: SigningKey,
    /// The same key for refresh tokens, which no real issuer would use.
    pub(crate) refresh: SigningKey,
    pub(crate) clock: Arc<ManualClock>,
}

impl Signer {
    pub(crate) fn new(algorithm: Algorithm, clock: Arc<ManualClock>) -> Self {
        let material = generate_key(algorithm, &SystemRandom).expect("a key can be generated");
        let kid = KeyId::generate(&SystemRandom);
        let key = |token_type| {
            let key = SigningKey::new(kid.clone(), token_type, algorithm, &material);
            key.expect("a generated key is valid")
        };
        Self { access: key(TokenType::Access), refresh: key(TokenType::Refresh), clock }
    }
}
