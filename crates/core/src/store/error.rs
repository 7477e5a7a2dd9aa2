//! How a store fails. An outage is never "not found".

use std::error::Error as StdError;

use thiserror::Error;

/// What lies behind a failure, for the log of whoever runs the store. Never shown to a client.
pub type Cause = Box<dyn StdError + Send + Sync>;

/// Why a step has no outcome.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The store was not reached, or refused before doing anything: nothing happened.
    #[error("the store could not be reached")]
    Unreachable(#[source] Cause),
    /// The request was sent and no response came: the step may have happened, or may still happen.
    #[error("the store did not answer")]
    UnknownOutcome(#[source] Cause),
    /// The store answered and rejected the step: it is read-only, full or not migrated, or the
    /// statement is wrong. Nothing happened, and retrying soon will not help.
    #[error("the store rejected the operation")]
    Rejected(#[source] Cause),
    /// A record that can't be what this program wrote.
    #[error("corrupt record {key}: {what}")]
    Corrupt {
        /// What is wrong with it.
        what: String,
        /// Which record.
        key: String,
    },
}

impl StoreError {
    /// Whether the same step may succeed soon.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::UnknownOutcome(_))
    }

    /// Whether the step may have happened all the same.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::UnknownOutcome(_))
    }

    /// A corrupt record.
    #[must_use]
    pub fn corrupt(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into(), key: key.into() }
    }
}
