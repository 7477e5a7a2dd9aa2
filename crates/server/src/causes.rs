//! An error with its causes on one line, for logs and terminals. Clients never see causes.

use std::error::Error;
use std::fmt::Write as _;

/// `error` and its causes, outermost first.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let _ = write!(line, ": {next}");
        cause = next.source();
    }
    line
}
