//! How long a revocation shows, a list lives, and an index rests before another session has it.

use std::time::Duration;

use crate::time::{Leeway, Timestamp};

/// The spans of status lists, which depend on each other.
///
/// A revoked bit shows until the session's last access token is dead for the most patient
/// verifier. Its index rests until every list that showed the bit has expired too, so that no
/// verifier, however long cut off, takes the next session with this index for the revoked one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spans {
    shows: Duration,
}

impl Spans {
    /// The `ttl` of a list: how soon a verifier asks again.
    pub const TTL: Duration = Duration::from_secs(10);
    /// How long after its signing a list may be used at all: its `exp`.
    pub const LIFETIME: Duration = Duration::from_secs(24 * 3600);
    /// When a list is signed anew although nothing changed.
    pub const RENEWAL: Duration = Duration::from_secs(3600);
    /// How old a replica's knowledge of revocations may be when it answers.
    pub const FRESH: Duration = Duration::from_millis(500);
    /// The longest an access token with a status may live: its session's record, which knows of
    /// the revocation, must outlive it by far.
    pub const LONGEST_ACCESS: Duration = Duration::from_secs(24 * 3600);
    /// How far the clocks of two replicas may differ.
    pub(crate) const SKEW: Duration = Leeway::MAX.span();

    /// The spans where access tokens live for `longest_access` at most.
    ///
    /// One replica's clock says when the session ended, another's when the token dies, and a third
    /// one's when the bit shows no more.
    #[must_use]
    pub(crate) fn of(longest_access: Duration) -> Self {
        Self { shows: longest_access + Leeway::MAX.span() + Self::SKEW * 2 }
    }

    /// Revocations before this instant show no more.
    #[must_use]
    pub fn shown_since(self, now: Timestamp) -> Timestamp {
        now.minus(self.shows)
    }

    /// The indices of sessions that ended before this instant are free.
    #[must_use]
    pub fn free_before(self, now: Timestamp) -> Timestamp {
        self.shown_since(now).minus(Self::LIFETIME + Self::SKEW * 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::RETENTION;
    use crate::testing::fixture::NOW;

    #[test]
    fn an_index_is_free_only_when_no_list_that_showed_it_is_good_any_more() {
        let spans = Spans::of(Duration::from_secs(3600));
        let ended = spans.free_before(NOW);
        // The last list that shows it is signed up to a moment before it stops showing, by a
        // replica whose clock is behind, and lives for a day.
        let last_signed = ended.plus(spans.shows).plus(Spans::SKEW);
        assert!(last_signed.plus(Spans::LIFETIME) < NOW);
    }

    #[test]
    fn records_outlive_what_is_to_be_known_of_them() {
        let spans = Spans::of(Spans::LONGEST_ACCESS);
        assert!(NOW.minus(RETENTION) < spans.free_before(NOW));
    }

    #[test]
    fn a_list_is_renewed_long_before_it_expires() {
        // Whoever has fetched one can go on for most of a day without the issuer.
        assert!(Spans::RENEWAL * 20 < Spans::LIFETIME);
    }
}
