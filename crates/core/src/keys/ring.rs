//! All keys of an issuer, and which of them signs, checks or is published at a given instant.

use std::collections::HashMap;

use thiserror::Error;

use super::generate::generate;
use super::record::KeyRecord;
use super::rotation::{algorithm_of, waiting};
use crate::id::KeyId;
use crate::jwt::{
    Algorithm, KeyError, KeyGenerationError, Keys, PublicKey, SigningKey, TokenType, VerifyingKey,
};
use crate::policy::TokenPolicy;
use crate::random::Random;
use crate::time::{Leeway, Timestamp, expired};

/// Where a key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Published, not yet signing.
    Next,
    /// Signing.
    Active,
    /// Published, no longer signing; what it signed may still be in use.
    Retiring,
    /// Everything it signed is dead.
    Gone,
}

/// Records that don't make a ring.
#[derive(Debug, Error)]
pub enum RingError {
    /// A key that can't be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Two keys of one name.
    #[error("there are two keys named {0}")]
    Twice(KeyId),
    /// Nothing to sign with.
    #[error("there is no active key for {} tokens", .0.typ())]
    NoActive(TokenType),
}

#[derive(Debug)]
struct Entry {
    key: SigningKey,
    token_type: TokenType,
    active_from: Option<Timestamp>,
    /// When everything it signed is dead; never, as long as nothing follows it.
    gone_at: Option<Timestamp>,
}

/// The keys of an issuer: a snapshot that is replaced as a whole when records change.
#[derive(Debug)]
pub struct KeyRing {
    entries: HashMap<KeyId, Entry>,
    /// Names in the order in which they become active, per type.
    order: Vec<KeyId>,
}

impl KeyRing {
    /// The ring of these records, under a policy that says how long tokens live.
    ///
    /// # Errors
    /// [`RingError`] for unusable or weak keys, equal names, or when at `now` nothing could sign.
    pub fn new(
        records: &[KeyRecord],
        policy: &TokenPolicy,
        now: Timestamp,
    ) -> Result<Self, RingError> {
        let mut sorted: Vec<&KeyRecord> = records.iter().collect();
        sorted.sort_by(|a, b| (a.active_from, &a.kid).cmp(&(b.active_from, &b.kid)));
        let mut entries = HashMap::new();
        for record in &sorted {
            let entry = Entry {
                key: record.signing_key()?,
                token_type: record.token_type,
                active_from: record.active_from,
                gone_at: successor_of(record, &sorted)
                    .map(|next| next.plus(last_breath(record, policy))),
            };
            if entries.insert(record.kid.clone(), entry).is_some() {
                return Err(RingError::Twice(record.kid.clone()));
            }
        }
        let ring = Self { entries, order: sorted.iter().map(|r| r.kid.clone()).collect() };
        for token_type in [TokenType::Access, TokenType::Refresh] {
            ring.signing(token_type, now).ok_or(RingError::NoActive(token_type))?;
        }
        Ok(ring)
    }

    /// The key that signs tokens of this type at `now`. There is one, unless the clock went back
    /// to before the ring was made.
    #[must_use]
    pub fn signing(&self, token_type: TokenType, now: Timestamp) -> Option<&SigningKey> {
        let begun = |entry: &&Entry| entry.active_from.is_some_and(|from| from <= now);
        self.of_type(token_type).filter(begun).last().map(|entry| &entry.key)
    }

    /// The key that signs what others are to check at `now` (status lists): as a rule the one that
    /// signs access tokens; where that has become a shared secret, the last one before it whose
    /// tokens are still out. `None` where there is none.
    #[must_use]
    pub fn signing_for_others(&self, now: Timestamp) -> Option<&SigningKey> {
        let fit = |entry: &&Entry| {
            !entry.key.algorithm().is_symmetric()
                && entry.active_from.is_some_and(|from| from <= now)
                && self.phase_of(entry, now) != Phase::Gone
        };
        self.of_type(TokenType::Access).filter(fit).last().map(|entry| &entry.key)
    }

    /// What checks tokens of this type at `now`: every key but those that are gone.
    #[must_use]
    pub fn checking(&self, token_type: TokenType, now: Timestamp) -> impl Keys + '_ {
        Checking { ring: self, token_type, now }
    }

    /// The public keys to be published at `now`: next, active and retiring; no shared secret ever.
    pub fn published(&self, now: Timestamp) -> impl Iterator<Item = PublicKey> + '_ {
        self.of_type(TokenType::Access)
            .filter(move |entry| self.phase_of(entry, now) != Phase::Gone)
            .filter_map(|entry| PublicKey::of(&entry.key))
    }

    /// Where the key of that name stands at `now`.
    #[must_use]
    pub fn phase(&self, kid: &KeyId, now: Timestamp) -> Option<Phase> {
        self.entries.get(kid).map(|entry| self.phase_of(entry, now))
    }

    fn of_type(&self, token_type: TokenType) -> impl Iterator<Item = &Entry> {
        let named = self.order.iter().filter_map(|kid| self.entries.get(kid));
        named.filter(move |entry| entry.token_type == token_type)
    }

    fn phase_of(&self, entry: &Entry, now: Timestamp) -> Phase {
        let signs = |key: &SigningKey| key.kid() == entry.key.kid();
        if entry.active_from.is_none_or(|from| from > now) {
            Phase::Next
        } else if self.signing(entry.token_type, now).is_some_and(signs) {
            Phase::Active
        } else if entry.gone_at.is_some_and(|gone| expired(gone, Leeway::MAX, now)) {
            Phase::Gone
        } else {
            Phase::Retiring
        }
    }
}

struct Checking<'a> {
    ring: &'a KeyRing,
    token_type: TokenType,
    now: Timestamp,
}

impl Keys for Checking<'_> {
    fn verifying_key(&self, kid: &KeyId) -> Option<&VerifyingKey> {
        let entry = self.ring.entries.get(kid)?;
        let good = entry.token_type == self.token_type
            && self.ring.phase_of(entry, self.now) != Phase::Gone;
        good.then(|| entry.key.verifying_key())
    }
}

/// When the key after `record` takes over.
fn successor_of(record: &KeyRecord, sorted: &[&KeyRecord]) -> Option<Timestamp> {
    let from = record.active_from?;
    sorted
        .iter()
        .filter(|other| other.token_type == record.token_type && other.kid != record.kid)
        .filter_map(|other| {
            other.active_from.filter(|begins| (*begins, &other.kid) > (from, &record.kid))
        })
        .min()
}

/// How long after its successor took over the last token of a key dies.
fn last_breath(record: &KeyRecord, policy: &TokenPolicy) -> std::time::Duration {
    match record.token_type {
        TokenType::Access => policy.longest_access(),
        TokenType::Refresh => policy.longest_refresh(),
    }
}

/// The keys that must be written so that the ring can sign with `algorithm` at `now` and has a next
/// key of each type. Nothing is missing from a complete ring.
///
/// Where no key of the algorithm signs, one that waits is active at once, else a new one: on a
/// first start there is nobody to wait for, and after a change of algorithm the operator asked for
/// it.
///
/// # Errors
/// When a key can't be made.
pub fn missing(
    records: &[KeyRecord],
    algorithm: Algorithm,
    now: Timestamp,
    random: &dyn Random,
) -> Result<Vec<KeyRecord>, KeyGenerationError> {
    let mut missing = Vec::new();
    for token_type in [TokenType::Access, TokenType::Refresh] {
        let algorithm = algorithm_of(token_type, algorithm);
        let begun = |r: &KeyRecord| r.active_from.is_some_and(|from| from <= now);
        let signing = records
            .iter()
            .filter(|r| r.token_type == token_type && begun(r))
            .max_by_key(|r| (r.active_from, &r.kid));
        let mut next = waiting(records, token_type, algorithm, now);
        if signing.is_none_or(|r| r.algorithm != algorithm) {
            let first = match next.next() {
                Some(published) => published.clone(),
                None => generate(token_type, algorithm, now, random)?,
            };
            missing.push(KeyRecord { active_from: Some(now), ..first });
        }
        if next.next().is_none() {
            missing.push(generate(token_type, algorithm, now, random)?);
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests;
