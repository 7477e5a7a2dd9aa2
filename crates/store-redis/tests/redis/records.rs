//! Steps and times for the sample records of the test kit.

use aquaware_core::session::Session;
use aquaware_core::store::{Advance, Outcome};
use aquaware_core::time::Timestamp;
use aquaware_store_testkit::sample::{self, NOON};

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// So many days after [`NOON`].
pub(crate) fn days(days: u64) -> Timestamp {
    NOON.plus(sample::days(days))
}

/// The advance from `from` to the next generation, a day later than the one before.
pub(crate) fn step(from: u64) -> Advance {
    Advance {
        from: sample::generation(from),
        to: sample::generation(from + 1),
        mark: sample::mark(from),
        issued_at: days(from),
        expires_at: days(from + 30),
        used_from: None,
        visible_before: days(from),
    }
}

/// The record of a step that must have been applied.
pub(crate) fn applied(outcome: Outcome) -> Session {
    match outcome {
        Outcome::Applied(session) => session,
        other => panic!("not applied: {other:?}"),
    }
}
