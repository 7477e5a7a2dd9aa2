//! Tokens that were verified before, so that a token that comes with every request of its five
//! minutes is not verified every time.
//!
//! Only verified tokens enter, so nothing that a stranger sends can displace them. An entry says
//! that the signature and the claims were valid with a certain key set; times, the key set and the
//! status are checked again at every use. Tokens are found by their SHA-256: the cache does not keep
//! the tokens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aquaware_token::claims::BearerClaims;
use aquaware_token::jwt::{KeySet, TokenDigest, Verified};
use aquaware_token::status::StatusReference;

/// Maximum number of locks, so that threads rarely wait for each other.
const MAX_SHARDS: usize = 16;
/// Minimum number of tokens behind a lock.
const MIN_SHARD_TOKENS: usize = 64;

/// What is known about a token.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) claims: Arc<Verified<BearerClaims>>,
    /// Its entry in a status list, unless the verifier ignores the status.
    pub(crate) status: Option<StatusReference>,
    /// The key set with which it was verified.
    pub(crate) keys: Arc<KeySet>,
}

/// A bounded cache.
#[derive(Debug)]
pub(crate) struct TokenCache {
    shards: Box<[Mutex<Shard>]>,
    /// Maximum number of tokens in each generation of a shard.
    max: usize,
}

/// Two generations: a token that is used moves into the recent one. When that is full, it becomes
/// the older one, and what was not used for the time of a generation is dropped.
#[derive(Debug, Default)]
struct Shard {
    recent: HashMap<TokenDigest, Arc<Entry>>,
    older: HashMap<TokenDigest, Arc<Entry>>,
}

impl TokenCache {
    /// A cache of `tokens` tokens, rounded up; `None` for zero.
    pub(crate) fn new(tokens: usize) -> Option<Self> {
        let shards = (tokens / MIN_SHARD_TOKENS).clamp(1, MAX_SHARDS);
        let max = tokens.div_ceil(2 * shards);
        let shards = (0..shards).map(|_| Mutex::default()).collect();
        (tokens > 0).then_some(Self { shards, max })
    }

    pub(crate) fn get(&self, digest: &TokenDigest) -> Option<Arc<Entry>> {
        self.with_shard(digest, |shard, max| {
            if let Some(entry) = shard.recent.get(digest) {
                return Some(Arc::clone(entry));
            }
            let entry = shard.older.remove(digest)?;
            shard.insert(*digest, Arc::clone(&entry), max);
            Some(entry)
        })
    }

    pub(crate) fn insert(&self, digest: TokenDigest, entry: Arc<Entry>) {
        self.with_shard(&digest, |shard, max| {
            shard.older.remove(&digest);
            shard.insert(digest, entry, max);
            Some(())
        });
    }

    /// Drops a token that has become invalid.
    pub(crate) fn remove(&self, digest: &TokenDigest) {
        self.with_shard(digest, |shard, _| {
            shard.recent.remove(digest);
            shard.older.remove(digest)
        });
    }

    fn with_shard<T>(
        &self,
        digest: &TokenDigest,
        act: impl FnOnce(&mut Shard, usize) -> Option<T>,
    ) -> Option<T> {
        let shard = self.shards.get(usize::from(digest.first_byte()) % self.shards.len().max(1))?;
        // Each step leaves the maps consistent, so poisoning is ignored.
        act(&mut shard.lock().unwrap_or_else(PoisonError::into_inner), self.max)
    }
}

impl Shard {
    fn insert(&mut self, digest: TokenDigest, entry: Arc<Entry>, max: usize) {
        if self.recent.len() >= max && !self.recent.contains_key(&digest) {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(digest, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestIssuer;

    fn entry() -> Arc<Entry> {
        let issuer = TestIssuer::new();
        let claims = Arc::new(issuer.verifier().verify(&issuer.token().sign()).unwrap());
        Arc::new(Entry { claims, status: None, keys: Arc::default() })
    }

    fn digest(number: usize) -> TokenDigest {
        TokenDigest::of(&number.to_string())
    }

    fn len(cache: &TokenCache) -> usize {
        let shards = cache.shards.iter().map(|shard| shard.lock().unwrap());
        shards.map(|shard| shard.recent.len() + shard.older.len()).sum()
    }

    #[test]
    fn the_number_of_cached_tokens_is_bounded() {
        let entry = entry();
        for tokens in [1, 2, 63, 64, 1000, 4096] {
            let cache = TokenCache::new(tokens).unwrap();
            for number in 0..10_000 {
                cache.insert(digest(number), Arc::clone(&entry));
                assert!(len(&cache) <= tokens + 2 * MAX_SHARDS, "{tokens}");
            }
            assert!(len(&cache) >= tokens / 2, "{tokens}");
        }
        assert!(TokenCache::new(0).is_none());
    }

    #[test]
    fn a_token_in_use_survives_any_number_of_others() {
        let entry = entry();
        let cache = TokenCache::new(100).unwrap();
        cache.insert(digest(0), Arc::clone(&entry));
        for number in 1..10_000 {
            cache.insert(digest(number), Arc::clone(&entry));
            assert!(cache.get(&digest(0)).is_some(), "{number}");
        }
        assert!(cache.get(&digest(1)).is_none());
        cache.remove(&digest(0));
        assert!(cache.get(&digest(0)).is_none());
    }
}
