//! One thread's hashing: argon2id for new hashes, and the check of stored hashes in every format.

use std::fmt;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use argon2::password_hash::phc::{self, Output, ParamsString, Salt};
use argon2::{
    ARGON2ID_IDENT, Algorithm, Argon2, AssociatedData, Block, Params, ParamsBuilder, Version,
};
use aws_lc_rs::{digest, pbkdf2};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use super::screening::{normalized, weaknesses};
use super::stored::{BcryptInput, StoredHash, set_at, set_at_data};
use super::{Check, Weakness};
use crate::random::Random;
use crate::secret::{Password, PasswordHash};
use crate::time::Timestamp;

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

    /// The parameters of a hash with this associated data.
    fn with_data(&self, data: &[u8]) -> Option<Params> {
        let mut builder = ParamsBuilder::new();
        builder.m_cost(self.0.m_cost()).t_cost(self.0.t_cost()).p_cost(self.0.p_cost());
        builder.output_len(Self::OUTPUT).data(AssociatedData::new(data).ok()?);
        builder.build().ok()
    }

    fn is_of(&self, params: &Params) -> bool {
        let cost = |it: &Params| (it.m_cost(), it.t_cost(), it.p_cost());
        cost(params) == cost(&self.0) && params.output_len() == Some(Self::OUTPUT)
    }
}

impl Default for HashCost {
    /// OWASP's minimum: 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self(Params::DEFAULT)
    }
}

/// Checks that need more memory than this (128 MiB) run one at a time, so that a few logins with costly
/// imported hashes cannot use up the machine's memory.
const LARGE_KIB: u64 = 128 << 10;
static LARGE: Mutex<()> = Mutex::new(());

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

    /// See [`PasswordHasher::check`](super::PasswordHasher::check). A stored hash that
    /// [`check_hash`](super::check_hash) rejects never matches.
    pub fn check(
        &mut self,
        password: &Password,
        against: Option<&PasswordHash>,
        random: &dyn Random,
    ) -> Check {
        let decoy = self.decoy.clone();
        let stored = against.unwrap_or(&decoy);
        let Some((is_current, matches)) = self.matches(password, stored) else {
            // Takes as long as checking a readable hash.
            let _ = self.matches(password, &decoy);
            return Check::default();
        };
        let matches = matches && against.is_some();
        let outdated = matches && !is_current;
        let rehashed = if outdated { self.rehash(password, stored, random) } else { None };
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
        at: Timestamp,
        random: &dyn Random,
    ) -> Result<PasswordHash, Vec<Weakness>> {
        let weaknesses = weaknesses(password, self.min_length, context);
        if !weaknesses.is_empty() {
            return Err(weaknesses);
        }
        let hash = self.hash(password, &set_at_data(at), random);
        hash.ok_or_else(|| vec![Weakness::TooLong])
    }

    /// Another hash of the same password, which was not set now.
    fn rehash(
        &mut self,
        password: &Password,
        stored: &PasswordHash,
        random: &dyn Random,
    ) -> Option<PasswordHash> {
        let set_at = set_at(stored).map(set_at_data).unwrap_or_default();
        self.hash(password, &set_at, random)
    }

    fn hash(
        &mut self,
        password: &Password,
        data: &[u8],
        random: &dyn Random,
    ) -> Option<PasswordHash> {
        let mut salt = [0; 16];
        random.fill(&mut salt);
        let params = self.cost.with_data(data)?;
        let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
        let argon2 = Argon2::new(algorithm, version, params.clone());
        let password = normalized(password);
        let output = self.argon2(&argon2, password.as_bytes(), &salt, HashCost::OUTPUT)?;
        let hash = phc::PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(version.into()),
            params: ParamsString::try_from(&params).ok()?,
            salt: Some(Salt::new(&salt).ok()?),
            hash: Some(Output::new(&output).ok()?),
        };
        Some(PasswordHash::new(hash.to_string()))
    }

    /// Whether `stored` has the current format and cost, and whether it is the hash of `password`; `None`
    /// if it cannot be checked.
    ///
    /// Other systems hash a password as it was typed. Where that differs from the normal form, both are
    /// tried.
    fn matches(&mut self, password: &Password, stored: &PasswordHash) -> Option<(bool, bool)> {
        let stored = StoredHash::parse(stored).ok()?;
        let large = stored.kib() > LARGE_KIB;
        let _one_at_a_time = large.then(|| LARGE.lock().unwrap_or_else(PoisonError::into_inner));
        let normal = normalized(password);
        let mut matches = self.matches_bytes(normal.as_bytes(), &stored)?;
        if !matches && normal.as_str() != password.expose() {
            matches = self.matches_bytes(password.expose().as_bytes(), &stored)?;
        }
        // The memory of a costly hash is not kept.
        let own = self.cost.0.block_count();
        if self.blocks.len() > own {
            self.blocks.truncate(own);
            self.blocks.shrink_to_fit();
        }
        Some((self.is_current(&stored), matches))
    }

    fn is_current(&self, stored: &StoredHash) -> bool {
        match stored {
            StoredHash::Argon2 { algorithm, version, params, .. } => {
                let current = (Algorithm::Argon2id, Version::V0x13);
                (*algorithm, *version) == current && self.cost.is_of(params)
            }
            _ => false,
        }
    }

    fn matches_bytes(&mut self, password: &[u8], stored: &StoredHash) -> Option<bool> {
        match stored {
            StoredHash::Argon2 { algorithm, version, params, salt, output } => {
                let argon2 = Argon2::new(*algorithm, *version, params.clone());
                let found = self.argon2(&argon2, password, salt, output.len())?;
                Some(found.as_slice().ct_eq(output).into())
            }
            StoredHash::Scrypt { params, salt, output } => {
                let mut found = Zeroizing::new(vec![0; output.len()]);
                scrypt::scrypt(password, salt, params, &mut found).ok()?;
                Some(found.as_slice().ct_eq(output).into())
            }
            StoredHash::Bcrypt { cost, salt, output, input } => {
                let found = match input {
                    BcryptInput::Password => bcrypt(*cost, salt, password),
                    BcryptInput::Sha256Hex => bcrypt(*cost, salt, sha256_hex(password).as_bytes()),
                };
                Some(found.as_slice().get(..output.len())?.ct_eq(output).into())
            }
            StoredHash::Pbkdf2 { algorithm, iterations, salt, output } => {
                Some(pbkdf2::verify(*algorithm, *iterations, salt, password, output).is_ok())
            }
        }
    }

    fn argon2(
        &mut self,
        argon2: &Argon2<'_>,
        password: &[u8],
        salt: &[u8],
        length: usize,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let mut output = Zeroizing::new(vec![0; length]);
        let needed = argon2.params().block_count();
        self.blocks.resize(needed.max(self.cost.0.block_count()), Block::default());
        let memory = self.blocks.get_mut(..needed)?;
        argon2.hash_password_into_with_memory(password, salt, &mut output, memory).ok()?;
        Some(output)
    }
}

/// bcrypt of the first 72 bytes. A shorter password ends with a NUL, as in C.
fn bcrypt(cost: u32, salt: &[u8; 16], password: &[u8]) -> Zeroizing<[u8; 24]> {
    const MAX: usize = 72;
    let mut input = Zeroizing::new([0; MAX]);
    input.iter_mut().zip(password).for_each(|(to, from)| *to = *from);
    let length = password.len().saturating_add(1).min(MAX);
    Zeroizing::new(bcrypt::bcrypt(cost, *salt, input.get(..length).unwrap_or(&input[..])))
}

/// The SHA-256 of `bytes` in lower-case hexadecimal digits.
fn sha256_hex(bytes: &[u8]) -> Zeroizing<String> {
    let hash = digest::digest(&digest::SHA256, bytes);
    let mut hex = Zeroizing::new(String::with_capacity(64));
    for byte in hash.as_ref() {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
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

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_123);

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
            worker.establish(&password("blaue M\u{f6}we fliegt"), &[], NOW, &SystemRandom).unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=64,t=1,p=1,data=c2V0"));
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
            assert!(!worker.check(&password("x"), Some(&broken), &SystemRandom).matches);
        }
        let greedy = "$argon2id$v=19$m=4294967295,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let greedy = PasswordHash::new(greedy.to_owned());
        assert!(!worker.check(&password("x"), Some(&greedy), &SystemRandom).matches);
    }

    /// Hashes of "seven blue snails", made by Django 5.2, passlib 1.7, argon2-cffi 25 and bcrypt 5.
    const FOREIGN: [&str; 22] = [
        "pbkdf2_sha256$1000$saltysalt1234$zyK78uCmTjT+wHqtCeLipWrdEfTnJ5AJ0MQXm949xVQ=",
        "pbkdf2_sha1$1000$saltysalt1234$yQMZurO0Bf3fOvrdkAu5lKxqbwk=",
        "argon2$argon2id$v=19$m=64,t=1,p=8$c2FsdHlzYWx0MTIzNA$GOeAfcaiYoaLLM9vvdng5LG3jwtU9JNsLDiN/rYilMQ",
        "bcrypt_sha256$$2b$04$FvGuLON0.onKJzEotCSusOBFODSIb03cjg9fti0mu9sl1v7xIcth2",
        "bcrypt$$2b$04$qqWDJozbY.M8z8Rt569Nj.8l6AuuCLah1AsPZr6j3zaRrCKPnLu2y",
        "scrypt$16$saltysalt1234$8$2$C10PI9zTitsg6dmJso6zfKnvBjyzgP/ZtXFvo2GFjKhUncpu1fnHAIQONpJ35XDp3NgXSQ8188DBCxBl6g9/UQ==",
        "$2a$04$D4Q1732aXxLcjuYXS2UNUunSP560elMKwWgx9p7xouiC675nCIPIK",
        "$2b$04$nSbxrtiGkJk1QmHT5x4bKeLEAuBTVhYA9hHQrFk6S9Yowf.RB3A.m",
        "$2y$04$nSbxrtiGkJk1QmHT5x4bKeLEAuBTVhYA9hHQrFk6S9Yowf.RB3A.m",
        "$pbkdf2-sha256$1000$IySktLb2Xgsh5Pzf2xsjJA$lke.yi9DqiOhMVyNE6N.XQ1RQY8I56VHWcQnw/PBj7w",
        "$pbkdf2-sha512$1000$zvl/L6XUute6VyoFwNj7nw$0.50zGRT7XusYPVehB65uQAuN7/MkK94cjZUpkY/v09ZSjYdOLu3YxVKY1rZdqeOqnJJfhsfKLz8QytCrHQqDw",
        "$pbkdf2$1000$.n9v7R2j9N5by/l/D6H0/g$0ua/9o7lcVxq5aGpdYZgojXSvj4",
        "$pbkdf2-sha256$i=1000,l=32$c2FsdHlzYWx0MTIzNDU2Nw$mjqSSyom/uiJVa90heMb4Jid8SZo9M9Lsba0t9tmG3s",
        "$pbkdf2-sha512$i=1000$c2FsdHlzYWx0MTIzNDU2Nw$6mwUhdyoob9KaiMLRhDMqoeeV452+YVAr6kVCSS1BRIEqw775WQQyPyKCrIH1+4jlJ6Mc6XUE+xe3Zx28J/nIQ",
        "$scrypt$ln=4,r=8,p=2$ynlv7f0/p5Qyxvj/v3eOMQ$vEunhW/CZ+uc460fYH3OCI4rtC9TQ5vZQVjFVFF56Gg",
        "$argon2id$v=19$m=64,t=1,p=2$LQj7sm3EiLRLCvUUwd2BnA$vihr9qcYXycxDBJ4Xz94hU+ebVzJdAxDgFesxytCNgc",
        "$argon2i$v=19$m=64,t=1,p=2$pm2XER31C3gDOn4g9xdNJg$27U11/cwyFPE/Fx4QMOMaFYGh3vJgQzC4gXDRQgDS7o",
        "$argon2d$v=19$m=64,t=1,p=2$s3DZ+NEz73/4mECCLgwyiQ$vQ9pRtyQXhheOfquHmkruWLlCc04X4/lSvvkuNQ052E",
        "$argon2i$v=16$m=64,t=2,p=1$c2FsdHlzYWx0MTIzNDU2Nw$HoKHRkjvepMAayGR+hZrZcVDxsRoalSlYlOm9Z3AUS8",
        "$argon2i$m=64,t=2,p=1$c2FsdHlzYWx0MTIzNDU2Nw$HoKHRkjvepMAayGR+hZrZcVDxsRoalSlYlOm9Z3AUS8",
        "argon2$argon2i$v=19$m=64,t=1,p=2$pm2XER31C3gDOn4g9xdNJg$27U11/cwyFPE/Fx4QMOMaFYGh3vJgQzC4gXDRQgDS7o",
        "$argon2id$v=19$m=64,t=1,p=8$c2FsdHlzYWx0MTIzNA$GOeAfcaiYoaLLM9vvdng5LG3jwtU9JNsLDiN/rYilMQ",
    ];

    #[test]
    fn hashes_of_other_systems_match_and_are_replaced_by_argon2id() {
        let mut worker = worker();
        for text in FOREIGN {
            let stored = PasswordHash::new(text.to_owned());
            let mut check = |text| worker.check(&password(text), Some(&stored), &SystemRandom);
            for wrong in ["seven blue snail", "seven blue snails ", "Seven blue snails", ""] {
                assert_eq!(check(wrong), Check::default(), "{text} and {wrong:?}");
            }
            let Check { matches: true, rehashed: Some(new) } = check("seven blue snails") else {
                panic!("{text}");
            };
            assert!(new.expose().starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{text}");
            assert_eq!(set_at(&new), None, "it was set elsewhere");
            let again = worker.check(&password("seven blue snails"), Some(&new), &SystemRandom);
            assert_eq!(again, Check { matches: true, rehashed: None }, "{text}");
        }
    }

    #[test]
    fn a_hash_of_another_system_matches_the_password_as_typed_or_in_normal_form() {
        let composed =
            "pbkdf2_sha256$1000$saltysalt1234$QjyityLXEew1WDYFKJ5kFq6GH8Qv/nPI3MRVSOBzcb8=";
        // The same with a decomposed vowel.
        let decomposed =
            "pbkdf2_sha256$1000$saltysalt1234$Kxa1TZA//5DPhWZX4CMpUB9b2MkzQDmV/OO9Ri5RiJo=";
        let check = |text, hash: &str| {
            let stored = PasswordHash::new(hash.to_owned());
            worker().check(&password(text), Some(&stored), &SystemRandom).matches
        };
        assert!(check("blaue M\u{f6}we fliegt", composed));
        assert!(check("blaue Mo\u{308}we fliegt", composed));
        assert!(check("blaue Mo\u{308}we fliegt", decomposed));
    }

    #[test]
    fn bcrypt_reads_the_first_72_bytes() {
        let stored = "$2b$04$mELqnhy2tFC0XbCau..9sezFGq7btSi8qiuR3SJwVHPAQKKkzf/1m";
        let stored = PasswordHash::new(stored.to_owned());
        let matches = |length| {
            worker().check(&password(&"x".repeat(length)), Some(&stored), &SystemRandom).matches
        };
        assert!(matches(72) && matches(73) && matches(500));
        assert!(!matches(71));
    }

    #[test]
    fn an_account_without_a_password_matches_nothing() {
        for text in ["!", "!JvnukFTXw3VVGhO2Dda98TAtvKVkrMD9cYBEhdym"] {
            let stored = PasswordHash::new(text.to_owned());
            assert!(super::super::is_unusable(&stored));
            for tried in ["", "!", text] {
                let check = worker().check(&password(tried), Some(&stored), &SystemRandom);
                assert_eq!(check, Check::default(), "{text}");
            }
        }
    }

    #[test]
    fn the_memory_of_a_costly_hash_is_not_kept() {
        let mut worker = worker();
        let costly = "$argon2id$v=19$m=4096,t=1,p=1$c2FsdHlzYWx0MTIzNDU2Nw$HoKHRkjvepMAayGR+hZrZcVDxsRoalSlYlOm9Z3AUS8";
        let costly = PasswordHash::new(costly.to_owned());
        assert!(!worker.check(&password("x"), Some(&costly), &SystemRandom).matches);
        assert_eq!(worker.blocks.len(), worker.cost.0.block_count());
    }

    #[test]
    fn a_hash_of_another_cost_is_replaced() {
        let hash =
            worker().establish(&password("seven blue snails"), &[], NOW, &SystemRandom).unwrap();
        let mut dearer = Worker::new(HashCost::new(128, 2, 1).unwrap(), 8);
        let check = dearer.check(&password("seven blue snails"), Some(&hash), &SystemRandom);
        let rehashed = check.rehashed.unwrap();
        assert!(rehashed.expose().contains("m=128,t=2"));
        assert!(
            dearer.check(&password("seven blue snails"), Some(&rehashed), &SystemRandom).matches
        );
        assert_eq!(dearer.check(&password("wrong"), Some(&hash), &SystemRandom), Check::default());
        assert_eq!(set_at(&hash), Some(NOW));
        assert_eq!(set_at(&rehashed), Some(NOW), "the password is as old as before");
    }
}
