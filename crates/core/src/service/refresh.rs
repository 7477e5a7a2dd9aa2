//! Renewal: one store operation in the normal case, and recovery from everything else.
//!
//! The rules are in [`succession`](crate::succession); this file carries out their verdicts.

use thiserror::Error;

use super::sessions::Sessions;
use super::{Granted, RequestContext, ServiceError};
use crate::claims::{RefreshClaims, Scope};
use crate::id::{ClientId, SessionId};
use crate::jwt::{TokenError, Verified};
use crate::origin::Origin;
use crate::policy::{ClientProfile, Grant, Rotation};
use crate::retry::{Mark, RetryKey};
use crate::session::{Device, EndReason, Session};
use crate::store::{Outcome, StoreError};
use crate::succession::{Attempt, Proof, Verdict, judge};

/// How a refresh succeeded. For metrics: clients see no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefreshOutcome {
    /// The session advanced by one generation.
    Advanced,
    /// The client keeps its refresh token.
    Kept,
    /// An earlier response was repeated.
    Repeated,
    /// An earlier response was repeated, but to another network or user agent, as far as these are
    /// recorded. Honest clients change addresses too, so this is a trace and not a reason to reject.
    RepeatedElsewhere {
        /// The origin of the first use.
        first: Origin,
        /// The origin of the repeat.
        repeat: Origin,
    },
    /// The store had lost writes; the session advanced past the presented token.
    Healed,
}

/// Why a refresh is rejected.
#[derive(Debug, Error)]
pub enum RefreshError {
    /// This issuer did not sign the token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The session does not exist.
    #[error("unknown session")]
    Unknown,
    /// The refresh token has expired.
    #[error("the refresh token has expired")]
    Expired,
    /// The token was superseded, so a second party has a copy of it. The session has been ended.
    #[error("a superseded refresh token was used again")]
    Reused,
    /// The session ended earlier.
    #[error("the session has ended")]
    Ended(EndReason),
    /// The client may not refresh, or not in this way.
    #[error("the client is not allowed to refresh here")]
    NotAllowed,
    /// The token belongs to another client. Nothing has changed.
    #[error("the refresh token belongs to another client")]
    Foreign,
    /// The requested scope exceeds the session's. Nothing has changed.
    #[error("the requested scope exceeds the session's scope")]
    InvalidScope,
    /// The request is valid, but could not be carried out.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl From<StoreError> for RefreshError {
    fn from(error: StoreError) -> Self {
        Self::Service(error.into())
    }
}

/// The party that presents a refresh token.
#[derive(Clone, Copy, Debug)]
pub enum Presenter<'a> {
    /// A first-party application, which has no secret.
    FirstParty,
    /// A client that named itself and, if it is confidential, authenticated (RFC 6749 §6).
    Client(&'a ClientId),
}

impl Presenter<'_> {
    /// Checked first: to another client, nothing is revealed about the token's own client.
    fn may_present(self, claims: &RefreshClaims) -> Result<(), RefreshError> {
        match self {
            Self::Client(id) if *id != claims.client_id => Err(RefreshError::Foreign),
            Self::FirstParty | Self::Client(_) => Ok(()),
        }
    }

    fn proof(self, profile: &ClientProfile) -> Proof {
        match self {
            Self::Client(_) if profile.is_confidential() => Proof::ClientAuthentication,
            Self::Client(_) | Self::FirstParty => Proof::None,
        }
    }

    fn may_renew(self, profile: &ClientProfile) -> bool {
        let authenticated = matches!(self, Self::Client(_)) || !profile.is_confidential();
        authenticated && profile.allows(Grant::RefreshToken)
    }
}

/// A refresh token that this issuer signed, with its client's profile. Only
/// [`Sessions::check_refresh`] creates one. Whether the token may still be used is not known yet.
#[derive(Clone, Debug)]
pub struct CheckedRefresh<'a> {
    claims: Verified<RefreshClaims>,
    profile: Option<&'a ClientProfile>,
}

impl<'a> CheckedRefresh<'a> {
    /// The claims of the token.
    #[must_use]
    pub const fn claims(&self) -> &Verified<RefreshClaims> {
        &self.claims
    }

    /// The profile of the token's client; `None` if the client is no longer configured.
    #[must_use]
    pub const fn profile(&self) -> Option<&'a ClientProfile> {
        self.profile
    }
}

/// A request to renew a session.
#[derive(Clone, Copy, Debug)]
pub struct RefreshRequest<'a> {
    /// The refresh token.
    pub token: &'a CheckedRefresh<'a>,
    /// The party that presents it.
    pub presenter: Presenter<'a>,
    /// A narrower scope for the new access token; the session keeps its own.
    pub scope: Option<&'a Scope>,
    /// The client's key for this attempt.
    pub retry_key: Option<&'a RetryKey>,
    /// The origin of the request.
    pub device: Option<&'a Device>,
}

/// Limit on the store operations of one refresh. Every lost race means that another request has
/// succeeded, so an honest client never comes near it.
const MAX_STEPS: usize = 8;

impl Sessions {
    /// Renews a session by a refresh token of a first-party client: [`Sessions::check_refresh`] and
    /// [`Sessions::renew`].
    ///
    /// # Errors
    /// [`RefreshError`].
    pub async fn refresh(
        &self,
        context: &RequestContext,
        token: &str,
        retry_key: Option<&RetryKey>,
    ) -> Result<(Granted, RefreshOutcome), RefreshError> {
        let token = &self.check_refresh(context, token)?;
        let presenter = Presenter::FirstParty;
        let request = RefreshRequest { token, presenter, scope: None, retry_key, device: None };
        self.renew(context, request).await
    }

    /// Checks that this issuer signed `token`, without the store.
    ///
    /// # Errors
    /// [`RefreshError::Token`].
    pub fn check_refresh<'a>(
        &self,
        context: &'a RequestContext,
        token: &str,
    ) -> Result<CheckedRefresh<'a>, RefreshError> {
        let claims = context.snapshot.check_refresh(token, context.now)?;
        let profile = context.client(&claims.client_id);
        Ok(CheckedRefresh { claims, profile })
    }

    /// Renews a session by the rules of [`judge`] (docs/http-api.md, *Succession*).
    ///
    /// The step is attempted before the record is read: if the token is the live one, this is the
    /// only store operation. Otherwise the step's result contains the record to judge by. If the
    /// store's response is lost, the attempt's mark in the record shows whether the step happened.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub async fn renew(
        &self,
        context: &RequestContext,
        request: RefreshRequest<'_>,
    ) -> Result<(Granted, RefreshOutcome), RefreshError> {
        context.check_clock()?;
        let RefreshRequest { token, presenter, scope, retry_key, device } = request;
        let CheckedRefresh { claims, profile } = token;
        presenter.may_present(claims)?;
        let profile = profile
            .filter(|profile| presenter.may_renew(profile))
            .ok_or(RefreshError::NotAllowed)?;
        let attempt = Attempt {
            presented: claims.into(),
            mark: Mark::of(retry_key, &claims.sid, &*self.random),
            proof: presenter.proof(profile),
            origin: device.and_then(|device| Origin::new(self.settings.record, device)),
            profile,
            now: context.now,
        };
        let seen = match scope {
            Some(scope) => Some(self.check_narrowing(context, &claims.sid, scope, &attempt).await?),
            None if self.refused.contains(&claims.sid) => {
                let found = context.budget.wait(self.store.find(&claims.sid)).await?;
                Some(found.ok_or(RefreshError::Unknown)?)
            }
            None => None,
        };
        let (session, outcome) = match self.settle(context, &claims.sid, &attempt, seen).await {
            Err(error @ (RefreshError::Reused | RefreshError::Ended(_))) => {
                self.refused.add(claims.sid);
                return Err(error);
            }
            result => result?,
        };
        // A client that keeps its token already holds the one of this generation.
        let has_token = profile.rotation() == Rotation::Never
            && session.generation == attempt.presented.generation;
        let granted = self.grant(context, profile, session, scope, !has_token)?;
        Ok((granted, outcome))
    }

    /// Returns the record if `scope` does not exceed the session's. Checked before any change, at
    /// the cost of a read that only narrowing requests pay. For a token that would be rejected
    /// anyway, the scope does not matter: reuse is detected whatever scope is requested.
    async fn check_narrowing(
        &self,
        context: &RequestContext,
        id: &SessionId,
        scope: &Scope,
        attempt: &Attempt<'_>,
    ) -> Result<Session, RefreshError> {
        let found = context.budget.wait(self.store.find(id)).await?;
        let session = found.ok_or(RefreshError::Unknown)?;
        let rejected = match judge(&session, attempt) {
            Verdict::Advance(_) | Verdict::Keep(_) | Verdict::Repeat => false,
            Verdict::Reuse | Verdict::Expired | Verdict::Ended(_) => true,
        };
        if rejected || scope.is_within(&session.scope) {
            Ok(session)
        } else {
            Err(RefreshError::InvalidScope)
        }
    }

    /// Carries out verdicts until the request can be answered. `seen` is the record if it has been
    /// read already.
    pub(super) async fn settle(
        &self,
        context: &RequestContext,
        id: &SessionId,
        attempt: &Attempt<'_>,
        mut seen: Option<Session>,
    ) -> Result<(Session, RefreshOutcome), RefreshError> {
        let mut verdict =
            seen.as_ref().map_or_else(|| attempt.opening(), |session| judge(session, attempt));
        for _ in 0..MAX_STEPS {
            let result = match (verdict, seen) {
                (Verdict::Advance(step), _) => {
                    context.budget.wait(self.store.advance(id, &step)).await
                }
                (Verdict::Keep(touch), _) => {
                    context.budget.wait(self.store.touch(id, &touch)).await
                }
                (Verdict::Repeat, Some(session)) => {
                    let outcome = repeated(&session, attempt);
                    return Ok((session, outcome));
                }
                (Verdict::Repeat, None) => return Err(RefreshError::Unknown),
                (Verdict::Reuse, _) => {
                    self.end(context, id, EndReason::Reuse).await?;
                    return Err(RefreshError::Reused);
                }
                (Verdict::Expired, _) => return Err(RefreshError::Expired),
                (Verdict::Ended(reason), _) => return Err(RefreshError::Ended(reason)),
            };
            let session = match result {
                Ok(Outcome::Applied(session)) => {
                    return Ok((session, outcome_of(verdict, attempt)));
                }
                Ok(Outcome::Refused(session)) => session,
                Ok(Outcome::NotFound) => return Err(RefreshError::Unknown),
                Err(error) if error.is_unknown() => self.read_back(context, id, error).await?,
                Err(error) => return Err(error.into()),
            };
            verdict = judge(&session, attempt);
            seen = Some(session);
        }
        Err(StoreError::Unreachable("the session kept changing".into()).into())
    }

    /// Reads the record after a step with an unknown outcome: it shows whether the step happened.
    async fn read_back(
        &self,
        context: &RequestContext,
        id: &SessionId,
        lost: StoreError,
    ) -> Result<Session, RefreshError> {
        const MAX_READS: usize = 3;
        let mut last = lost;
        for _ in 0..MAX_READS {
            if context.budget.is_spent() {
                break;
            }
            match context.budget.wait(self.store.find(id)).await {
                Ok(Some(session)) => return Ok(session),
                Ok(None) => return Err(RefreshError::Unknown),
                Err(error) => last = error,
            }
        }
        Err(last.into())
    }
}

fn repeated(session: &Session, attempt: &Attempt<'_>) -> RefreshOutcome {
    match (session.used_from, attempt.origin) {
        (Some(first), Some(repeat)) if first != repeat => {
            RefreshOutcome::RepeatedElsewhere { first, repeat }
        }
        _ => RefreshOutcome::Repeated,
    }
}

fn outcome_of(verdict: Verdict, attempt: &Attempt<'_>) -> RefreshOutcome {
    match verdict {
        Verdict::Advance(step) if step.from == attempt.presented.generation => {
            RefreshOutcome::Advanced
        }
        Verdict::Advance(_) => RefreshOutcome::Healed,
        _ => RefreshOutcome::Kept,
    }
}
