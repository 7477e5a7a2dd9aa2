//! The rules of a refresh (docs/http-api.md, *Succession*).
//!
//! A refresh token states "session S, generation N"; the record states which generation is live.
//! [`judge`] decides what follows. It is a pure function of the record, the presented token, the
//! attempt's mark, the client's profile and the time, and no other code contains any of these rules.
//!
//! | the session | verdict |
//! | --- | --- |
//! | is in any state, but the presented token has expired | [`Verdict::Expired`] |
//! | has ended | [`Verdict::Ended`] |
//! | is at the presented generation | [`Verdict::Advance`] by one, or [`Verdict::Keep`] |
//! | is one ahead, and its mark is the attempt's | [`Verdict::Repeat`], even weeks later |
//! | is one ahead, and the presenter proved to be the client | [`Verdict::Repeat`], even weeks later |
//! | is one ahead, within the retry window of the first use | [`Verdict::Repeat`] |
//! | is ahead otherwise | [`Verdict::Reuse`] |
//! | is behind, because the store lost writes | [`Verdict::Advance`] past the presented one |

use std::cmp::Ordering;
use std::time::Duration;

use crate::claims::RefreshClaims;
use crate::id::Generation;
use crate::jwt::Verified;
use crate::origin::Origin;
use crate::policy::{ClientProfile, Rotation};
use crate::retry::Mark;
use crate::session::{EndReason, Session};
use crate::store::{Advance, Touch};
use crate::time::{Leeway, Timestamp, expired};

/// The part of a verified refresh token that matters for the succession.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presented {
    /// The token's generation.
    pub generation: Generation,
    /// The token's `iat`.
    pub issued_at: Timestamp,
    /// The token's `exp`.
    pub expiry: Timestamp,
}

impl From<&Verified<RefreshClaims>> for Presented {
    fn from(claims: &Verified<RefreshClaims>) -> Self {
        Self { generation: claims.generation, issued_at: claims.iat, expiry: claims.exp }
    }
}

/// What proves that the presenter is the client itself, and not a thief of its token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proof {
    /// Nothing: the token can be presented by any party that has it.
    #[default]
    None,
    /// The client is confidential and has authenticated (RFC 6749 §2.3).
    ClientAuthentication,
}

/// One attempt to refresh: everything that [`judge`] considers besides the record.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The presented refresh token.
    pub presented: Presented,
    /// The mark by which a repetition of this attempt is recognized.
    pub mark: Mark,
    /// What proves that the presenter is the client.
    pub proof: Proof,
    /// The origin of the request, as far as it may be stored. It affects no verdict.
    pub origin: Option<Origin>,
    /// The client's profile.
    pub profile: &'a ClientProfile,
    /// The instant of the request.
    pub now: Timestamp,
}

/// The decision about an attempt. Exhaustive on purpose: every caller must handle each verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Take this step and respond with the generation it leads to.
    Advance(Advance),
    /// Rotation is `Never`: record this use and respond with an access token only.
    Keep(Touch),
    /// The step was taken before: respond again with the live generation.
    Repeat,
    /// A second party has a copy of the token: end the session.
    Reuse,
    /// The token has expired; nothing changes.
    Expired,
    /// The session ended earlier; nothing changes.
    Ended(EndReason),
}

impl Attempt<'_> {
    /// The verdict if the session is at the presented generation. It allows the first step to be
    /// attempted before the record is read, because the step's own condition covers all other cases.
    pub fn opening(&self) -> Verdict {
        if self.is_expired() { Verdict::Expired } else { self.proceed() }
    }

    fn is_expired(&self) -> bool {
        expired(self.presented.expiry, Leeway::NONE, self.now)
    }

    fn proceed(&self) -> Verdict {
        match self.profile.rotation() {
            Rotation::Never => Verdict::Keep(Touch {
                generation: self.presented.generation,
                at: self.now,
                visible_before: self.visible_before(),
            }),
            Rotation::Always => Verdict::Advance(self.step_past(self.presented.generation)),
        }
    }

    fn step_past(&self, from: Generation) -> Advance {
        Advance {
            from,
            to: self.presented.generation.next(),
            mark: self.mark,
            used_from: self.origin,
            issued_at: self.now,
            // Never earlier than before: a clock that is behind must not shorten a session.
            expires_at: self.profile.refresh_lifetime().from(self.now).max(self.presented.expiry),
            visible_before: self.visible_before(),
        }
    }

    /// A use after this instant must not be shown yet: a thief who knows when the owner refreshed can
    /// present a superseded token within the retry window.
    fn visible_before(&self) -> Timestamp {
        self.now.minus(self.profile.retry_window().saturating_mul(2))
    }

    /// The step for a record that is behind a token which only the issuer can have signed: past the
    /// token if tokens are replaced, up to it if the first one stays.
    fn heal(&self, from: Generation) -> Advance {
        let step = self.step_past(from);
        match self.profile.rotation() {
            Rotation::Always => step,
            Rotation::Never => Advance {
                to: self.presented.generation,
                issued_at: self.presented.issued_at,
                expires_at: self.presented.expiry,
                ..step
            },
        }
    }

    /// Whether this attempt repeats the one that began the live generation.
    fn is_retry(&self, session: &Session) -> bool {
        session.mark == Some(self.mark) || self.proof != Proof::None || self.is_within(session)
    }

    /// Whether the first use was within the retry window. A replica with a clock that is behind must not
    /// extend the window, so the first use must not be later than now by more than clocks may differ.
    fn is_within(&self, session: &Session) -> bool {
        let window = self.profile.retry_window();
        let start = session.issued_at.minus(MAX_CLOCK_LAG);
        // Zero means off, even for a replica whose clock is behind that of the first use.
        !window.is_zero() && start <= self.now && self.now < session.issued_at.plus(window)
    }
}

/// How far the clock of one replica may be behind that of another.
pub const MAX_CLOCK_LAG: Duration = Duration::from_secs(5);

/// Decides about `attempt`, given the current record.
///
/// Expiry is checked first: a superseded token that has expired is not reuse. The retry window starts
/// at the first use, so retries do not prolong it.
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

/// The successor can have expired already if lifetimes were shortened in between.
fn repeat_if_alive(session: &Session, now: Timestamp) -> Verdict {
    if session.is_live(now) { Verdict::Repeat } else { Verdict::Expired }
}

#[cfg(test)]
mod tests;
