//! Passwords: which are good enough, how they are hashed and checked.
//!
//! Everything here takes tens of milliseconds of a whole core and megabytes of memory, so it runs
//! where a bounded number of threads waits for it: behind [`PasswordHasher`], which a server
//! implements around one [`Worker`] per thread.

use std::fmt;

use argon2::password_hash::phc::{self, Output, ParamsString, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use async_trait::async_trait;
use subtle::ConstantTimeEq;
use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::{Zeroize as _, Zeroizing};
use zxcvbn::{Score, zxcvbn};

use crate::random::Random;
use crate::secret::{Password, PasswordHash};

/// What an argon2id hash costs (RFC 9106 §3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashCost(Params);

/// Costs that argon2 can't have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "argon2 needs memory_kib of at least 8 times parallelism, and iterations and parallelism of at least 1"
)]
pub struct InvalidCost;

impl HashCost {
    const OUTPUT: usize = 32;

    /// `memory_kib` KiB, filled `iterations` times, in `parallelism` lanes.
    ///
    /// # Errors
    /// [`InvalidCost`] outside what RFC 9106 allows.
    pub fn new(memory_kib: u32, iterations: u32, parallelism: u32) -> Result<Self, InvalidCost> {
        Params::new(memory_kib, iterations, parallelism, Some(Self::OUTPUT))
            .map(Self)
            .map_err(|_| InvalidCost)
    }
}

impl Default for HashCost {
    /// OWASP's minimum: 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self(Params::DEFAULT)
    }
}

/// Why a password is refused when it is set (NIST SP 800-63B-4 §3.1.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Weakness {
    /// Fewer code points than the policy asks for.
    #[error("has fewer than {0} characters")]
    TooShort(usize),
    /// More code points than anybody types.
    #[error("has more than {} characters", Worker::MAX_LENGTH)]
    TooLong,
    /// Among the passwords that are tried first.
    #[error("is among the first that anybody would guess")]
    Common,
    /// Made of what is known about the account.
    #[error("is too close to the e-mail address or the name of the account")]
    Derived,
}

/// What checking a password came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Check {
    /// Whether it is the right one.
    pub matches: bool,
    /// Its hash at today's cost, where the one checked against was made at another.
    pub rehashed: Option<PasswordHash>,
}

/// More checks are waiting than the bound allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many password checks are waiting")]
pub struct Overloaded;

/// Why a password wasn't set.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EstablishError {
    /// It isn't good enough, and why.
    #[error("the password is too weak")]
    Weak(Vec<Weakness>),
    /// Too much waits.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
}

/// Where passwords are hashed: off the threads that serve requests, bounded in number and memory.
#[async_trait]
pub trait PasswordHasher: Send + Sync + fmt::Debug {
    /// Checks `password` against a hash. Without one (nobody has that login) it takes the same
    /// time and never matches.
    async fn check(
        &self,
        password: &Password,
        against: Option<&PasswordHash>,
    ) -> Result<Check, Overloaded>;

    /// Hashes a new password, unless it is weak. `context` is what is known of the account.
    async fn establish(
        &self,
        password: &Password,
        context: &[String],
    ) -> Result<PasswordHash, EstablishError>;
}

/// One thread's hashing: its memory is kept from hash to hash, which halves the cost of one.
pub struct Worker {
    cost: HashCost,
    min_length: usize,
    blocks: Vec<Block>,
    decoy: PasswordHash,
}

impl Worker {
    /// The longest password taken, in code points.
    pub const MAX_LENGTH: usize = 512;
    /// No stored hash makes a worker take more memory than this: 1 GiB.
    const MOST_KIB: u32 = 1 << 20;

    /// A worker for hashes of this cost and passwords of at least `min_length` code points.
    #[must_use]
    pub fn new(cost: HashCost, min_length: usize) -> Self {
        let decoy = PasswordHash::new(format!(
            "$argon2id$v=19${}$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            cost.0
        ));
        // Memory comes with the first hash: a server that nobody logs in to stays small.
        Self { blocks: Vec::new(), cost, min_length, decoy }
    }

    /// See [`PasswordHasher::check`]. A stored text that is no argon2 hash never matches.
    pub fn check(
        &mut self,
        password: &Password,
        against: Option<&PasswordHash>,
        random: &dyn Random,
    ) -> Check {
        let decoy = self.decoy.clone();
        let stored = against.unwrap_or(&decoy);
        let Some((params, matches)) = self.matches(password, stored) else {
            // As slow as if it could be read.
            let _ = self.matches(password, &decoy);
            return Check::default();
        };
        let matches = matches && against.is_some();
        let outdated = matches && params != self.cost.0;
        let rehashed = if outdated { self.hash(password, random) } else { None };
        Check { matches, rehashed }
    }

    /// See [`PasswordHasher::establish`].
    ///
    /// # Errors
    /// Everything that makes the password weak.
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

    /// The parameters of `stored` and whether `password` is behind it; `None` if it can't be read.
    fn matches(&mut self, password: &Password, stored: &PasswordHash) -> Option<(Params, bool)> {
        let hash = phc::PasswordHash::new(stored.expose()).ok()?;
        let params = Params::try_from(&hash).ok()?;
        let readable = hash.algorithm == ARGON2ID_IDENT
            && hash.version.is_none_or(|version| version == u32::from(Version::V0x13))
            && params.m_cost() <= Self::MOST_KIB;
        let (salt, expected) = (hash.salt?, hash.hash.filter(|_| readable)?);
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
        let password = normalised(password);
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

/// NFC, so that a password is the same whichever keyboard composed it.
fn normalised(password: &Password) -> Zeroizing<String> {
    let mut text = String::with_capacity(password.expose().len() * 3);
    text.extend(password.expose().nfc());
    Zeroizing::new(text)
}

/// Everything that is wrong with `password`: length in code points, and what a guesser tries
/// within his first million guesses. No rules of composition.
fn weaknesses(password: &Password, min_length: usize, context: &[String]) -> Vec<Weakness> {
    let text = normalised(password);
    let length = text.chars().count();
    let mut found = Vec::new();
    if length < min_length {
        found.push(Weakness::TooShort(min_length));
    }
    if length > Worker::MAX_LENGTH {
        found.push(Weakness::TooLong);
        return found;
    }
    let mut words: Vec<String> = context.iter().flat_map(|text| words_of(text)).collect();
    let known: Vec<&str> = words.iter().map(String::as_str).collect();
    if zxcvbn(&text, &[]).score() < Score::Two {
        found.push(Weakness::Common);
    } else if zxcvbn(&text, &known).score() < Score::Two {
        found.push(Weakness::Derived);
    }
    words.zeroize();
    found
}

/// A name or address, whole and in its parts of three letters or more.
fn words_of(text: &str) -> Vec<String> {
    let whole = text.to_lowercase();
    let parts = whole.split(|c: char| !c.is_alphanumeric()).filter(|part| part.chars().count() > 2);
    let local = whole.split('@').next().unwrap_or_default();
    let joined: String = local.chars().filter(|c| c.is_alphanumeric()).collect();
    let mut words: Vec<String> = parts.map(str::to_owned).collect();
    words.extend([whole.clone(), joined]);
    words
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

    fn weak(text: &str, context: &[&str]) -> Vec<Weakness> {
        let context: Vec<String> = context.iter().map(|&word| word.to_owned()).collect();
        weaknesses(&password(text), 8, &context)
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
    fn nothing_matches_without_a_hash_or_with_a_broken_one() {
        let mut worker = worker();
        assert!(!worker.check(&password("x"), None, &SystemRandom).matches);
        for broken in
            ["", "plain", "$argon2id$v=19$m=64,t=1,p=1$AAAA", "$2b$12$abcdefghijklmnopqrstuv"]
        {
            let broken = PasswordHash::new(broken.to_owned());
            assert!(!worker.check(&password("x"), Some(&broken), &SystemRandom).matches);
        }
        let greedy = "$argon2id$v=19$m=4294967295,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let greedy = PasswordHash::new(greedy.to_owned());
        assert!(!worker.check(&password("x"), Some(&greedy), &SystemRandom).matches);
    }

    #[test]
    fn a_hash_of_another_cost_is_made_anew() {
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

    #[test]
    fn length_counts_code_points() {
        assert!(weak("häßlich", &[]).contains(&Weakness::TooShort(8)));
        // Seven code points of four bytes each.
        assert!(weak("🐠🐟🐡🦈🐙🐚🦀", &[]).contains(&Weakness::TooShort(8)));
        assert!(!weak("🐠🐟🐡🦈🐙🐚🦀🦑", &[]).contains(&Weakness::TooShort(8)));
        assert_eq!(weak(&"long ".repeat(103), &[]), [Weakness::TooLong]);
        assert!(weak(&"a".repeat(64), &[]).iter().all(|w| *w != Weakness::TooLong));
    }

    #[test]
    fn common_passwords_are_refused_and_composition_is_not_asked_for() {
        for common in
            ["password", "password1", "12345678", "qwertyuiop", "aaaaaaaaaaaa", "iloveyou"]
        {
            assert_eq!(weak(common, &[]), [Weakness::Common], "{common}");
        }
        for good in ["seven blue snails", "vqpxkzmwjt", "correct horse battery staple"] {
            assert_eq!(weak(good, &[]), [], "{good}");
        }
    }

    #[test]
    fn passwords_made_of_the_account_are_refused() {
        let context = ["hermione.waterford@example.com", "Hermione", "Waterford"];
        for derived in ["hermionewaterford", "hermione.waterford@example.com"] {
            assert_eq!(weak(derived, &context), [Weakness::Derived], "{derived}");
            assert_eq!(weak(derived, &[]), [], "{derived} is fine for somebody else");
        }
    }
}
