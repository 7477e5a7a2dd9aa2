//! Waiting for something to come true, by asking again and again, never by hoping.

use std::time::{Duration, Instant};

use crate::error::ServersError;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(10);

/// How long a server may take for anything. Generous: machines that run tests are busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until there is an answer; `None` after `at_most`.
///
/// # Errors
/// Those of `ask` end the waiting.
pub(crate) fn until<T>(
    at_most: Duration,
    mut ask: impl FnMut() -> Result<Option<T>, ServersError>,
) -> Result<Option<T>, ServersError> {
    let end = Instant::now() + at_most;
    loop {
        if let Some(answer) = ask()? {
            return Ok(Some(answer));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        pause();
    }
}

/// Asks until there is an answer.
///
/// # Errors
/// [`ServersError::TooLate`] after [`PATIENCE`], with `log` to explain it.
pub(crate) fn patiently<T>(
    what: &str,
    log: impl Fn() -> String,
    mut ask: impl FnMut() -> Option<T>,
) -> Result<T, ServersError> {
    until(PATIENCE, || Ok(ask()))?.ok_or_else(|| ServersError::TooLate {
        what: what.to_owned(),
        waited: PATIENCE,
        log: log(),
    })
}

#[allow(clippy::disallowed_methods, reason = "other processes can only be asked again")]
fn pause() {
    std::thread::sleep(PAUSE);
}
