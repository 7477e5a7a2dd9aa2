//! Forgetting, a little at a time.
//!
//! There is no index on the expiry, since every refresh would have to move it. So the table is
//! read through in the order of its key, in stretches short enough for one step's deadline. A
//! session that was refreshed since it was found is spared by the statement that drops it.

use std::future::Future;

use aquaware_core::store::StoreError;
use aquaware_core::time::Timestamp;

/// How many rows are looked at in one go.
pub(crate) const STRETCH: i64 = 4096;
/// How many rows are dropped in one go.
const BITE: usize = 128;

/// What is looked at of a row: its id, `expires_at`, `ends_at`, `status_index` and `ended_at`.
pub(crate) type Seen = (Vec<u8>, i64, i64, Option<i64>, Option<i64>);

/// A store whose sessions can be looked through.
pub(crate) trait Forgetful: Sync {
    /// Up to [`STRETCH`] rows in the order of their ids, those after `after`.
    fn look_through(
        &self,
        after: Vec<u8>,
    ) -> impl Future<Output = Result<Vec<Seen>, StoreError>> + Send;

    /// Drops those of `ids` that expired before `before`, and says how many they were. What has a
    /// status index and ended at or after that stays.
    fn drop_these(
        &self,
        ids: Vec<Vec<u8>>,
        before: i64,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send;
}

/// Drops up to `at_most` sessions that expired before `before`, and says how many.
pub(crate) async fn purge(
    store: &impl Forgetful,
    before: Timestamp,
    at_most: u32,
) -> Result<u64, StoreError> {
    let before = before.millis();
    let at_most = usize::try_from(at_most).unwrap_or(usize::MAX);
    let (mut after, mut dropped) = (Vec::new(), 0_usize);
    while dropped < at_most {
        let seen = store.look_through(after).await?;
        let Some(last) = seen.last() else { break };
        after = last.0.clone();
        let mut dead = seen.into_iter().filter(|seen| is_over(seen, before)).map(|(id, ..)| id);
        loop {
            // What another purge was faster with doesn't count, so there may be room for more.
            let room = at_most.saturating_sub(dropped).min(BITE);
            let bite: Vec<Vec<u8>> = dead.by_ref().take(room).collect();
            if bite.is_empty() {
                break;
            }
            dropped += store.drop_these(bite, before).await?;
        }
    }
    Ok(u64::try_from(dropped).unwrap_or(u64::MAX))
}

fn is_over((_, expires_at, ends_at, index, ended_at): &Seen, before: i64) -> bool {
    let shows = index.and(*ended_at);
    (*expires_at < before || *ends_at < before) && shows.is_none_or(|ended_at| ended_at < before)
}
