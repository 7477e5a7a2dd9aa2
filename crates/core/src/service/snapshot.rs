//! Policy and keys at one moment, and the tokens that can be checked with them alone.

use crate::claims::{AccessClaims, MessageClaims, RefreshClaims};
use crate::jwt::{AccessCheck, MessageCheck, RefreshCheck, TokenError, TokenType, Verified};
use crate::keys::KeyRing;
use crate::policy::TokenPolicy;
use crate::time::{Leeway, Timestamp};

/// Policy and keys. Immutable: a reload replaces both together.
#[derive(Debug)]
pub struct Snapshot {
    policy: TokenPolicy,
    ring: KeyRing,
    access_check: AccessCheck,
}

impl Snapshot {
    /// A snapshot of this policy and these keys.
    #[must_use]
    pub fn new(policy: TokenPolicy, ring: KeyRing) -> Self {
        let access_check = AccessCheck {
            issuer: policy.issuer().clone(),
            audiences: policy.audiences(),
            leeway: Leeway::NONE,
        };
        Self { policy, ring, access_check }
    }

    /// The issuer and its clients.
    #[must_use]
    pub const fn policy(&self) -> &TokenPolicy {
        &self.policy
    }

    /// The keys.
    #[must_use]
    pub const fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// Checks an access token of this issuer, for any audience that a client profile names, without
    /// the store.
    ///
    /// # Errors
    /// The first rule that the token breaks.
    pub fn check_access(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Verified<AccessClaims>, TokenError> {
        self.access_check.check(token, &self.ring.checking(TokenType::Access, now), now)
    }

    /// Checks that this issuer signed a refresh token, but not whether it may still be used.
    ///
    /// # Errors
    /// The first rule that the token breaks; never [`TokenError::Expired`].
    pub fn check_refresh(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Verified<RefreshClaims>, TokenError> {
        let check = RefreshCheck { issuer: self.policy.issuer() };
        check.check(token, &self.ring.checking(TokenType::Refresh, now), now)
    }

    /// Checks that this issuer signed the token of a message, but not whether it may still be used.
    ///
    /// # Errors
    /// The first rule that the token breaks.
    pub fn check_message(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Verified<MessageClaims>, TokenError> {
        let check = MessageCheck { issuer: self.policy.issuer() };
        check.check(token, &self.ring.checking(TokenType::Refresh, now), now)
    }
}
