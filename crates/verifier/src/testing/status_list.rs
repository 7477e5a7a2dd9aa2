//! Status list tokens of a [`TestIssuer`](crate::testing::TestIssuer).

use std::time::Duration;

use aquaware_token::status::{StatusList, StatusListClaims};
use aquaware_token::time::{Clock, Timestamp};

use super::signer::{STATUS_LIST, Signer};

const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Builds the token of a status list. It is valid unless a method makes it invalid.
#[derive(Clone, Debug)]
pub struct TestStatusList<'a> {
    signer: &'a Signer,
    claims: StatusListClaims,
}

impl<'a> TestStatusList<'a> {
    pub(super) fn new(signer: &'a Signer, status_list: StatusList) -> Self {
        let iat = signer.clock.now();
        let exp = Some(iat.plus(LIFETIME));
        let ttl = Some(Duration::from_secs(10));
        let claims = StatusListClaims { sub: STATUS_LIST.to_owned(), iat, exp, ttl, status_list };
        Self { signer, claims }
    }

    /// Sets `sub`, the URI of the list.
    #[must_use]
    pub fn uri(mut self, uri: &str) -> Self {
        uri.clone_into(&mut self.claims.sub);
        self
    }

    /// Sets `iat`.
    #[must_use]
    pub fn issued_at(mut self, iat: Timestamp) -> Self {
        self.claims.iat = iat;
        self
    }

    /// Sets or removes `exp`.
    #[must_use]
    pub fn expires_at(mut self, exp: Option<Timestamp>) -> Self {
        self.claims.exp = exp;
        self
    }

    /// Sets or removes `ttl`.
    #[must_use]
    pub fn ttl(mut self, ttl: Option<Duration>) -> Self {
        self.claims.ttl = ttl;
        self
    }

    /// Sets the entries.
    #[must_use]
    pub fn entries(mut self, entries: StatusList) -> Self {
        self.claims.status_list = entries;
        self
    }

    /// Signs the token.
    ///
    /// # Panics
    /// If the cryptographic library fails.
    #[must_use]
    pub fn sign(self) -> String {
        let StatusListClaims { sub, iat, exp, ttl, status_list } = self.claims;
        let packed = status_list.packed();
        let claims = StatusListClaims { sub, iat, exp, ttl, status_list: &packed };
        self.signer.access.sign_status_list(&claims).expect("a valid key signs")
    }
}
