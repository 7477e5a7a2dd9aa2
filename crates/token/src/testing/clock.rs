//! A clock that stands still until it is moved.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::time::{Clock, Timestamp};

/// Time as a test wants it: it moves by [`advance`](ManualClock::advance) alone, and never back.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `start`.
    #[must_use]
    pub const fn new(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.millis()))
    }

    /// Lets `span` pass and gives the time it is then. Spans below a millisecond are lost.
    pub fn advance(&self, span: Duration) -> Timestamp {
        let step = |millis| Some(Timestamp::from_millis(millis).plus(span).millis());
        let _ = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, step);
        self.now()
    }

    /// Lets time pass until `instant`.
    ///
    /// # Panics
    /// When it is past `instant` already: time doesn't go back, and a test that thinks so is wrong.
    pub fn advance_to(&self, instant: Timestamp) {
        let before = self.0.fetch_max(instant.millis(), Ordering::SeqCst);
        assert!(before <= instant.millis(), "the clock is past {instant:?} and won't go back");
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
    fn time_passes_only_by_hand() {
        let clock = ManualClock::default();
        let start = clock.now();
        assert_eq!(clock.now(), start);
        let later = clock.advance(Duration::from_millis(1500));
        assert_eq!((later, clock.now()), (start.plus(Duration::from_millis(1500)), later));
        clock.advance_to(later);
        assert_eq!(clock.now(), later);
    }

    #[test]
    #[should_panic(expected = "won't go back")]
    fn time_never_goes_back() {
        let clock = ManualClock::default();
        clock.advance_to(clock.now().minus(Duration::from_millis(1)));
    }
}
