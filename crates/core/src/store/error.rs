//! The errors of a store. An outage is never reported as "not found".

use std::error::Error as StdError;

use thiserror::Error;

/// The underlying error, for the operator's log. Never shown to a client.
pub type Cause = Box<dyn StdError + Send + Sync>;

/// Why a step has no outcome.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The store could not be reached, or failed before it did anything. Nothing happened.
    #[error("the store could not be reached")]
    Unreachable(#[source] Cause),
    /// The request was sent and no response came: the step may have happened, or may still happen.
    #[error("the store did not answer")]
    UnknownOutcome(#[source] Cause),
    /// The store answered and rejected the step: it is read-only, full or not migrated, or the
    /// statement is wrong. Nothing happened, and retrying soon will not help.
    #[error("the store rejected the operation")]
    Rejected(#[source] Cause),
    /// A record that this program cannot have written.
    #[error("corrupt record {key}: {what}")]
    Corrupt {
        /// The invalid field and why it is invalid, without its value.
        what: String,
        /// The record's key.
        key: String,
    },
}

impl StoreError {
    /// Whether the same step may succeed if retried soon.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::UnknownOutcome(_))
    }

    /// Whether the step may have happened despite the error.
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
