//! What a check has to say when a store breaks the contract.

use std::error::Error as StdError;
use std::fmt;

use aquaware_core::store::StoreError;

/// Why a check failed, in words for whoever wrote the store.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure(String);

/// What a check comes to.
pub type Verdict = Result<(), Failure>;

impl Failure {
    /// A failure told by `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// A test that returns an error prints its `Debug`: several lines are meant to be read as such.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Failure {}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let mut text = format!("the store failed where it should have answered: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        Self(text)
    }
}

/// Fails with what `text` says unless `holds`.
pub(crate) fn ensure(holds: bool, text: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(Failure(text())) }
}

/// Fails unless both are equal. `what` says whose value it is.
pub(crate) fn same<T: PartialEq + fmt::Debug>(what: &str, wanted: &T, found: &T) -> Verdict {
    ensure(wanted == found, || format!("{what}: wanted {wanted:?}, found {found:?}"))
}
