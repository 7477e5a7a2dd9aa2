//! Rotation of keys, on schedule ([`due`]) or by hand ([`rotate`], [`withdraw`]). These are pure
//! functions of the records; the caller writes the records that they return.

use std::time::Duration;

use super::generate::generate;
use super::record::KeyRecord;
use crate::id::KeyId;
use crate::jwt::{Algorithm, KeyGenerationError, TokenType};
use crate::random::Random;
use crate::time::{Leeway, Timestamp, expired};

/// The schedule on which keys of one type are rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// How long a key signs.
    pub every: Duration,
    /// How long a key must be published before it signs: as long as verifiers may cache the key set.
    pub published_for: Duration,
    /// How far ahead a change is announced: as long as replicas take to read the records again.
    pub announced: Duration,
}

/// The next key with the instant at which it takes over, once a rotation is due; otherwise `None`.
///
/// The instant is [`Schedule::announced`] in the future, so that every replica knows it in advance. A
/// next key is not used before it has been published for long enough.
#[must_use]
pub fn due(
    records: &[KeyRecord],
    token_type: TokenType,
    schedule: Schedule,
    now: Timestamp,
) -> Option<KeyRecord> {
    let active = active(records, token_type, now)?;
    // A process with a clock far ahead may have announced a rotation that is years away. It is
    // void; twice the span allows for replicas with different clocks.
    let latest = now.plus(schedule.announced * 2);
    let announced =
        |record: &KeyRecord| record.active_from.is_some_and(|from| from > now && from <= latest);
    if of_type(records, token_type).any(announced) {
        return None;
    }
    let reached = |start: Timestamp, span| expired(start.plus(span), Leeway::NONE, now);
    if !reached(active.active_from?, schedule.every) {
        return None;
    }
    let next = next(records, token_type, active, latest)?;
    reached(next.created_at, schedule.published_for)
        .then(|| KeyRecord { active_from: Some(now.plus(schedule.announced)), ..next.clone() })
}

/// A change of keys that takes effect at once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeyChange {
    /// The key that signed until now, if there was one.
    pub from: Option<KeyId>,
    /// The key that signs from now on.
    pub to: KeyId,
    /// Since when verifiers can have known the new key.
    pub known_since: Timestamp,
    /// The records to be written, beginning with the new active key.
    pub write: Vec<KeyRecord>,
}

/// Makes the next key of `token_type` active at once, even if not every verifier knows it yet, and
/// provides a new next key. `algorithm` is that of access tokens.
///
/// An announced key is used first, then the oldest waiting one, then a new one. Announcements of other
/// keys are withdrawn, because they would undo this rotation later.
///
/// # Errors
/// [`KeyGenerationError`] if a key cannot be generated.
pub fn rotate(
    records: &[KeyRecord],
    token_type: TokenType,
    algorithm: Algorithm,
    now: Timestamp,
    random: &dyn Random,
) -> Result<KeyChange, KeyGenerationError> {
    let algorithm = algorithm_of(token_type, algorithm);
    let outgoing = active(records, token_type, now);
    // With two rotations in one millisecond, the order of the key ids would decide between them.
    let after = outgoing.and_then(|it| it.active_from).map(|it| it.plus(Duration::from_millis(1)));
    let incoming = match waiting(records, token_type, algorithm, now).next() {
        Some(record) => record.clone(),
        None => generate(token_type, algorithm, now, random)?,
    };
    let (from, to) = (outgoing.map(|it| it.kid.clone()), incoming.kid.clone());
    let known_since = incoming.created_at;
    let rest = || of_type(records, token_type).filter(|it| it.kid != to);
    let announced = rest().filter(|it| it.active_from.is_some_and(|from| from > now));
    let mut write = vec![KeyRecord { active_from: after.max(Some(now)), ..incoming }];
    write.extend(announced.map(|it| KeyRecord { active_from: None, ..it.clone() }));
    if !rest().any(|it| waits(it, algorithm, now)) {
        write.push(generate(token_type, algorithm, now, random)?);
    }
    Ok(KeyChange { from, to, known_since, write })
}

/// The changes needed to withdraw a key at once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Withdrawal {
    /// The change of keys, if the withdrawn key was active.
    pub change: Option<KeyChange>,
    /// The records to be written before the key is removed.
    pub write: Vec<KeyRecord>,
}

/// Withdraws the key `kid` at once: tokens that it signed are rejected from then on. An active key is
/// rotated out first, so there is always a key to sign with and a next key. Returns `None` if there is
/// no such key. `algorithm` is that of access tokens.
///
/// # Errors
/// [`KeyGenerationError`] if a key cannot be generated.
pub fn withdraw(
    records: &[KeyRecord],
    kid: &KeyId,
    algorithm: Algorithm,
    now: Timestamp,
    random: &dyn Random,
) -> Result<Option<Withdrawal>, KeyGenerationError> {
    let Some(gone) = records.iter().find(|record| record.kid == *kid) else { return Ok(None) };
    let token_type = gone.token_type;
    let left: Vec<KeyRecord> = records.iter().filter(|it| it.kid != *kid).cloned().collect();
    if active(records, token_type, now).is_some_and(|it| it.kid == *kid) {
        let change = rotate(&left, token_type, algorithm, now, random)?;
        let change = KeyChange { from: Some(kid.clone()), ..change };
        return Ok(Some(Withdrawal { write: change.write.clone(), change: Some(change) }));
    }
    let algorithm = algorithm_of(token_type, algorithm);
    let follows = waiting(&left, token_type, algorithm, now).next().is_some();
    let next = (!follows).then(|| generate(token_type, algorithm, now, random)).transpose()?;
    Ok(Some(Withdrawal { change: None, write: next.into_iter().collect() }))
}

/// The algorithm for tokens of this type if access tokens are signed with `access`: refresh tokens
/// always use a shared secret.
#[must_use]
pub const fn algorithm_of(token_type: TokenType, access: Algorithm) -> Algorithm {
    match token_type {
        TokenType::Access => access,
        TokenType::Refresh => Algorithm::Hs256,
    }
}

/// The algorithm of the key that signs tokens of this type at `now`; `None` if there is none.
#[must_use]
pub fn signing_algorithm(
    records: &[KeyRecord],
    token_type: TokenType,
    now: Timestamp,
) -> Option<Algorithm> {
    active(records, token_type, now).map(|record| record.algorithm)
}

/// Whether the clock is certainly wrong: `now` is more than [`MAX_CLOCK_LAG`] before the creation of
/// a key that signs at `now`, or of the first key that ever signs. Nothing should be signed, created
/// or rotated then.
#[must_use]
pub fn is_clock_behind(records: &[KeyRecord], now: Timestamp) -> bool {
    [TokenType::Access, TokenType::Refresh].into_iter().any(|token_type| {
        let first = of_type(records, token_type)
            .filter(|record| record.active_from.is_some())
            .min_by_key(|record| record.active_from);
        let signing = active(records, token_type, now).or(first);
        signing.is_some_and(|record| is_before(record.created_at, now))
    })
}

/// Whether `now` is more than [`MAX_CLOCK_LAG`] before `created_at`.
pub(super) fn is_before(created_at: Timestamp, now: Timestamp) -> bool {
    now.plus(MAX_CLOCK_LAG) < created_at
}

/// How far the clock may be before the creation of the active key: replicas may differ a little.
pub const MAX_CLOCK_LAG: Duration = Duration::from_secs(24 * 3600);

/// The key that signs: the one that became active last.
fn active(records: &[KeyRecord], token_type: TokenType, now: Timestamp) -> Option<&KeyRecord> {
    of_type(records, token_type)
        .filter(|record| record.active_from.is_some_and(|from| from <= now))
        .max_by(|a, b| (a.active_from, &a.kid).cmp(&(b.active_from, &b.kid)))
}

/// The oldest waiting key with the algorithm of the active one. An announcement after `latest` is
/// void.
fn next<'a>(
    records: &'a [KeyRecord],
    token_type: TokenType,
    active: &KeyRecord,
    latest: Timestamp,
) -> Option<&'a KeyRecord> {
    of_type(records, token_type)
        .filter(|record| record.active_from.is_none_or(|from| from > latest))
        .filter(|record| record.algorithm == active.algorithm)
        .min_by(|a, b| (a.created_at, &a.kid).cmp(&(b.created_at, &b.kid)))
}

/// The keys that are not active yet, in the order of use: announced ones first, then by age.
pub(super) fn waiting(
    records: &[KeyRecord],
    token_type: TokenType,
    algorithm: Algorithm,
    now: Timestamp,
) -> impl Iterator<Item = &KeyRecord> {
    let mut found: Vec<&KeyRecord> =
        of_type(records, token_type).filter(|it| waits(it, algorithm, now)).collect();
    let order = |it: &KeyRecord| (it.active_from.is_none(), it.active_from, it.created_at);
    found.sort_by(|a, b| order(a).cmp(&order(b)).then_with(|| a.kid.cmp(&b.kid)));
    found.into_iter()
}

fn waits(record: &KeyRecord, algorithm: Algorithm, now: Timestamp) -> bool {
    record.algorithm == algorithm && record.active_from.is_none_or(|from| from > now)
}

fn of_type(records: &[KeyRecord], token_type: TokenType) -> impl Iterator<Item = &KeyRecord> {
    records.iter().filter(move |record| record.token_type == token_type)
}

#[cfg(test)]
mod tests;
