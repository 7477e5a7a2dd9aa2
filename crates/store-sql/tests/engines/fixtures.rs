//! Sample records, errors, and a runtime like those of the server's workers.

use std::error::Error as StdError;

use aquaware_core::session::{EndReason, Ended, Session};
use aquaware_core::status::StatusIndex;
use aquaware_core::store::StoreError;
use aquaware_store_sql::SqlError;

pub(crate) use crate::records::*;

/// Runs `future` on a single-threaded runtime without a timer.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// A session with a status index that ended at `millis`.
pub(crate) fn revoked(number: u16, index: u32, millis: i64) -> Session {
    let ended = Some(Ended { at: at(millis), reason: EndReason::Revoked });
    Session { status: Some(StatusIndex::from_number(index)), ended, ..session(number) }
}

/// The cause of an error.
pub(crate) fn cause(error: &StoreError) -> SqlError {
    *error.source().unwrap().downcast_ref().unwrap()
}

/// The full text of an error, including its causes.
pub(crate) fn full_text(error: &(dyn StdError + 'static)) -> String {
    let mut text = format!("{error} {error:?}");
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(" {cause} {cause:?}"));
        next = cause.source();
    }
    text
}
