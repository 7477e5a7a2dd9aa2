//! One thread's hashing with argon2id.

use std::fmt;

use argon2::password_hash::phc::{self, Output, ParamsString, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use super::screening::{normalized, weaknesses};
use super::{Check, Weakness};
use crate::random::Random;
use crate::secret::{Password, PasswordHash};

/// The cost of an argon2id hash (RFC 9106 §3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashCost(Params);

/// The cost parameters are outside the range of argon2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "argon2 requires memory_kib of at least 8 times parallelism, and iterations and parallelism of at least 1"
)]
pub struct InvalidCostError;

impl HashCost {
    const OUTPUT: usize = 32;

    /// `memory_kib` KiB, filled `iterations` times, in `parallelism` lanes.
    ///
    /// # Errors
    /// [`InvalidCostError`] outside what RFC 9106 allows.
    pub fn new(
        memory_kib: u32,
        iterations: u32,
        parallelism: u32,
    ) -> Result<Self, InvalidCostError> {
        Params::new(memory_kib, iterations, parallelism, Some(Self::OUTPUT))
            .map(Self)
            .map_err(|_| InvalidCostError)
    }
}

impl Default for HashCost {
    /// OWASP's minimum: 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self(Params::DEFAULT)
    }
}

/// Whether a [`Worker`] can check passwords against `stored`: a complete argon2id hash in PHC format
/// that needs at most 1 GiB.
#[must_use]
pub fn is_supported(stored: &PasswordHash) -> bool {
    StoredHash::parse(stored).is_some()
}

/// The parts of a stored argon2id hash.
struct StoredHash {
    params: Params,
    salt: Salt,
    output: Output,
}

impl StoredHash {
    /// Stored hashes that need more memory than this (1 GiB) are rejected.
    const MAX_KIB: u32 = 1 << 20;

    fn parse(stored: &PasswordHash) -> Option<Self> {
        let hash = phc::PasswordHash::new(stored.expose()).ok()?;
        let params = Params::try_from(&hash).ok()?;
        let supported = hash.algorithm == ARGON2ID_IDENT
            && hash.version.is_none_or(|version| version == u32::from(Version::V0x13))
            && params.m_cost() <= Self::MAX_KIB;
        Some(Self { params, salt: hash.salt?, output: hash.hash.filter(|_| supported)? })
    }
}

/// The hashing of one thread. Its memory is reused from hash to hash, which halves the time of each.
pub struct Worker {
    cost: HashCost,
    min_length: usize,
    blocks: Vec<Block>,
    decoy: PasswordHash,
}

impl Worker {
    /// A worker for hashes of this cost and passwords of at least `min_length` code points.
    #[must_use]
    pub fn new(cost: HashCost, min_length: usize) -> Self {
        let decoy = PasswordHash::new(format!(
            "$argon2id$v=19${}$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            cost.0
        ));
        // The memory is allocated for the first hash, so a server without logins stays small.
        Self { blocks: Vec::new(), cost, min_length, decoy }
    }

    /// See [`PasswordHasher::check`](super::PasswordHasher::check). A stored text that is not an
    /// argon2id hash never matches.
    pub fn check(
        &mut self,
        password: &Password,
        against: Option<&PasswordHash>,
        random: &dyn Random,
    ) -> Check {
        let decoy = self.decoy.clone();
        let stored = against.unwrap_or(&decoy);
        let Some((params, matches)) = self.matches(password, stored) else {
            // Takes as long as checking a readable hash.
            let _ = self.matches(password, &decoy);
            return Check::default();
        };
        let matches = matches && against.is_some();
        let outdated = matches && params != self.cost.0;
        let rehashed = if outdated { self.hash(password, random) } else { None };
        Check { matches, rehashed }
    }

    /// See [`PasswordHasher::establish`](super::PasswordHasher::establish).
    ///
    /// # Errors
    /// Every reason why the password is weak.
    pub fn establish(
        &mut self,
        password: &Password,
        context: &[String],
        random: &dyn Random,
    ) -> Result<PasswordHash, Vec<Weakness>> {
        let weaknesses = weaknesses(password, self.min_length, context);
        if !weaknesses.is_empty() {
            return Err(weaknesses);
        }
        self.hash(password, random).ok_or_else(|| vec![Weakness::TooLong])
    }

    fn hash(&mut self, password: &Password, random: &dyn Random) -> Option<PasswordHash> {
        let mut salt = [0; 16];
        random.fill(&mut salt);
        let params = self.cost.0.clone();
        let output = self.argon2(&params, password, &salt, HashCost::OUTPUT)?;
        let hash = phc::PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params).ok()?,
            salt: Some(Salt::new(&salt).ok()?),
            hash: Some(Output::new(&output).ok()?),
        };
        Some(PasswordHash::new(hash.to_string()))
    }

    /// The parameters of `stored` and whether it is the hash of `password`; `None` if it cannot be
    /// parsed.
    fn matches(&mut self, password: &Password, stored: &PasswordHash) -> Option<(Params, bool)> {
        let StoredHash { params, salt, output: expected } = StoredHash::parse(stored)?;
        let output = self.argon2(&params, password, &salt, expected.len())?;
        Some((params, output.as_slice().ct_eq(expected.as_bytes()).into()))
    }

    fn argon2(
        &mut self,
        params: &Params,
        password: &Password,
        salt: &[u8],
        length: usize,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let mut output = Zeroizing::new(vec![0; length]);
        let needed = params.block_count();
        self.blocks.resize(needed.max(self.cost.0.block_count()), Block::default());
        let memory = self.blocks.get_mut(..needed)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let password = normalized(password);
        argon2
            .hash_password_into_with_memory(password.as_bytes(), salt, &mut output, memory)
            .ok()?;
        Some(output)
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("cost", &self.cost).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    fn worker() -> Worker {
        Worker::new(HashCost::new(64, 1, 1).unwrap(), 8)
    }

    fn password(text: &str) -> Password {
        Password::new(text.to_owned())
    }

    #[test]
    fn a_password_matches_its_own_hash_in_any_composition() {
        let mut worker = worker();
        let hash =
            worker.establish(&password("blaue M\u{f6}we fliegt"), &[], &SystemRandom).unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
        let mut check = |text| worker.check(&password(text), Some(&hash), &SystemRandom);
        assert_eq!(check("blaue Mo\u{308}we fliegt"), Check { matches: true, rehashed: None });
        assert!(!check("blaue Mowe fliegt").matches);
        assert!(!check("").matches);
    }

    #[test]
    fn nothing_matches_without_a_valid_hash() {
        let mut worker = worker();
        assert!(!worker.check(&password("x"), None, &SystemRandom).matches);
        for broken in
            ["", "plain", "$argon2id$v=19$m=64,t=1,p=1$AAAA", "$2b$12$abcdefghijklmnopqrstuv"]
        {
            let broken = PasswordHash::new(broken.to_owned());
            assert!(!is_supported(&broken));
            assert!(!worker.check(&password("x"), Some(&broken), &SystemRandom).matches);
        }
        let greedy = "$argon2id$v=19$m=4294967295,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let greedy = PasswordHash::new(greedy.to_owned());
        assert!(!worker.check(&password("x"), Some(&greedy), &SystemRandom).matches);
    }

    #[test]
    fn a_hash_of_another_cost_is_replaced() {
        let hash = worker().establish(&password("seven blue snails"), &[], &SystemRandom).unwrap();
        let mut dearer = Worker::new(HashCost::new(128, 2, 1).unwrap(), 8);
        let check = dearer.check(&password("seven blue snails"), Some(&hash), &SystemRandom);
        let rehashed = check.rehashed.unwrap();
        assert!(rehashed.expose().contains("m=128,t=2"));
        assert!(
            dearer.check(&password("seven blue snails"), Some(&rehashed), &SystemRandom).matches
        );
        assert_eq!(dearer.check(&password("wrong"), Some(&hash), &SystemRandom), Check::default());
    }
}
