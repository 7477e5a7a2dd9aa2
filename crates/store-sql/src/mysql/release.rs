//! Releasing: status indices of what ended long ago, found by one statement and taken by another
//! that has the condition too.
//!
//! The index of revocations has every session here, NULLs included. An `UPDATE` with a limit would
//! have to pass all that were released before, and lock them. So the index is read through from the
//! end of the range on, where the latest are, in stretches short enough for one step's deadline.

use aquaware_core::store::StoreError;
use aquaware_core::time::Timestamp;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::MysqlStore;
use crate::schema::sessions;

/// How many rows are looked at in one go.
const STRETCH: i64 = 4096;
/// How many rows are changed by one statement.
const BITE: usize = 128;

/// A row of a stretch, and a place to go on from: its `ended_at` and `status_index`.
type Place = (i64, Option<i64>);

impl MysqlStore {
    /// Takes the status index away from up to `at_most` sessions that ended before `before`, and
    /// says from how many.
    pub(super) async fn release_indices(
        &self,
        before: Timestamp,
        at_most: u32,
    ) -> Result<u64, StoreError> {
        let before = before.millis();
        let at_most = usize::try_from(at_most).unwrap_or(usize::MAX);
        let (mut place, mut released) = ((before, None), 0_usize);
        while released < at_most {
            let seen = self.look_back(place).await?;
            let Some(last) = seen.last() else { break };
            place = *last;
            let mut held = seen.into_iter().filter_map(|(_, index)| index);
            loop {
                // What somebody else was faster with doesn't count, so there may be room for more.
                let room = at_most.saturating_sub(released).min(BITE);
                let bite: Vec<i64> = held.by_ref().take(room).collect();
                if bite.is_empty() {
                    break;
                }
                released += self.release_these(bite, before).await?;
            }
        }
        Ok(u64::try_from(released).unwrap_or(u64::MAX))
    }

    /// The stretch before `place`, backwards. Of the sessions that ended at one instant those
    /// without an index come last.
    async fn look_back(&self, place: Place) -> Result<Vec<Place>, StoreError> {
        self.read(place, |link, (at, index)| {
            Box::pin(async move {
                let stretch = sessions::table
                    .select((sessions::ended_at.assume_not_null(), sessions::status_index))
                    .filter(sessions::ended_at.le(at))
                    // Nothing is less than NULL.
                    .filter(sessions::ended_at.lt(at).or(sessions::status_index.lt(index)))
                    .order((sessions::ended_at.desc(), sessions::status_index.desc()))
                    .limit(STRETCH);
                let seen = stretch.load::<Place>(&mut link.connection).await;
                link.asked(seen)
            })
        })
        .await
    }

    /// Takes these indices away, but for what another session has by now.
    async fn release_these(&self, indices: Vec<i64>, before: i64) -> Result<usize, StoreError> {
        self.write((indices, before), |link, (indices, before)| {
            Box::pin(async move {
                let over = sessions::table
                    .filter(sessions::status_index.eq_any(indices))
                    .filter(sessions::ended_at.lt(before));
                let change = diesel::update(over).set(sessions::status_index.eq(None::<i64>));
                let done = change.execute(link.changing()).await;
                link.asked(done)
            })
        })
        .await
    }
}
