//! Access tokens of a [`TestIssuer`](crate::testing::TestIssuer), valid or not.

use std::time::Duration;

use aquaware_token::time::Clock;
use serde_json::{Map, Value, json};

use super::signer::{AUDIENCE, ISSUER, STATUS_LIST, Signer};

const LIFETIME: Duration = Duration::from_secs(300);

/// Builds a token. It is valid unless a method makes it invalid.
#[derive(Clone, Debug)]
pub struct TestToken<'a> {
    signer: &'a Signer,
    claims: Map<String, Value>,
    refresh: bool,
}

impl<'a> TestToken<'a> {
    pub(super) fn new(signer: &'a Signer) -> Self {
        let now = signer.clock.now();
        let claims = Map::new();
        Self { signer, claims, refresh: false }
            .issuer(ISSUER)
            .subject("test-subject")
            .audience(AUDIENCE)
            .claim("exp", now.plus(LIFETIME).seconds())
            .claim("iat", now.seconds())
            .claim("jti", "test-token")
            .claim("client_id", "test-client")
    }

    /// Sets `sub`.
    #[must_use]
    pub fn subject(self, subject: &str) -> Self {
        self.claim("sub", subject)
    }

    /// Sets `scope`, a space-delimited list.
    #[must_use]
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// Sets `aud`.
    #[must_use]
    pub fn audience(self, audience: &str) -> Self {
        self.claim("aud", audience)
    }

    /// Sets `iss`.
    #[must_use]
    pub fn issuer(self, issuer: &str) -> Self {
        self.claim("iss", issuer)
    }

    /// Sets its index in the issuer's status list, for
    /// [`TestIssuer::revoke`](crate::testing::TestIssuer::revoke).
    #[must_use]
    pub fn status(self, idx: u32) -> Self {
        self.status_at(STATUS_LIST, idx.into())
    }

    /// Sets its index in the status list at `uri`.
    #[must_use]
    pub fn status_at(self, uri: &str, idx: u64) -> Self {
        self.claim("status", json!({ "status_list": { "idx": idx, "uri": uri } }))
    }

    /// Sets `exp` to this long from now, in whole seconds.
    #[must_use]
    pub fn expires_in(self, span: Duration) -> Self {
        let exp = self.signer.clock.now().plus(span).seconds();
        self.claim("exp", exp)
    }

    /// Sets `exp` to an hour ago, beyond any leeway.
    #[must_use]
    pub fn expired(self) -> Self {
        let exp = self.signer.clock.now().minus(Duration::from_secs(3600)).seconds();
        self.claim("exp", exp)
    }

    /// Sets any claim, sensible or not.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Removes a claim.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Sets `typ` to that of a refresh token (`rt+jwt`).
    #[must_use]
    pub fn as_refresh_token(self) -> Self {
        Self { refresh: true, ..self }
    }

    /// Signs the token.
    ///
    /// # Panics
    /// If the cryptographic library fails.
    #[must_use]
    pub fn sign(self) -> String {
        let key = if self.refresh { &self.signer.refresh } else { &self.signer.access };
        let token = key.sign_unchecked(&json!(self.claims));
        token.expect("a valid key signs").expose().to_owned()
    }
}
