//! Conditional updates of one session, and what a row means that was read after one of them changed
//! nothing.

use aquaware_core::id::SessionId;
use aquaware_core::session::Ended;
use aquaware_core::store::{Advance, Touch};

use crate::row::SessionRow;
use crate::statements::generation_number;

/// An update of one session. Its statement changes the row if, and only if, the condition holds, and
/// always to a different value: "rows found" and "rows changed" are the same number.
#[derive(Clone, Copy)]
pub(crate) struct SessionUpdate {
    pub(crate) id: SessionId,
    pub(crate) change: Change,
}

#[derive(Clone, Copy)]
pub(crate) enum Change {
    Advance(Advance),
    Touch(Touch),
    End(Ended),
}

/// The condition of an update, compared with a row that was read after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// It does not hold.
    Refused,
    /// It holds, and the row already has the new values.
    AlreadyApplied,
    /// It holds: the row was inserted after the update ran, which must be run again.
    Holds,
}

impl SessionUpdate {
    pub(crate) fn advance(id: &SessionId, step: &Advance) -> Self {
        Self { id: *id, change: Change::Advance(*step) }
    }

    pub(crate) fn touch(id: &SessionId, touch: &Touch) -> Self {
        Self { id: *id, change: Change::Touch(*touch) }
    }

    pub(crate) fn end(id: &SessionId, ended: Ended) -> Self {
        Self { id: *id, change: Change::End(ended) }
    }

    /// Checks the condition against `row`.
    pub(crate) fn check(&self, row: &SessionRow) -> Condition {
        let expected = match self.change {
            Change::Advance(step) => Some(step.from),
            Change::Touch(touch) => Some(touch.generation),
            Change::End(_) => None,
        };
        let is_expected = |generation| row.generation == generation_number(generation);
        if row.ended_at.is_some() || !expected.is_none_or(is_expected) {
            return Condition::Refused;
        }
        match self.change {
            // The last use never moves back.
            Change::Touch(touch) if row.last_used_at >= touch.at.millis() => {
                Condition::AlreadyApplied
            }
            _ => Condition::Holds,
        }
    }
}
