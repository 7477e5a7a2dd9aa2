//! Status lists as a [`TestIssuer`] publishes them.

use std::time::Duration;

use aquaware_token::status::{StatusList, StatusListClaims};
use aquaware_token::time::{Clock, Timestamp};

use super::{STATUS_LIST, TestIssuer};

const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The token of a status list that is being made. Good as it is; each method changes one thing.
#[derive(Clone, Debug)]
pub struct TestStatusList<'a> {
    issuer: &'a TestIssuer,
    claims: StatusListClaims,
}

impl<'a> TestStatusList<'a> {
    pub(super) fn new(issuer: &'a TestIssuer, status_list: StatusList) -> Self {
        let iat = issuer.clock().now();
        let exp = Some(iat.plus(LIFETIME));
        let ttl = Some(Duration::from_secs(10));
        let claims = StatusListClaims { sub: STATUS_LIST.to_owned(), iat, exp, ttl, status_list };
        Self { issuer, claims }
    }

    /// Where it says that it is.
    #[must_use]
    pub fn uri(mut self, uri: &str) -> Self {
        uri.clone_into(&mut self.claims.sub);
        self
    }

    /// When it was signed.
    #[must_use]
    pub fn issued_at(mut self, iat: Timestamp) -> Self {
        self.claims.iat = iat;
        self
    }

    /// When it expires, if ever.
    #[must_use]
    pub fn expires_at(mut self, exp: Option<Timestamp>) -> Self {
        self.claims.exp = exp;
        self
    }

    /// How long it may be kept, if it says so.
    #[must_use]
    pub fn ttl(mut self, ttl: Option<Duration>) -> Self {
        self.claims.ttl = ttl;
        self
    }

    /// What it says.
    #[must_use]
    pub fn entries(mut self, entries: StatusList) -> Self {
        self.claims.status_list = entries;
        self
    }

    /// The token.
    ///
    /// # Panics
    /// When the cryptographic library fails.
    #[must_use]
    pub fn sign(self) -> String {
        let StatusListClaims { sub, iat, exp, ttl, status_list } = self.claims;
        let packed = status_list.packed();
        let claims = StatusListClaims { sub, iat, exp, ttl, status_list: &packed };
        self.issuer.access.sign_status_list(&claims).expect("a key signs")
    }
}
