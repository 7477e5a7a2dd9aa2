//! Forgetting: found on a reader, dropped on the writer, a little at a time.
//!
//! There is no index on the expiry, since every refresh would have to move it. So the table is
//! read through in the order it lies in, in stretches short enough to let other steps in between.
//! A session that was refreshed since it was found is spared by the statement that drops it.

use aquaware_core::store::StoreError;
use aquaware_core::time::Timestamp;
use diesel::RunQueryDsl as _;

use super::SqliteStore;
use super::failure::asked;
use super::statements::{DropSession, ScanSessions};

/// How many rows are looked at in one go.
const STRETCH: i64 = 4096;
/// How many rows are dropped in one go.
const BITE: usize = 128;

/// A row of a stretch: its place, its id, and whether it may be dropped.
type Seen = (i64, Vec<u8>, bool);

impl SqliteStore {
    /// Drops up to `at_most` sessions that expired before `before`, and says how many.
    pub(super) async fn drop_expired(
        &self,
        before: Timestamp,
        at_most: u32,
    ) -> Result<u64, StoreError> {
        let before = before.millis();
        let at_most = usize::try_from(at_most).unwrap_or(usize::MAX);
        let (mut after, mut dropped) = (i64::MIN, 0);
        while dropped < at_most {
            let seen = self.look_through(after, before).await?;
            let Some(last) = seen.last() else { break };
            after = last.0;
            let mut dead = seen.into_iter().filter(|row| row.2).map(|row| row.1);
            loop {
                // What another purge was faster with doesn't count, so there may be room for more.
                let room = at_most.saturating_sub(dropped).min(BITE);
                let bite: Vec<Vec<u8>> = dead.by_ref().take(room).collect();
                if bite.is_empty() {
                    break;
                }
                dropped += self.drop_these(bite, before).await?;
            }
        }
        Ok(u64::try_from(dropped).unwrap_or(u64::MAX))
    }

    async fn look_through(&self, after: i64, before: i64) -> Result<Vec<Seen>, StoreError> {
        self.read(move |connection| {
            asked(ScanSessions { after, before, rows: STRETCH }.load(connection))
        })
        .await
    }

    async fn drop_these(&self, ids: Vec<Vec<u8>>, before: i64) -> Result<usize, StoreError> {
        self.write(move |connection| {
            let mut dropped = 0;
            for id in &ids {
                dropped += asked(DropSession { id, before }.execute(connection))?;
            }
            Ok(dropped)
        })
        .await
    }
}
