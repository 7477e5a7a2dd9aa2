//! Real password hashes at the lowest possible cost.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::SeededRandom;
use crate::password::{Check, EstablishError, HashCost, Overloaded, PasswordHasher, Worker};
use crate::secret::{Password, PasswordHash};
use crate::time::Timestamp;

/// Hashes on the calling thread, one password at a time. The default cost protects nothing, so that a
/// test takes microseconds; the hashes are real argon2 hashes.
#[derive(Debug)]
pub struct InlineHasher {
    worker: Mutex<Worker>,
    random: SeededRandom,
}

impl InlineHasher {
    /// A hasher of this cost that accepts passwords of eight or more code points.
    #[must_use]
    pub fn new(cost: HashCost) -> Self {
        Self { worker: Mutex::new(Worker::new(cost, 8)), random: SeededRandom::new(19) }
    }

    fn worker(&self) -> MutexGuard<'_, Worker> {
        self.worker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for InlineHasher {
    fn default() -> Self {
        Self::new(HashCost::new(8, 1, 1).unwrap_or_default())
    }
}

#[async_trait]
impl PasswordHasher for InlineHasher {
    async fn check(
        &self,
        password: &Password,
        against: Option<&PasswordHash>,
    ) -> Result<Check, Overloaded> {
        Ok(self.worker().check(password, against, &self.random))
    }

    async fn establish(
        &self,
        password: &Password,
        context: &[String],
        at: Timestamp,
    ) -> Result<PasswordHash, EstablishError> {
        let hash = self.worker().establish(password, context, at, &self.random);
        hash.map_err(EstablishError::Weak)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::block_on;

    #[test]
    fn hashes_are_real_and_cheap() {
        let hasher = InlineHasher::default();
        let password = Password::new("seven blue snails".to_owned());
        let hash = block_on(hasher.establish(&password, &[], Timestamp::from_seconds(1))).unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=8,t=1,p=1,"));
        assert!(block_on(hasher.check(&password, Some(&hash))).unwrap().matches);
        let wrong = Password::new("seven blue whales".to_owned());
        assert!(!block_on(hasher.check(&wrong, Some(&hash))).unwrap().matches);
    }
}
