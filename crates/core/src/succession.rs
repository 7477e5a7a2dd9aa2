//! What a refresh does: the rules of http-api.md, *Succession*, and nothing else.
//!
//! A refresh token says "session S, generation N"; the record says which generation is live. What
//! follows is decided by [`judge`], a pure function of the record, what was presented, the
//! attempt's mark, the client's profile and the time. Stores and services know no other rule.
//!
//! | the session stands | verdict |
//! | --- | --- |
//! | anywhere, and the presented token is past its `exp` | [`Verdict::Expired`], nothing changes |
//! | ended | [`Verdict::Ended`] |
//! | at the presented generation | [`Verdict::Advance`] by one, or [`Verdict::Keep`] |
//! | one past it, the attempt's mark is in the record | [`Verdict::Repeat`], be it weeks later |
//! | one past it, within the retry window of the first use | [`Verdict::Repeat`] |
//! | past it otherwise | [`Verdict::Reuse`] |
//! | before it: the store lost writes | [`Verdict::Advance`] past what was presented |

use std::cmp::Ordering;

use crate::claims::RefreshClaims;
use crate::id::Generation;
use crate::jwt::Verified;
use crate::policy::{ClientProfile, Rotation};
use crate::retry::Mark;
use crate::session::{EndReason, Session};
use crate::store::Advance;
use crate::time::{Leeway, Timestamp, expired};

/// What a verified refresh token says about the succession.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presented {
    /// Its place.
    pub generation: Generation,
    /// Its `iat`.
    pub issued_at: Timestamp,
    /// Its `exp`.
    pub expiry: Timestamp,
}

impl From<&Verified<RefreshClaims>> for Presented {
    fn from(claims: &Verified<RefreshClaims>) -> Self {
        Self { generation: claims.generation, issued_at: claims.iat, expiry: claims.exp }
    }
}

/// One attempt to refresh: what was presented, by whom, and when.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// What the refresh token says.
    pub presented: Presented,
    /// What this attempt is recognised by.
    pub mark: Mark,
    /// The profile of the client.
    pub profile: &'a ClientProfile,
    /// The instant of the request.
    pub now: Timestamp,
}

/// What is to be done about an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Take this step, and answer with the generation it leads to.
    Advance(Advance),
    /// Rotation is `Never`: note the use, answer with an access token alone.
    Keep,
    /// The step was taken before: answer again with the generation that stands.
    Repeat,
    /// Somebody else has a copy: end the session.
    Reuse,
    /// Too late; nothing changes.
    Expired,
    /// The session ended earlier; nothing changes.
    Ended(EndReason),
}

impl Attempt<'_> {
    /// The verdict for a session that stands where the token says: all that is needed to take the
    /// first step before the record was read. The step's own condition covers the rest.
    pub fn opening(&self) -> Verdict {
        if self.is_expired() { Verdict::Expired } else { self.proceed() }
    }

    fn is_expired(&self) -> bool {
        expired(self.presented.expiry, Leeway::NONE, self.now)
    }

    fn proceed(&self) -> Verdict {
        match self.profile.rotation {
            Rotation::Never => Verdict::Keep,
            Rotation::Always => Verdict::Advance(self.step_past(self.presented.generation)),
        }
    }

    fn step_past(&self, from: Generation) -> Advance {
        Advance {
            from,
            to: self.presented.generation.next(),
            mark: self.mark,
            issued_at: self.now,
            expires_at: self.profile.refresh_lifetime.from(self.now),
        }
    }

    /// The record is behind a token that only the issuer can have signed. Where tokens are
    /// replaced, go past it; where the first one stays, catch up with it.
    fn heal(&self, from: Generation) -> Advance {
        let step = self.step_past(from);
        match self.profile.rotation {
            Rotation::Always => step,
            Rotation::Never => Advance {
                to: self.presented.generation,
                issued_at: self.presented.issued_at,
                expires_at: self.presented.expiry,
                ..step
            },
        }
    }

    fn is_retry(&self, session: &Session) -> bool {
        let window = self.profile.retry_window;
        // Zero is off, also for a request whose clock is behind that of the first use.
        let within = !window.is_zero() && self.now < session.issued_at.plus(window);
        session.mark == Some(self.mark) || within
    }
}

/// Decides about `attempt`, given the record as it stands.
///
/// Expiry comes first: a superseded token that is past its `exp` is just expired. The retry window
/// counts from the first use, so no number of retries prolongs it.
pub fn judge(session: &Session, attempt: &Attempt<'_>) -> Verdict {
    let over = expired(session.ends_at, Leeway::NONE, attempt.now);
    if attempt.is_expired() || over {
        return Verdict::Expired;
    }
    if let Some(ended) = session.ended {
        return Verdict::Ended(ended.reason);
    }
    let presented = attempt.presented.generation;
    match session.generation.cmp(&presented) {
        Ordering::Equal => attempt.proceed(),
        Ordering::Less => Verdict::Advance(attempt.heal(session.generation)),
        Ordering::Greater
            if session.generation == presented.next() && attempt.is_retry(session) =>
        {
            repeat_if_alive(session, attempt.now)
        }
        Ordering::Greater => Verdict::Reuse,
    }
}

/// The successor may be dead already, where lifetimes were shortened in between.
fn repeat_if_alive(session: &Session, now: Timestamp) -> Verdict {
    if session.is_live(now) { Verdict::Repeat } else { Verdict::Expired }
}

#[cfg(test)]
mod tests;
