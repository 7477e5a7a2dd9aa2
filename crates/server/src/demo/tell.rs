//! What is told of the journey, and by whom: a person reads [`Text`], a program reads [`Lines`].
//!
//! A teller sees everything the moment it happens, so that a reader isn't left waiting, and shows
//! nothing but what [`shown`](super::shown) lets through.

mod claims;
mod lines;
mod page;
mod text;

use std::io;
use std::time::Duration;

use aquaware_core::jwt::Unverified;
use serde_json::Value;
use ureq::http::StatusCode;

pub(super) use self::lines::Lines;
pub(super) use self::text::Text;
use super::client::{Answer, Call};

/// An expectation and what came of it.
pub(super) struct Check {
    /// The fact that holds if it is met.
    pub(super) what: String,
    pub(super) met: bool,
    pub(super) expected: Value,
    pub(super) got: Value,
}

/// Something that happens within a step.
pub(super) enum Event<'a> {
    /// A word in between.
    Said(String),
    /// A request was sent and answered.
    Exchanged(&'a Call, &'a Answer),
    /// A token, by its name, was taken apart; only these of its claims matter, or all if none.
    Decoded(&'static str, &'a Unverified, &'static [&'static str]),
    /// Time is about to pass, and why.
    Waits(Duration, &'a str),
    /// An expectation was checked.
    Checked(&'a Check),
}

/// Whoever tells the journey.
pub(super) trait Teller {
    /// What stands before the first step; `base` is the server's address.
    fn open(&mut self, base: &str) -> io::Result<()>;

    /// A step begins, the `number`th.
    fn begin(&mut self, number: usize, title: &'static str, why: &str) -> io::Result<()>;

    /// Something happens within the step.
    fn tell(&mut self, event: &Event<'_>) -> io::Result<()>;

    /// The step is over; `good` if all its expectations were met.
    fn end(&mut self, good: bool) -> io::Result<()>;

    /// The journey is over.
    fn close(&mut self, tally: &Tally) -> io::Result<()>;
}

/// The count of steps and expectations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    steps: usize,
    checks: usize,
    unmet: usize,
    /// The titles of the steps that went wrong, in order.
    wrong: Vec<&'static str>,
    title: &'static str,
}

impl Tally {
    /// Another step.
    pub(super) fn begin(&mut self, title: &'static str) {
        self.steps += 1;
        self.title = title;
    }

    /// Another expectation of the step.
    pub(super) fn count(&mut self, met: bool) {
        self.checks += 1;
        if !met {
            self.unmet += 1;
            if self.step_is_good() {
                self.wrong.push(self.title);
            }
        }
    }

    /// How many steps were begun.
    pub(super) fn steps(&self) -> usize {
        self.steps
    }

    /// How many expectations were checked.
    pub(super) fn checks(&self) -> usize {
        self.checks
    }

    /// How many of them weren't met.
    pub(super) fn unmet(&self) -> usize {
        self.unmet
    }

    /// The titles of the steps that went wrong, in order.
    pub(super) fn wrong(&self) -> &[&'static str] {
        &self.wrong
    }

    /// Whether nothing went wrong in the current step so far.
    pub(super) fn step_is_good(&self) -> bool {
        self.wrong.last() != Some(&self.title)
    }
}

/// A status as it stands in a status line: `401 Unauthorized`.
pub(super) fn status_line(status: u16) -> String {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    reason.map_or_else(|| status.to_string(), |reason| format!("{status} {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_names_each_step_that_went_wrong_once() {
        let mut tally = Tally::default();
        for (title, checks) in
            [("one", &[true][..]), ("two", &[false, true, false]), ("three", &[true, false])]
        {
            tally.begin(title);
            assert!(tally.step_is_good());
            checks.iter().for_each(|met| tally.count(*met));
        }
        assert_eq!((tally.steps(), tally.checks(), tally.unmet()), (3, 6, 3));
        assert_eq!(tally.wrong(), ["two", "three"]);
    }

    #[test]
    fn a_status_has_its_reason() {
        assert_eq!(status_line(401), "401 Unauthorized");
        assert_eq!(status_line(799), "799");
    }
}
