//! A clock that a test moves by hand.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::time::{Clock, Timestamp};

/// A clock that shows the same time until it is moved, and never goes back.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `start`.
    #[must_use]
    pub const fn new(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.millis()))
    }

    /// Moves the clock forward by `span`, in whole milliseconds, and returns the new time.
    pub fn advance(&self, span: Duration) -> Timestamp {
        let later = |millis| Some(Timestamp::from_millis(millis).plus(span).millis());
        let _ = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, later);
        self.now()
    }

    /// Moves the clock forward to `instant`.
    ///
    /// # Panics
    /// When the clock is already past `instant`.
    pub fn advance_to(&self, instant: Timestamp) {
        let before = self.0.fetch_max(instant.millis(), Ordering::SeqCst);
        assert!(before <= instant.millis(), "the clock is past {instant:?} and cannot go back");
    }
}

impl Default for ManualClock {
    /// A clock that shows [`fixture::NOW`](super::fixture::NOW).
    fn default() -> Self {
        Self::new(super::fixture::NOW)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_moves_only_by_hand() {
        let clock = ManualClock::default();
        let start = clock.now();
        assert_eq!(clock.now(), start);
        let later = clock.advance(Duration::from_millis(1500));
        assert_eq!((later, clock.now()), (start.plus(Duration::from_millis(1500)), later));
        clock.advance_to(later);
        assert_eq!(clock.now(), later);
    }

    #[test]
    #[should_panic(expected = "cannot go back")]
    fn the_clock_never_goes_back() {
        let clock = ManualClock::default();
        clock.advance_to(clock.now().minus(Duration::from_millis(1)));
    }
}
