//! What went wrong with a step, and whether the step happened all the same.

use aquaware_core::store::StoreError;

use super::pool::Access;
use crate::error::Failure;

/// What became of a step that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// No change can have been asked for: the connection gave way before.
    Unsent,
    /// The server said no, or undid it.
    Undone,
    /// It was sent, and no answer came.
    Unknown,
}

/// Why a step has no outcome.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The server or the way to it.
    Engine {
        /// What.
        failure: Failure,
        /// And what it means.
        fate: Fate,
    },
    /// A record that isn't one, or can't be made one. The step itself went well.
    Record(StoreError),
}

impl Trouble {
    pub(crate) const fn unsent(failure: Failure) -> Self {
        Self::Engine { failure, fate: Fate::Unsent }
    }

    pub(crate) const fn undone(failure: Failure) -> Self {
        Self::Engine { failure, fate: Fate::Undone }
    }

    pub(crate) const fn unknown(failure: Failure) -> Self {
        Self::Engine { failure, fate: Fate::Unknown }
    }

    /// Whether the connection is fit for another step.
    pub(crate) const fn spares_the_link(&self) -> bool {
        match self {
            Self::Record(_) => true,
            Self::Engine { failure, fate } => {
                matches!(fate, Fate::Undone)
                    && !matches!(
                        failure,
                        // What was the primary may have become a replica: another connection may
                        // lead to the one that now is.
                        Failure::Replica | Failure::Broken | Failure::ShuttingDown
                    )
            }
        }
    }

    /// Whether the same step on a new connection can do no harm and may help.
    pub(crate) const fn asks_for_another_link(&self, access: Access) -> bool {
        match self {
            Self::Engine { fate: Fate::Unsent, .. } => true,
            Self::Engine { failure: Failure::Broken | Failure::ShuttingDown, fate } => {
                matches!(fate, Fate::Undone) || matches!(access, Access::Read)
            }
            _ => false,
        }
    }

    /// Whether the server undid the step because of another one.
    pub(crate) const fn is_conflict(&self) -> bool {
        matches!(self, Self::Engine { failure: Failure::Conflict, fate: Fate::Undone })
    }

    /// For the caller of the port.
    pub(crate) fn into_error(self, access: Access) -> StoreError {
        match self {
            Self::Record(error) => error,
            Self::Engine { failure, fate: Fate::Unknown } if matches!(access, Access::Write) => {
                failure.after_sending()
            }
            Self::Engine { failure, .. } => failure.before_commit(),
        }
    }

    /// The failure alone, for whoever opens a store.
    pub(crate) fn failure(&self) -> Failure {
        match self {
            Self::Engine { failure, .. } => *failure,
            Self::Record(_) => Failure::Unexpected("a record that is none"),
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Record(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_change_that_was_sent_is_unknown() {
        let lost = || Trouble::unknown(Failure::Broken);
        assert!(lost().into_error(Access::Write).is_unknown());
        assert!(!lost().into_error(Access::Read).is_unknown());
        for trouble in [Trouble::unsent(Failure::Broken), Trouble::undone(Failure::Slow)] {
            let error = trouble.into_error(Access::Write);
            assert!(error.is_transient() && !error.is_unknown());
        }
    }

    #[test]
    fn a_change_that_may_have_happened_is_never_repeated() {
        for failure in [Failure::Broken, Failure::ShuttingDown, Failure::Conflict] {
            let trouble = Trouble::unknown(failure);
            assert!(!trouble.asks_for_another_link(Access::Write), "{failure}");
            assert!(!trouble.is_conflict(), "{failure}");
            assert!(!trouble.spares_the_link(), "{failure}");
        }
        assert!(Trouble::unsent(Failure::Broken).asks_for_another_link(Access::Write));
        assert!(Trouble::unknown(Failure::Broken).asks_for_another_link(Access::Read));
    }

    #[test]
    fn a_server_that_says_no_keeps_its_connection_unless_it_is_the_wrong_one() {
        assert!(Trouble::undone(Failure::Full).spares_the_link());
        assert!(Trouble::undone(Failure::Conflict).spares_the_link());
        assert!(!Trouble::undone(Failure::Replica).spares_the_link());
    }
}
