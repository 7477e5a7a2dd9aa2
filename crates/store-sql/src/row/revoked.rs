//! What the status lists read of `sessions`: two columns, which an index has all of.

use aquaware_core::store::{Revoked, StoreError};
use aquaware_core::time::Timestamp;
use diesel::prelude::*;

use super::session::status_of;
use crate::schema::sessions;

/// The `status_index` and the `ended_at` of a session that ended.
pub(crate) type RevokedRow = (i64, i64);

/// The rows of the sessions that ended at or after `since`.
#[diesel::dsl::auto_type(no_type_alias)]
pub(crate) fn revoked_since(since: i64) -> _ {
    let index = sessions::status_index.assume_not_null();
    let at = sessions::ended_at.assume_not_null();
    sessions::table
        .select((index, at))
        .filter(sessions::status_index.is_not_null())
        .filter(sessions::ended_at.ge(since))
}

/// What the rows stand for. One that can't be is reported: a list that leaves it out says that a
/// session lives on.
pub(crate) fn revocations(rows: Vec<RevokedRow>) -> Result<Vec<Revoked>, StoreError> {
    rows.into_iter().map(revocation).collect()
}

fn revocation((number, at): RevokedRow) -> Result<Revoked, StoreError> {
    match status_of(number) {
        Ok(index) => Ok(Revoked { index, at: Timestamp::from_millis(at) }),
        Err(what) => {
            Err(StoreError::corrupt(format!("session with the status index {number}"), what))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revocations_come_back() {
        for row @ (number, at) in [(0, i64::MIN), (7, -1), (i64::from(u32::MAX), i64::MAX)] {
            let revoked = revocation(row).unwrap();
            assert_eq!((i64::from(revoked.index.number()), revoked.at.millis()), (number, at));
        }
    }

    #[test]
    fn a_row_that_nobody_here_wrote_is_reported_by_its_index() {
        for number in [-1, 1 << 32, i64::MIN, i64::MAX] {
            let error = revocations(vec![(1, 2), (number, 2)]).unwrap_err();
            let StoreError::Corrupt { key, .. } = &error else { panic!("{error:?}") };
            assert!(key.contains(&number.to_string()), "{key}");
        }
    }
}
