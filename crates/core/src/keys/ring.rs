//! All keys of an issuer, and which of them signs, verifies or is published at a given instant.

use std::collections::HashMap;

use thiserror::Error;

use super::generate::generate;
use super::record::KeyRecord;
use super::rotation::{algorithm_of, is_before, is_clock_behind, waiting};
use crate::id::KeyId;
use crate::jwt::{
    Algorithm, KeyError, KeyGenerationError, Keys, PublicKey, SigningKey, TokenType, VerifyingKey,
};
use crate::policy::TokenPolicy;
use crate::random::Random;
use crate::time::{Leeway, Timestamp, expired};

/// The phase of a key in its life cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Published, not yet signing.
    Next,
    /// Signing.
    Active,
    /// Published, no longer signing; tokens that it signed may still be valid.
    Retiring,
    /// Every token that it signed has expired.
    Gone,
}

/// The records do not form a usable key ring.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RingError {
    /// A key is unusable.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Two keys have the same id.
    #[error("two keys have the id {0}")]
    DuplicateId(KeyId),
    /// No key signs tokens of this type.
    #[error("there is no active key for {} tokens", .0.typ())]
    NoActive(TokenType),
}

#[derive(Debug)]
struct Entry {
    key: SigningKey,
    token_type: TokenType,
    created_at: Timestamp,
    active_from: Option<Timestamp>,
    /// When the last token that it signed expires; `None` until a successor takes over.
    gone_at: Option<Timestamp>,
}

/// The keys of an issuer. Immutable: replaced as a whole when the records change.
#[derive(Debug)]
pub struct KeyRing {
    entries: HashMap<KeyId, Entry>,
    /// Key ids in the order in which the keys become active, per type.
    order: Vec<KeyId>,
}

impl KeyRing {
    /// The ring of these records, under a policy that determines the lifetimes of tokens.
    ///
    /// # Errors
    /// [`RingError`] for unusable or weak keys, for duplicate ids, or if no key can sign at `now`,
    /// unless the clock is wrong.
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
                created_at: record.created_at,
                active_from: record.active_from,
                gone_at: successor_of(record, &sorted)
                    .map(|next| next.plus(max_lifetime(record, policy))),
            };
            if entries.insert(record.kid.clone(), entry).is_some() {
                return Err(RingError::DuplicateId(record.kid.clone()));
            }
        }
        let ring = Self { entries, order: sorted.iter().map(|r| r.kid.clone()).collect() };
        if !is_clock_behind(records, now) {
            for token_type in [TokenType::Access, TokenType::Refresh] {
                ring.signing(token_type, now).ok_or(RingError::NoActive(token_type))?;
            }
        }
        Ok(ring)
    }

    /// The key that signs tokens of this type at `now`. `None` only if the clock is wrong: it is
    /// before the ring was created, or more than [`MAX_CLOCK_LAG`](super::MAX_CLOCK_LAG) before the
    /// creation of the key.
    #[must_use]
    pub fn signing(&self, token_type: TokenType, now: Timestamp) -> Option<&SigningKey> {
        let active = self.active(token_type, now)?;
        Some(&active.key).filter(|_| !is_before(active.created_at, now))
    }

    fn active(&self, token_type: TokenType, now: Timestamp) -> Option<&Entry> {
        let begun = |entry: &&Entry| entry.active_from.is_some_and(|from| from <= now);
        self.of_type(token_type).filter(begun).last()
    }

    /// The key that signs documents which others verify, such as status lists, at `now`: normally the
    /// one that signs access tokens. If that is a shared secret, it is the latest asymmetric key with
    /// tokens that may still be valid.
    #[must_use]
    pub fn signing_for_others(&self, now: Timestamp) -> Option<&SigningKey> {
        let fit = |entry: &&Entry| {
            !entry.key.algorithm().is_symmetric()
                && entry.active_from.is_some_and(|from| from <= now)
                && !is_before(entry.created_at, now)
                && self.phase_of(entry, now) != Phase::Gone
        };
        self.of_type(TokenType::Access).filter(fit).last().map(|entry| &entry.key)
    }

    /// The keys that verify tokens of this type at `now`: all but those that are gone.
    #[must_use]
    pub fn checking(&self, token_type: TokenType, now: Timestamp) -> impl Keys + '_ {
        Checking { ring: self, token_type, now }
    }

    /// The public keys to be published at `now`: next, active and retiring. Never a shared secret.
    pub fn published(&self, now: Timestamp) -> impl Iterator<Item = PublicKey> + '_ {
        self.of_type(TokenType::Access)
            .filter(move |entry| self.phase_of(entry, now) != Phase::Gone)
            .filter_map(|entry| PublicKey::of(&entry.key))
    }

    /// The phase of the key `kid` at `now`.
    #[must_use]
    pub fn phase(&self, kid: &KeyId, now: Timestamp) -> Option<Phase> {
        self.entries.get(kid).map(|entry| self.phase_of(entry, now))
    }

    /// The type, the phase at `now` and the time of creation of each key that is not gone.
    pub fn phases(
        &self,
        now: Timestamp,
    ) -> impl Iterator<Item = (TokenType, Phase, Timestamp)> + '_ {
        let phases = self.entries.values().map(move |it| (it, self.phase_of(it, now)));
        phases
            .filter(|(_, phase)| *phase != Phase::Gone)
            .map(|(entry, phase)| (entry.token_type, phase, entry.created_at))
    }

    fn of_type(&self, token_type: TokenType) -> impl Iterator<Item = &Entry> {
        let named = self.order.iter().filter_map(|kid| self.entries.get(kid));
        named.filter(move |entry| entry.token_type == token_type)
    }

    fn phase_of(&self, entry: &Entry, now: Timestamp) -> Phase {
        let signs = |active: &Entry| active.key.kid() == entry.key.kid();
        if entry.active_from.is_none_or(|from| from > now) {
            Phase::Next
        } else if self.active(entry.token_type, now).is_some_and(signs) {
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
        let usable = entry.token_type == self.token_type
            && self.ring.phase_of(entry, self.now) != Phase::Gone;
        usable.then(|| entry.key.verifying_key())
    }
}

/// When the successor of `record` takes over.
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

/// How long after a key was succeeded its last token expires.
fn max_lifetime(record: &KeyRecord, policy: &TokenPolicy) -> std::time::Duration {
    match record.token_type {
        TokenType::Access => policy.max_access_lifetime(),
        TokenType::Refresh => policy.max_refresh_lifetime(),
    }
}

/// The keys to be written so that the ring can sign with `algorithm` at `now` and has a next key of
/// each type. Empty for a complete ring.
///
/// If no key of the algorithm signs yet, a waiting or else a new one becomes active at once: on a
/// first start no verifier has an older key set, and a change of algorithm is the operator's decision.
///
/// # Errors
/// [`KeyGenerationError`] if a key cannot be generated.
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
