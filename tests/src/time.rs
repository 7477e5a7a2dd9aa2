//! Waiting for a lifetime to pass, or for a condition.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Sleeps. Only for lifetimes of a second or two; use [`wait_for`] for everything else.
#[allow(clippy::disallowed_methods, reason = "the program under test has no other clock")]
pub fn pause(span: Duration) {
    std::thread::sleep(span);
}

/// Sleeps until `second`, a NumericDate, has begun.
pub fn until(second: u64) {
    let end = Duration::from_secs(second);
    loop {
        let now = since_1970();
        if now >= end {
            return;
        }
        pause(end.saturating_sub(now));
    }
}

/// Whether `second`, a NumericDate, has begun: a request that was answered before was decided before.
#[must_use]
pub fn has_begun(second: u64) -> bool {
    since_1970() >= Duration::from_secs(second)
}

#[allow(clippy::disallowed_methods, reason = "the program under test has no other clock")]
fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970")
}

/// Polls until there is a value, and panics after `at_most`.
pub fn wait_for<T>(what: &str, at_most: Duration, mut poll: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + at_most;
    loop {
        if let Some(value) = poll() {
            return value;
        }
        assert!(Instant::now() < end, "waited {at_most:?} for {what}");
        pause(Duration::from_millis(10));
    }
}
