//! Waiting for a condition by polling, with a timeout.

use std::time::{Duration, Instant};

use crate::error::ServersError;

/// The pause between two polls.
const PAUSE: Duration = Duration::from_millis(10);

/// The timeout for everything a server does. It is generous: machines that run tests are busy.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// Polls until there is a value; `None` after `at_most`.
///
/// # Errors
/// Errors of `poll` end the waiting.
pub(crate) fn until<T>(
    at_most: Duration,
    mut poll: impl FnMut() -> Result<Option<T>, ServersError>,
) -> Result<Option<T>, ServersError> {
    let end = Instant::now() + at_most;
    loop {
        if let Some(value) = poll()? {
            return Ok(Some(value));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        pause();
    }
}

/// Polls until there is a value.
///
/// # Errors
/// [`ServersError::Timeout`] after [`TIMEOUT`], with `log` to explain it.
pub(crate) fn patiently<T>(
    what: &str,
    log: impl Fn() -> String,
    mut poll: impl FnMut() -> Option<T>,
) -> Result<T, ServersError> {
    until(TIMEOUT, || Ok(poll()))?.ok_or_else(|| ServersError::Timeout {
        what: what.to_owned(),
        waited: TIMEOUT,
        log: log(),
    })
}

#[allow(clippy::disallowed_methods, reason = "other processes can only be polled")]
fn pause() {
    std::thread::sleep(PAUSE);
}
