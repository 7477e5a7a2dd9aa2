//! Tokens with any claims, good ones to begin with.

use std::time::Duration;

use aquaware_token::time::Clock;
use serde_json::{Map, Value, json};

use super::{AUDIENCE, ISSUER, STATUS_LIST, TestIssuer};

const LIFETIME: Duration = Duration::from_secs(300);

/// A token that is being made. Good as it is; each method changes one thing.
#[derive(Clone, Debug)]
pub struct TestToken<'a> {
    issuer: &'a TestIssuer,
    claims: Map<String, Value>,
    refresh: bool,
}

impl<'a> TestToken<'a> {
    pub(super) fn new(issuer: &'a TestIssuer) -> Self {
        let now = issuer.clock().now();
        let claims = Map::new();
        Self { issuer, claims, refresh: false }
            .issuer(ISSUER)
            .subject("test-subject")
            .audience(AUDIENCE)
            .claim("exp", now.plus(LIFETIME).seconds())
            .claim("iat", now.seconds())
            .claim("jti", "test-token")
            .claim("client_id", "test-client")
    }

    /// Whom it is about.
    #[must_use]
    pub fn subject(self, subject: &str) -> Self {
        self.claim("sub", subject)
    }

    /// What it is good for, space-delimited.
    #[must_use]
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// Whom it is for.
    #[must_use]
    pub fn audience(self, audience: &str) -> Self {
        self.claim("aud", audience)
    }

    /// Who says that they issued it.
    #[must_use]
    pub fn issuer(self, issuer: &str) -> Self {
        self.claim("iss", issuer)
    }

    /// Gives it an entry in the issuer's status list, which
    /// [`revoke`](TestIssuer::revoke) takes.
    #[must_use]
    pub fn status(self, idx: u32) -> Self {
        self.status_at(STATUS_LIST, idx.into())
    }

    /// Gives it an entry in a status list anywhere.
    #[must_use]
    pub fn status_at(self, uri: &str, idx: u64) -> Self {
        self.claim("status", json!({ "status_list": { "idx": idx, "uri": uri } }))
    }

    /// How long from now on it is good, in whole seconds.
    #[must_use]
    pub fn expires_in(self, span: Duration) -> Self {
        let exp = self.issuer.clock().now().plus(span).seconds();
        self.claim("exp", exp)
    }

    /// Makes it expired: an hour ago, beyond any leeway.
    #[must_use]
    pub fn expired(self) -> Self {
        let exp = self.issuer.clock().now().minus(Duration::from_secs(3600)).seconds();
        self.claim("exp", exp)
    }

    /// Any claim, sensible or not.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a claim out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Makes it say that it is a refresh token (`rt+jwt`).
    #[must_use]
    pub fn as_refresh_token(self) -> Self {
        Self { refresh: true, ..self }
    }

    /// The token.
    ///
    /// # Panics
    /// When the cryptographic library fails.
    #[must_use]
    pub fn sign(self) -> String {
        let key = if self.refresh { &self.issuer.refresh } else { &self.issuer.access };
        let token = key.sign_anything(&json!(self.claims));
        token.expect("a key signs").expose().to_owned()
    }
}
