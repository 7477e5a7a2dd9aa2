//! When a failed delivery is tried again.

use std::time::Duration;

use aquaware_core::outbox::OutboxEntry;
use aquaware_core::time::Timestamp;

/// The pauses after the first failures, in seconds.
const FIRST_PAUSES: [u64; 5] = [5, 30, 120, 600, 3600];
/// The pause after each later failure.
const LAST_PAUSE: u64 = 3600;
/// How often the last pause is repeated: for a day.
const REPEATS: u32 = 24;
/// No entry is tried later than this after it was made, however long it waited behind others: the
/// whole schedule takes 25 h 13 min.
const MAX_AGE: Duration = Duration::from_secs(26 * 3600);

/// When `entry` is tried again after a failure at `now`; `None` if it is given up.
pub(super) fn next_attempt(entry: &OutboxEntry, now: Timestamp) -> Option<Timestamp> {
    let failures = usize::try_from(entry.attempts).unwrap_or(usize::MAX);
    let all = FIRST_PAUSES.len() + usize::try_from(REPEATS).unwrap_or_default();
    if failures >= all || now >= entry.created_at.plus(MAX_AGE) {
        return None;
    }
    let pause = FIRST_PAUSES.get(failures).copied().unwrap_or(LAST_PAUSE);
    Some(now.plus(Duration::from_secs(pause)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aquaware_core::random::SystemRandom;

    #[test]
    fn a_failed_message_is_tried_for_a_day_and_then_given_up() {
        let start = Timestamp::from_seconds(1_790_000_000);
        let mut entry = OutboxEntry::new("a-1", "login_failed", "{}", start, &SystemRandom);
        let (mut now, mut pauses) = (start, Vec::new());
        while let Some(next) = next_attempt(&entry, now) {
            pauses.push(next.seconds_after(now));
            (now, entry.attempts) = (next, entry.attempts + 1);
        }
        assert_eq!(pauses.get(..6), Some([5, 30, 120, 600, 3600, 3600].as_slice()));
        assert_eq!(pauses.len(), 29);
        assert_eq!(now.seconds_after(start), 25 * 3600 + 755);
    }

    #[test]
    fn an_entry_that_waited_behind_others_is_not_tried_for_another_day() {
        let start = Timestamp::from_seconds(1_790_000_000);
        let entry = OutboxEntry::new("a-1", "login_failed", "{}", start, &SystemRandom);
        let late = start.plus(MAX_AGE);
        assert_eq!(next_attempt(&entry, late), None);
        assert!(next_attempt(&entry, late.minus(Duration::from_millis(1))).is_some());
    }
}
