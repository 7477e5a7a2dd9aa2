//! New key records.

use super::record::KeyRecord;
use crate::id::KeyId;
use crate::jwt::{Algorithm, KeyGenerationError, TokenType, generate_key};
use crate::random::Random;
use crate::time::Timestamp;

/// Generates a key with a random id of eight characters, not yet active.
///
/// # Errors
/// [`KeyGenerationError`] when the cryptographic library fails.
pub fn generate(
    token_type: TokenType,
    algorithm: Algorithm,
    now: Timestamp,
    random: &dyn Random,
) -> Result<KeyRecord, KeyGenerationError> {
    let material = generate_key(algorithm, random)?;
    let kid = KeyId::generate(random);
    Ok(KeyRecord { kid, token_type, algorithm, created_at: now, active_from: None, material })
}
