//! When keys change places, as pure functions of their records: whoever keeps the records writes
//! what these return.

use std::time::Duration;

use super::record::KeyRecord;
use crate::jwt::TokenType;
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

fn of_type(records: &[KeyRecord], token_type: TokenType) -> impl Iterator<Item = &KeyRecord> {
    records.iter().filter(move |record| record.token_type == token_type)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::Algorithm;
    use crate::keys::missing;
    use crate::random::SystemRandom;

    const START: Timestamp = Timestamp::from_seconds(1_790_000_000);
    const SCHEDULE: Schedule = Schedule {
        every: Duration::from_secs(3600),
        published_for: Duration::from_secs(300),
        announced: Duration::from_secs(120),
    };

    fn records() -> Vec<KeyRecord> {
        missing(&[], Algorithm::EdDsa, START, &SystemRandom).unwrap()
    }

    fn due_after(records: &[KeyRecord], seconds: u64) -> Option<KeyRecord> {
        due(records, TokenType::Access, SCHEDULE, START.plus(Duration::from_secs(seconds)))
    }

    #[test]
    fn the_next_key_takes_over_after_the_span_and_ahead_of_time() {
        let mut records = records();
        assert!(due_after(&records, 3599).is_none());
        let next = due_after(&records, 3600).unwrap();
        assert_eq!(next.active_from, Some(START.plus(Duration::from_secs(3720))));
        let place = records.iter().position(|record| record.kid == next.kid).unwrap();
        assert!(records[place].active_from.is_none());
        records[place] = next;
        assert!(due_after(&records, 3601).is_none(), "announced once");
        assert!(due_after(&records, 3721).is_none(), "the new one has its own span");
    }

    #[test]
    fn a_next_key_that_is_not_known_yet_is_waited_for() {
        let mut records = records();
        for record in &mut records {
            if record.active_from.is_none() {
                record.created_at = START.plus(Duration::from_secs(3500));
            }
        }
        assert!(due_after(&records, 3799).is_none());
        assert!(due_after(&records, 3800).is_some());
    }

    #[test]
    fn nothing_is_due_without_a_next_key() {
        let mut records = records();
        records.retain(|record| record.active_from.is_some());
        assert!(due_after(&records, 10_000).is_none());
    }
}
