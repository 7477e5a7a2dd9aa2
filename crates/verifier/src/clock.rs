//! The system's clock: the only place of this crate that asks what time it is.

use std::time::{SystemTime, UNIX_EPOCH};

use aquaware_core::time::{Clock, Timestamp};

/// The wall clock, to the millisecond. A clock set before 1970 reads as 1970.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[allow(clippy::disallowed_methods, reason = "this is the clock that the others replace")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(0).plus(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_shows_this_century_and_does_not_stand_still_in_1970() {
        let now = SystemClock.now().to_rfc3339();
        assert!(now.starts_with("20") && now.as_str() > "2025", "{now}");
    }
}
