//! Status indices and their flaws.

use aquaware_core::session::Session;
use aquaware_core::store::Revoked;
use aquaware_core::time::Timestamp;

use super::{Flaw, Flawed};

impl Flawed {
    pub(super) fn has_status_of(&self, session: &Session) -> bool {
        self.records().values().any(|other| self.shares_status(other, session))
    }

    pub(super) fn shares_status(&self, other: &Session, session: &Session) -> bool {
        let counts = match self.flaw {
            Flaw::StatusIsShared => false,
            Flaw::StatusIsSharedWithEndedSessions => other.ended.is_none(),
            _ => true,
        };
        // A taken id is rejected separately.
        counts
            && session.status.is_some()
            && other.status == session.status
            && other.id != session.id
    }

    pub(super) fn revoked_since(&self, since: Timestamp) -> Vec<Revoked> {
        let records = self.records();
        let revoked = records.values().filter_map(|session| {
            let living = self.has(Flaw::RevokedReturnsLiveSessions).then_some(session.last_used_at);
            let at = session.ended.map(|ended| ended.at).or(living)?;
            let late = self.has(Flaw::RevokedIsLater) && at == since;
            (at >= since && !late).then_some(Revoked { index: session.status?, at })
        });
        let most = if self.has(Flaw::RevokedStopsAtAThousand) { 1000 } else { usize::MAX };
        revoked.take(most).collect()
    }

    pub(super) fn released(&self, ended_before: Timestamp, at_most: u32) -> u64 {
        let most = if self.has(Flaw::ReleaseIgnoresTheLimit) { u32::MAX } else { at_most };
        let over = |session: &Session| match session.ended {
            Some(ended) => ended.at < ended_before,
            None => self.has(Flaw::ReleaseTakesLiveSessions),
        };
        let mut records = self.records();
        let dead = records.values_mut().filter(|session| session.status.is_some() && over(session));
        let mut released = 0;
        for session in dead.take(most as usize) {
            released += 1;
            if !self.has(Flaw::ReleaseKeepsTheIndex) {
                session.status = None;
            }
        }
        released
    }
}
