//! A clock that stands still until it is moved.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use aquaware_core::time::{Clock, Timestamp};

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
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}
