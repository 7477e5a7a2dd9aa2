//! The only readings of clocks. The age of a response is the difference of two readings, so it does
//! not matter what the clocks show.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// One moment on two clocks: the first cannot be set but may stop while the computer sleeps, and the
/// second is comparable between processes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) steady: Instant,
    pub(crate) wall: u64,
}

impl Moment {
    #[allow(clippy::disallowed_methods, reason = "this is the clock of the crate")]
    pub(crate) fn now() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        Self { steady: Instant::now(), wall }
    }
}
