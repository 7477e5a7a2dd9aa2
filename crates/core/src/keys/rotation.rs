//! When keys change places, on schedule ([`due`]) or by hand ([`rotate`], [`withdraw`]), as pure
//! functions of their records: whoever keeps the records writes what these return.

use std::time::Duration;

use super::generate::generate;
use super::record::KeyRecord;
use crate::id::KeyId;
use crate::jwt::{Algorithm, KeyGenerationError, TokenType};
use crate::random::Random;
use crate::time::{Leeway, Timestamp, expired};

/// How keys of one type are rotated on schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// How long a key signs.
    pub every: Duration,
    /// How long a key must have been public before it signs: as long as others may keep the set.
    pub published_for: Duration,
    /// How far ahead the change is announced: as long as replicas take to read the records again.
    pub announced: Duration,
}

/// The next key with the instant at which it takes over, once it is due; `None` while nothing is
/// to be done.
///
/// The instant lies ahead by [`Schedule::announced`], so that every replica knows of it before it
/// comes. A next key that hasn't been public for long enough is waited for.
#[must_use]
pub fn due(
    records: &[KeyRecord],
    token_type: TokenType,
    schedule: Schedule,
    now: Timestamp,
) -> Option<KeyRecord> {
    let active = active(records, token_type, now)?;
    let announced = |record: &KeyRecord| record.active_from.is_some_and(|from| from > now);
    if of_type(records, token_type).any(announced) {
        return None;
    }
    let reached = |start: Timestamp, span| expired(start.plus(span), Leeway::NONE, now);
    if !reached(active.active_from?, schedule.every) {
        return None;
    }
    let next = next(records, token_type, active)?;
    reached(next.created_at, schedule.published_for)
        .then(|| KeyRecord { active_from: Some(now.plus(schedule.announced)), ..next.clone() })
}

/// A key that takes over at once.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The key that signed so far, if there was one.
    pub from: Option<KeyId>,
    /// The key that signs from now on.
    pub to: KeyId,
    /// Since when others can have known it.
    pub known_since: Timestamp,
    /// What is to be written: the key that takes over first.
    pub write: Vec<KeyRecord>,
}

/// Makes the next key of `token_type` the active one at once, without waiting until everybody
/// knows it, and sees to it that there is a next key again. `algorithm` is that of access tokens.
///
/// The key whose turn is announced comes first, else the oldest that waits, else a new one. An
/// announcement of another key is taken back: its time would come and undo this one.
///
/// # Errors
/// When a key can't be made.
pub fn rotate(
    records: &[KeyRecord],
    token_type: TokenType,
    algorithm: Algorithm,
    now: Timestamp,
    random: &dyn Random,
) -> Result<Turn, KeyGenerationError> {
    let algorithm = algorithm_of(token_type, algorithm);
    let outgoing = active(records, token_type, now);
    // Two turns in one millisecond: the order of the names would decide between them.
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
    Ok(Turn { from, to, known_since, write })
}

/// What follows when a key is taken away at once.
#[derive(Clone, Debug)]
pub struct Withdrawal {
    /// The key that takes its place, if it was the active one.
    pub turn: Option<Turn>,
    /// What is to be written before the key is removed.
    pub write: Vec<KeyRecord>,
}

/// Takes the key `kid` away at once: what it signed is refused from then on. The active key is
/// rotated out first, so there is always one to sign with, and there is a next key afterwards.
/// `None` if there is no such key. `algorithm` is that of access tokens.
///
/// # Errors
/// When a key can't be made.
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
        let turn = rotate(&left, token_type, algorithm, now, random)?;
        let turn = Turn { from: Some(kid.clone()), ..turn };
        return Ok(Some(Withdrawal { write: turn.write.clone(), turn: Some(turn) }));
    }
    let algorithm = algorithm_of(token_type, algorithm);
    let follows = waiting(&left, token_type, algorithm, now).next().is_some();
    let next = (!follows).then(|| generate(token_type, algorithm, now, random)).transpose()?;
    Ok(Some(Withdrawal { turn: None, write: next.into_iter().collect() }))
}

/// How keys of this type sign, where access tokens are signed with `access`: refresh tokens have a
/// shared secret whatever those have.
#[must_use]
pub const fn algorithm_of(token_type: TokenType, access: Algorithm) -> Algorithm {
    match token_type {
        TokenType::Access => access,
        TokenType::Refresh => Algorithm::Hs256,
    }
}

/// How the key that signs tokens of this type at `now` does it; `None` if there is none.
#[must_use]
pub fn signing_algorithm(
    records: &[KeyRecord],
    token_type: TokenType,
    now: Timestamp,
) -> Option<Algorithm> {
    active(records, token_type, now).map(|record| record.algorithm)
}

/// The key that signs: the one that began last.
fn active(records: &[KeyRecord], token_type: TokenType, now: Timestamp) -> Option<&KeyRecord> {
    of_type(records, token_type)
        .filter(|record| record.active_from.is_some_and(|from| from <= now))
        .max_by(|a, b| (a.active_from, &a.kid).cmp(&(b.active_from, &b.kid)))
}

/// The oldest key that waits for its turn and signs as the active one does.
fn next<'a>(
    records: &'a [KeyRecord],
    token_type: TokenType,
    active: &KeyRecord,
) -> Option<&'a KeyRecord> {
    of_type(records, token_type)
        .filter(|record| record.active_from.is_none() && record.algorithm == active.algorithm)
        .min_by(|a, b| (a.created_at, &a.kid).cmp(&(b.created_at, &b.kid)))
}

/// The keys that haven't begun, in the order of their turns: announced ones, then by age.
pub(super) fn waiting(
    records: &[KeyRecord],
    token_type: TokenType,
    algorithm: Algorithm,
    now: Timestamp,
) -> impl Iterator<Item = &KeyRecord> {
    let mut found: Vec<&KeyRecord> =
        of_type(records, token_type).filter(|it| waits(it, algorithm, now)).collect();
    let turn = |it: &KeyRecord| (it.active_from.is_none(), it.active_from, it.created_at);
    found.sort_by(|a, b| turn(a).cmp(&turn(b)).then_with(|| a.kid.cmp(&b.kid)));
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
