//! How long a revocation is shown, a list is valid, and an index rests before it is reused.

use std::time::Duration;

use crate::time::{Leeway, Timestamp};

/// The time spans of status lists, which depend on each other.
///
/// A revocation is shown until the session's last access token has expired for the verifier with the
/// largest leeway. The index rests until every list that showed the revocation has expired too, so
/// that a verifier that was offline never takes the next session with this index for the revoked one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spans {
    shows: Duration,
}

impl Spans {
    /// The `ttl` of a list: how soon a verifier fetches it again.
    pub const TTL: Duration = Duration::from_secs(10);
    /// How long after its signing a list is valid: its `exp`.
    pub const LIFETIME: Duration = Duration::from_secs(24 * 3600);
    /// When an unchanged list is signed again.
    pub const RENEWAL: Duration = Duration::from_secs(3600);
    /// Maximum age of the revocations in a response.
    pub const FRESH: Duration = Duration::from_millis(500);
    /// Maximum lifetime of an access token with a status. The session's record, which holds the
    /// revocation, must outlive the token by far.
    pub const MAX_ACCESS_LIFETIME: Duration = Duration::from_secs(24 * 3600);
    /// Maximum clock difference between two replicas.
    pub(crate) const SKEW: Duration = Leeway::MAX.span();

    /// The spans for access tokens with a lifetime of at most `max_access_lifetime`.
    ///
    /// Three clocks are involved: one replica dates the end of the session, another dates the expiry
    /// of the token, and a third decides when the revocation is no longer shown.
    #[must_use]
    pub(crate) fn of(max_access_lifetime: Duration) -> Self {
        Self { shows: max_access_lifetime + Leeway::MAX.span() + Self::SKEW * 2 }
    }

    /// Revocations are shown from this instant on.
    #[must_use]
    pub fn shown_since(self, now: Timestamp) -> Timestamp {
        now.minus(self.shows)
    }

    /// The indices of sessions that ended before this instant may be reused.
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
        let spans = Spans::of(Spans::MAX_ACCESS_LIFETIME);
        assert!(NOW.minus(RETENTION) < spans.free_before(NOW));
    }

    #[test]
    fn a_list_is_renewed_long_before_it_expires() {
        // A verifier that fetched a list can continue for most of a day without the issuer.
        assert!(Spans::RENEWAL * 20 < Spans::LIFETIME);
    }
}
