//! Counting checks, from the lines by which the scripts tell of them.

use std::fmt;

/// How many checks passed, and how many did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: usize,
    failed: usize,
}

impl Tally {
    /// Counts the checks in what a script wrote. One that counts otherwise than its lines do, or
    /// that doesn't end as it should, has failed for once more: some check may never have run.
    pub(super) fn of(written: &str, ended_well: bool) -> Self {
        let count = |word: &str| written.lines().filter(|line| line.starts_with(word)).count();
        let mut tally = Self { passed: count("ok "), failed: count("FAILED ") };
        let is_complete = written.lines().last() == Some(&tally.to_string());
        if !is_complete || ended_well != (tally.failed == 0) || tally == Self::default() {
            eprintln!("the script did not run to its end, or counts what it did not tell");
            tally.fail();
        }
        tally
    }

    /// Counts one more that failed.
    pub(super) const fn fail(&mut self) {
        self.failed += 1;
    }

    pub(super) const fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// Whether something was checked and nothing failed.
    pub(super) const fn is_good(self) -> bool {
        self.passed > 0 && self.failed == 0
    }

    /// The tally of a run that failed, be it before its first check.
    pub(super) fn never_good(self) -> Self {
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
    fn every_check_that_is_told_counts() {
        let good = Tally::of("ok a\nother words\nok b\n2 passed, 0 failed\n", true);
        assert_eq!(good, Tally { passed: 2, failed: 0 });
        assert!(good.is_good());
        let bad = Tally::of("ok a\nFAILED b\n1 passed, 1 failed\n", false);
        assert_eq!(bad, Tally { passed: 1, failed: 1 });
        assert!(!bad.is_good());
    }

    #[test]
    fn a_script_that_stops_early_has_failed() {
        for (written, ended_well) in [
            ("", true),
            ("ok a\n", true),
            ("ok a\nok b\n1 passed, 0 failed\n", true),
            ("ok a\n1 passed, 0 failed\nmore\n", true),
            ("ok a\n1 passed, 0 failed\n", false),
            ("0 passed, 0 failed\n", true),
            ("FAILED a\n0 passed, 1 failed\n", true),
        ] {
            let tally = Tally::of(written, ended_well);
            let told = written.matches("FAILED").count();
            assert_eq!(tally.failed, told + 1, "{written:?}");
        }
    }

    #[test]
    fn nothing_checked_is_not_good() {
        assert!(!Tally::default().is_good());
        assert_eq!(Tally::default().never_good().to_string(), "0 passed, 1 failed");
    }

    #[test]
    fn tallies_add_up() {
        let mut tally = Tally { passed: 1, failed: 2 };
        tally.add(Tally { passed: 3, failed: 4 });
        assert_eq!(tally.to_string(), "4 passed, 6 failed");
    }
}
