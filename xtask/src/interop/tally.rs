//! Counts of checks, from the lines that scripts print.

use std::fmt;

/// How many checks passed and how many failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    passed: usize,
    failed: usize,
}

impl Tally {
    /// Counts the checks in a script's output. One more failure is counted if the script's own
    /// count differs or its exit status does not fit: some check may never have run.
    pub(super) fn of(written: &str, succeeded: bool) -> Self {
        let count = |word: &str| written.lines().filter(|line| line.starts_with(word)).count();
        let mut tally = Self { passed: count("ok "), failed: count("FAILED ") };
        let is_complete = written.lines().last() == Some(&tally.to_string());
        if !is_complete || succeeded != (tally.failed == 0) || tally == Self::default() {
            eprintln!("the script did not finish, or its count differs from its output");
            tally.fail();
        }
        tally
    }

    /// Counts one more failure.
    pub(super) const fn fail(&mut self) {
        self.failed += 1;
    }

    pub(super) const fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// Whether at least one check ran and none failed.
    pub(super) const fn is_success(self) -> bool {
        self.passed > 0 && self.failed == 0
    }

    /// The tally of a failed run, which may have failed before its first check.
    pub(super) fn as_failure(self) -> Self {
        Self { failed: self.failed.max(1), ..self }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reported_check_counts() {
        let passed = Tally::of("ok a\nother words\nok b\n2 passed, 0 failed\n", true);
        assert_eq!(passed, Tally { passed: 2, failed: 0 });
        assert!(passed.is_success());
        let failed = Tally::of("ok a\nFAILED b\n1 passed, 1 failed\n", false);
        assert_eq!(failed, Tally { passed: 1, failed: 1 });
        assert!(!failed.is_success());
    }

    #[test]
    fn a_script_that_stops_early_has_failed() {
        for (written, succeeded) in [
            ("", true),
            ("ok a\n", true),
            ("ok a\nok b\n1 passed, 0 failed\n", true),
            ("ok a\n1 passed, 0 failed\nmore\n", true),
            ("ok a\n1 passed, 0 failed\n", false),
            ("0 passed, 0 failed\n", true),
            ("FAILED a\n0 passed, 1 failed\n", true),
        ] {
            let tally = Tally::of(written, succeeded);
            let reported = written.matches("FAILED").count();
            assert_eq!(tally.failed, reported + 1, "{written:?}");
        }
    }

    #[test]
    fn a_run_without_checks_is_a_failure() {
        assert!(!Tally::default().is_success());
        assert_eq!(Tally::default().as_failure().to_string(), "0 passed, 1 failed");
    }

    #[test]
    fn tallies_add_up() {
        let mut tally = Tally { passed: 1, failed: 2 };
        tally.add(Tally { passed: 3, failed: 4 });
        assert_eq!(tally.to_string(), "4 passed, 6 failed");
    }
}
