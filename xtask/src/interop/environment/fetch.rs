//! Commands that fetch from the network: a hiccup is no failure.

use std::process::Command;
use std::time::Duration;

use crate::cargo;
use crate::failure::Failure;

/// How long to wait before each further try.
const PAUSES: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(15)];

/// Runs the command until it succeeds, three times at most.
///
/// # Errors
/// The last failure.
pub(super) fn fetched(command: &mut Command) -> Result<(), Failure> {
    repeated(&PAUSES, || cargo::run(command))
}

fn repeated(
    pauses: &[Duration],
    mut action: impl FnMut() -> Result<(), Failure>,
) -> Result<(), Failure> {
    for wait in pauses {
        match action() {
            Ok(()) => return Ok(()),
            Err(failure) => eprintln!("{failure}; again in {} s", wait.as_secs()),
        }
        pause(*wait);
    }
    action()
}

#[allow(clippy::disallowed_methods, reason = "the network gets time to recover")]
fn pause(wait: Duration) {
    std::thread::sleep(wait);
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: [Duration; 2] = [Duration::ZERO; 2];

    /// The outcome of an action that fails so often first, and how often it ran.
    fn failing(times: usize) -> (bool, usize) {
        let mut runs = 0;
        let result = repeated(&QUICK, || {
            runs += 1;
            if runs > times { Ok(()) } else { Err(Failure::Unexpected("no".into())) }
        });
        (result.is_ok(), runs)
    }

    #[test]
    fn a_hiccup_is_no_failure_and_a_standing_one_is() {
        assert_eq!(failing(0), (true, 1));
        assert_eq!(failing(2), (true, 3));
        assert_eq!(failing(3), (false, 3));
    }
}
