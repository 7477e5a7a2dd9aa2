//! Renewal: one store operation where nothing is unusual, and a way out of everything that is.

use thiserror::Error;

use super::sessions::Sessions;
use super::{Granted, ServiceError};
use crate::claims::{RefreshClaims, Scope};
use crate::id::{ClientId, SessionId};
use crate::jwt::{TokenError, Verified};
use crate::policy::{ClientProfile, Grant, Rotation};
use crate::retry::{Mark, RetryKey};
use crate::session::{EndReason, Session};
use crate::store::{Outcome, StoreError};
use crate::succession::{Attempt, Verdict, judge};
use crate::time::Timestamp;

/// How a refresh succeeded: for the metrics, clients can't tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Renewal {
    /// The session moved on by one.
    Advanced,
    /// The refresh token stays.
    Kept,
    /// The answer was given before, and is given again.
    Repeated,
    /// The store had lost writes; the session moved past the presented token.
    Healed,
}

/// Why a refresh token gets nothing.
#[derive(Debug, Error)]
pub enum RefreshError {
    /// It isn't one of this issuer's.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// There is no such session.
    #[error("the session is not known")]
    Unknown,
    /// Too late.
    #[error("the refresh token has expired")]
    Expired,
    /// It was superseded: somebody else has a copy. The session is over by this.
    #[error("a superseded refresh token was used again")]
    Reused,
    /// The session ended earlier.
    #[error("the session has ended")]
    Ended(EndReason),
    /// Its client may not refresh here.
    #[error("the client may not refresh here")]
    NotAllowed,
    /// It belongs to another client than the one that presents it. Nothing is used up.
    #[error("the refresh token is another client's")]
    Foreign,
    /// More than the session was granted. Nothing is used up.
    #[error("the scope is wider than the session's")]
    InvalidScope,
    /// Everything presented is good, but.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// Who presents a refresh token.
#[derive(Clone, Copy, Debug)]
pub enum Presenter<'a> {
    /// The first party's own applications, which have no secret.
    FirstParty,
    /// A client that named itself and, if it is confidential, proved it (RFC 6749 §6).
    Client(&'a ClientId),
}

impl Presenter<'_> {
    /// Asked first: whose token it is says nothing about what its client may do.
    fn may_present(self, claims: &RefreshClaims) -> Result<(), RefreshError> {
        match self {
            Self::Client(id) if *id != claims.client_id => Err(RefreshError::Foreign),
            Self::FirstParty | Self::Client(_) => Ok(()),
        }
    }

    fn may_renew(self, profile: &ClientProfile) -> bool {
        let proved = matches!(self, Self::Client(_)) || !profile.is_confidential();
        proved && profile.allows(Grant::RefreshToken)
    }
}

/// A wish for renewal.
#[derive(Clone, Copy, Debug)]
pub struct Renew<'a> {
    /// The refresh token's claims.
    pub claims: &'a Verified<RefreshClaims>,
    /// Who presents it.
    pub presenter: Presenter<'a>,
    /// A narrower scope for the access token alone; the session keeps its own.
    pub scope: Option<&'a Scope>,
}

impl From<StoreError> for RefreshError {
    fn from(error: StoreError) -> Self {
        Self::Service(error.into())
    }
}

/// More steps than any honest race takes.
const MOST_STEPS: usize = 8;

impl Sessions {
    /// Renews a session by its refresh token as it came: [`Sessions::check_refresh`] and
    /// [`Sessions::renew`].
    ///
    /// # Errors
    /// [`RefreshError`].
    pub async fn refresh(
        &self,
        token: &str,
        retry_key: Option<&RetryKey>,
        now: Timestamp,
    ) -> Result<(Granted, Renewal), RefreshError> {
        let claims = self.check_refresh(token, now)?;
        let request = Renew { claims: &claims, presenter: Presenter::FirstParty, scope: None };
        self.renew(request, retry_key, now).await
    }

    /// Checks that `token` is a refresh token of this issuer. No store.
    ///
    /// # Errors
    /// [`RefreshError::Token`].
    pub fn check_refresh(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Verified<RefreshClaims>, RefreshError> {
        Ok(self.snapshot().check_refresh(token, now)?)
    }

    /// Renews a session: http-api.md, *Succession*; the rules are [`judge`]'s.
    ///
    /// The step is tried before the record is read: where the token is the live one, that is the
    /// only store operation. Where it isn't, the step's own answer is the record to judge by. An
    /// answer that got lost between here and the store is found again by the attempt's mark.
    ///
    /// # Errors
    /// [`RefreshError`]. After [`RefreshError::Service`] the token presented still works, or its
    /// retry with the same key or within the window gets the successor.
    pub async fn renew(
        &self,
        request: Renew<'_>,
        retry_key: Option<&RetryKey>,
        now: Timestamp,
    ) -> Result<(Granted, Renewal), RefreshError> {
        let Renew { claims, presenter, scope } = request;
        let snapshot = self.snapshot();
        presenter.may_present(claims)?;
        let profile = snapshot
            .policy()
            .client(&claims.client_id)
            .filter(|profile| presenter.may_renew(profile))
            .ok_or(RefreshError::NotAllowed)?;
        let attempt = Attempt {
            presented: claims.into(),
            mark: Mark::of(retry_key, &claims.sid, &*self.random),
            profile,
            now,
        };
        let seen = match scope {
            Some(scope) => Some(self.check_narrowing(&claims.sid, scope, &attempt).await?),
            None => None,
        };
        let (session, renewal) = self.settle(&claims.sid, &attempt, seen).await?;
        // A client that keeps its token has this very generation in hand.
        let kept = profile.rotation == Rotation::Never
            && session.generation == attempt.presented.generation;
        let granted = self.grant(&snapshot, profile, session, scope, !kept, now)?;
        Ok((granted, renewal))
    }

    /// The record, if `scope` is no more than its session was granted. Asked before anything is used
    /// up, at the price of a read that only narrowing pays. A dead token is told to be dead, and a
    /// stolen one found out, whatever scope it is presented with.
    async fn check_narrowing(
        &self,
        id: &SessionId,
        scope: &Scope,
        attempt: &Attempt<'_>,
    ) -> Result<Session, RefreshError> {
        let session = self.store.find(id).await?.ok_or(RefreshError::Unknown)?;
        let dead = match judge(&session, attempt) {
            Verdict::Advance(_) | Verdict::Keep | Verdict::Repeat => false,
            Verdict::Reuse | Verdict::Expired | Verdict::Ended(_) => true,
        };
        if dead || scope.is_within(&session.scope) {
            Ok(session)
        } else {
            Err(RefreshError::InvalidScope)
        }
    }

    /// Does what the verdicts ask until the session stands where the answer can be given. `seen` is
    /// the record, where it was read already.
    async fn settle(
        &self,
        id: &SessionId,
        attempt: &Attempt<'_>,
        mut seen: Option<Session>,
    ) -> Result<(Session, Renewal), RefreshError> {
        let mut verdict =
            seen.as_ref().map_or_else(|| attempt.opening(), |session| judge(session, attempt));
        for _ in 0..MOST_STEPS {
            let outcome = match (verdict, seen) {
                (Verdict::Advance(step), _) => self.store.advance(id, &step).await,
                (Verdict::Keep, _) => {
                    self.store.touch(id, attempt.presented.generation, attempt.now).await
                }
                (Verdict::Repeat, Some(session)) => return Ok((session, Renewal::Repeated)),
                (Verdict::Repeat, None) => return Err(RefreshError::Unknown),
                (Verdict::Reuse, _) => {
                    self.end(id, EndReason::Reuse, attempt.now).await?;
                    return Err(RefreshError::Reused);
                }
                (Verdict::Expired, _) => return Err(RefreshError::Expired),
                (Verdict::Ended(reason), _) => return Err(RefreshError::Ended(reason)),
            };
            let session = match outcome {
                Ok(Outcome::Applied(session)) => return Ok((session, renewal(verdict, attempt))),
                Ok(Outcome::Refused(session)) => session,
                Ok(Outcome::NotFound) => return Err(RefreshError::Unknown),
                Err(error) if error.is_unknown() => self.read_back(id, error).await?,
                Err(error) => return Err(error.into()),
            };
            verdict = judge(&session, attempt);
            seen = Some(session);
        }
        Err(StoreError::Unreachable("the session would not stand still".into()).into())
    }

    /// The step's answer got lost: whether it was taken, the record tells.
    async fn read_back(&self, id: &SessionId, lost: StoreError) -> Result<Session, RefreshError> {
        const TRIES: usize = 3;
        let mut last = lost;
        for _ in 0..TRIES {
            match self.store.find(id).await {
                Ok(Some(session)) => return Ok(session),
                Ok(None) => return Err(RefreshError::Unknown),
                Err(error) => last = error,
            }
        }
        Err(last.into())
    }
}

fn renewal(verdict: Verdict, attempt: &Attempt<'_>) -> Renewal {
    match verdict {
        Verdict::Advance(step) if step.from == attempt.presented.generation => Renewal::Advanced,
        Verdict::Advance(_) => Renewal::Healed,
        _ => Renewal::Kept,
    }
}
