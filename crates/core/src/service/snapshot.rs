//! The issuer at one moment: policy and keys together, and what follows from them alone.

use crate::claims::{AccessClaims, RefreshClaims, Scope};
use crate::id::{Audience, Subject};
use crate::jwt::{AccessCheck, RefreshCheck, SignError, TokenError, TokenType, Verified};
use crate::keys::KeyRing;
use crate::policy::{ClientProfile, TokenPolicy};
use crate::random::Random;
use crate::secret::AccessToken;
use crate::session::Session;
use crate::status::StatusIndex;
use crate::time::{Leeway, Timestamp};

use super::GrantedRefresh;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Policy and keys, replaced together when configuration or keys are read again.
#[derive(Debug)]
pub struct Snapshot {
    policy: TokenPolicy,
    ring: KeyRing,
    access_check: AccessCheck,
}

/// What an access token is about.
pub(super) struct About<'a> {
    /// Whom.
    pub(super) subject: Subject,
    /// Of which session; none for a client by itself.
    pub(super) session: Option<&'a Session>,
    /// What it is good for.
    pub(super) scope: Scope,
}

impl Snapshot {
    /// An issuer with this policy and these keys.
    #[must_use]
    pub fn new(policy: TokenPolicy, ring: KeyRing) -> Self {
        let access_check = AccessCheck {
            issuer: policy.issuer().clone(),
            audiences: policy.audiences(),
            leeway: Leeway::NONE,
        };
        Self { policy, ring, access_check }
    }

    /// What the operator decided.
    #[must_use]
    pub const fn policy(&self) -> &TokenPolicy {
        &self.policy
    }

    /// The keys.
    #[must_use]
    pub const fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// Checks an access token of this issuer, for any audience a client profile names. No store.
    ///
    /// # Errors
    /// The first rule it breaks.
    pub fn check_access(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Verified<AccessClaims>, TokenError> {
        self.access_check.check(token, &self.ring.checking(TokenType::Access, now), now)
    }

    /// Checks that a refresh token is one of this issuer's; not whether it may still be used.
    ///
    /// # Errors
    /// The first rule it breaks; never [`TokenError::Expired`].
    pub fn check_refresh(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Verified<RefreshClaims>, TokenError> {
        let check = RefreshCheck { issuer: self.policy.issuer() };
        check.check(token, &self.ring.checking(TokenType::Refresh, now))
    }

    /// Signs an access token, with its end.
    pub(super) fn access_token(
        &self,
        about: About<'_>,
        profile: &ClientProfile,
        random: &dyn Random,
        now: Timestamp,
    ) -> Result<(AccessToken, Timestamp), SignError> {
        let About { subject, session, scope } = about;
        let exp = profile.access_lifetime.from(now);
        let key = self.ring.signing(TokenType::Access, now).ok_or(SignError)?;
        let claims = AccessClaims {
            iss: self.policy.issuer().clone(),
            sub: subject,
            aud: profile.audiences(self.policy.issuer()),
            exp,
            iat: now.floor(),
            nbf: None,
            jti: token_name(random),
            client_id: profile.id().clone(),
            sid: session.map(|session| session.id),
            auth_time: session.map(|session| session.created_at.floor()),
            scope,
            // Nobody but the issuer could check such a token, or its list.
            status: status_of(session, profile)
                .filter(|_| !key.algorithm().is_symmetric())
                .map(|it| it.claim(self.policy.issuer())),
            extra: session.map(|session| session.claims.clone()).unwrap_or_default(),
        };
        Ok((key.sign_access(&claims)?, exp))
    }

    /// Signs the refresh token of the generation at which `session` stands: from the record alone,
    /// so that any replica gives the same one, today and in a week.
    pub(super) fn refresh_token(
        &self,
        session: &Session,
        now: Timestamp,
    ) -> Result<GrantedRefresh, SignError> {
        let expires_at = session.refresh_expiry();
        let claims = RefreshClaims {
            iss: self.policy.issuer().clone(),
            aud: Audience::from(self.policy.issuer()),
            sub: session.subject.clone(),
            sid: session.id,
            generation: session.generation,
            client_id: session.client.clone(),
            iat: session.issued_at.floor(),
            exp: expires_at,
        };
        let key = self.ring.signing(TokenType::Refresh, now).ok_or(SignError)?;
        Ok(GrantedRefresh { token: key.sign_refresh(&claims)?, expires_at })
    }
}

/// A session keeps its index when its client is told not to show it any more.
fn status_of(session: Option<&Session>, profile: &ClientProfile) -> Option<StatusIndex> {
    session.filter(|_| profile.status)?.status
}

/// A `jti`: 96 random bits in 16 characters, enough to never see one twice.
fn token_name(random: &dyn Random) -> String {
    let mut bytes = [0; 12];
    random.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}
