//! Releasing: status indices of what ended long ago, a few at a time on the writer, so that other
//! steps get in between.
//!
//! Each bite finds its rows by the index of revocations, which they leave with it, and is one
//! statement: none is counted twice, whoever else releases or purges.

use aquaware_core::store::StoreError;
use aquaware_core::time::Timestamp;
use diesel::RunQueryDsl as _;

use super::SqliteStore;
use super::failure::asked;
use super::statements::ReleaseIndices;
use crate::bites::in_bites;

/// How many rows are changed in one go.
const BITE: u32 = 128;

impl SqliteStore {
    /// Takes the status index away from up to `at_most` sessions that ended before `before`, and
    /// says from how many.
    pub(super) async fn release_indices(
        &self,
        before: Timestamp,
        at_most: u32,
    ) -> Result<u64, StoreError> {
        in_bites(at_most, BITE, |rows| self.release_some(before.millis(), rows)).await
    }

    async fn release_some(&self, before: i64, rows: u32) -> Result<usize, StoreError> {
        self.write(move |connection| {
            asked(ReleaseIndices { before, rows: rows.into() }.execute(connection))
        })
        .await
    }
}
