//! Steps that run one after the other, announced as they start and summarised at the end.
//!
//! A step returns its result to the caller, which decides what can still run without it.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::error::TaskError;

/// The steps that have run so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    name: &'static str,
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    Passed(Duration),
    Failed(Duration),
    Skipped(&'static str),
}

impl Report {
    /// Runs a step and records its outcome; `None` if it failed.
    pub(crate) fn step<T>(
        &mut self,
        name: &'static str,
        action: impl FnOnce() -> Result<T, TaskError>,
    ) -> Option<T> {
        eprintln!("\n==> {name}");
        let start = Instant::now();
        let result = action();
        let took = start.elapsed();
        let outcome = match &result {
            Ok(_) => Outcome::Passed(took),
            Err(error) => {
                eprintln!("{error}");
                Outcome::Failed(took)
            }
        };
        self.steps.push(Step { name, outcome });
        result.ok()
    }

    /// Records a step that cannot run, and why.
    pub(crate) fn skip(&mut self, name: &'static str, why: &'static str) {
        self.steps.push(Step { name, outcome: Outcome::Skipped(why) });
    }

    /// Prints the summary.
    ///
    /// # Errors
    /// [`TaskError::Message`] unless every step ran and passed.
    pub(crate) fn finish(self) -> Result<(), TaskError> {
        eprintln!("\n{}", self.summary());
        let failed = self.failed();
        if failed.is_empty() {
            return Ok(());
        }
        Err(TaskError::Message(format!("failed: {}", failed.join(", "))))
    }

    fn failed(&self) -> Vec<&'static str> {
        let bad = |step: &&Step| !matches!(step.outcome, Outcome::Passed(_));
        self.steps.iter().filter(bad).map(|step| step.name).collect()
    }

    fn summary(&self) -> String {
        let width = self.steps.iter().map(|step| step.name.len()).max().unwrap_or_default();
        let mut text = String::new();
        for Step { name, outcome } in &self.steps {
            let (word, detail) = match outcome {
                Outcome::Passed(took) => ("ok", seconds(*took)),
                Outcome::Failed(took) => ("FAILED", seconds(*took)),
                Outcome::Skipped(why) => ("skipped", format!("{why:>9}")),
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{word:<8} {name:<width$} {detail}");
        }
        text
    }
}

fn seconds(took: Duration) -> String {
    format!("{:>7.1} s", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails() -> Result<(), TaskError> {
        Err(TaskError::Message("no".into()))
    }

    #[test]
    fn a_failed_step_does_not_stop_the_next_but_fails_the_whole() {
        let mut report = Report::default();
        assert_eq!(report.step("first", fails), None);
        assert_eq!(report.step("second", || Ok(2)), Some(2));
        let error = report.finish().unwrap_err();
        assert_eq!(error.to_string(), "failed: first");
    }

    #[test]
    fn a_skipped_step_is_not_a_success() {
        let mut report = Report::default();
        report.skip("tests", "the build failed");
        assert!(report.summary().contains("skipped  tests the build failed"));
        assert!(report.finish().is_err());
    }

    #[test]
    fn all_steps_passing_is_success() {
        let mut report = Report::default();
        report.step("only", || Ok(()));
        assert!(report.finish().is_ok());
    }

    #[test]
    fn the_summary_lists_each_step_with_its_time() {
        let mut report = Report::default();
        for (name, took) in [("fmt", 1_250), ("clippy", 61_000)] {
            let outcome = Outcome::Passed(Duration::from_millis(took));
            report.steps.push(Step { name, outcome });
        }
        let expected = "ok       fmt        1.2 s\nok       clippy    61.0 s\n";
        assert_eq!(report.summary(), expected);
    }
}
