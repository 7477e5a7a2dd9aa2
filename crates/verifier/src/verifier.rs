//! The verifier: checks tokens against the cached keys and status lists, without I/O.
//!
//! The rules for tokens are in `aquaware-token`, what one issuer needs is in `single.rs`, and
//! the choice among issuers in `set.rs`.

use std::sync::Arc;
use std::time::Duration;

use aquaware_token::claims::BearerClaims;
use aquaware_token::jwt::Verified;
use serde::de::DeserializeOwned;

use crate::error::{BuildError, RefreshError, VerifyError};
use crate::health::Health;
use crate::set::IssuerSet;
use crate::single::SingleVerifier;

/// Verifies access tokens for one service, of one issuer or of several.
///
/// Created by [`Verifier::builder`]. Clones are cheap and share their keys and status lists. The
/// background tasks run on the runtime on which the verifier was created, and end when its last
/// clone is dropped.
#[derive(Clone, Debug)]
pub struct Verifier(Inner);

#[derive(Clone, Debug)]
enum Inner {
    Single(Arc<SingleVerifier>),
    Set(Arc<IssuerSet>),
}

impl Verifier {
    pub(crate) fn new(single: SingleVerifier) -> Self {
        Self(Inner::Single(Arc::new(single)))
    }

    /// Combines the verifiers of several issuers. The `iss` of a token selects the one that checks
    /// it; keys, status lists, audiences and profiles are never mixed.
    ///
    /// # Errors
    /// [`BuildError::Issuers`] without a verifier, or if two are for the same issuer.
    pub fn any_of(verifiers: impl IntoIterator<Item = Self>) -> Result<Self, BuildError> {
        let singles = verifiers.into_iter().flat_map(|Self(inner)| match inner {
            Inner::Single(single) => vec![single],
            Inner::Set(set) => set.members().cloned().collect(),
        });
        let set = IssuerSet::new(singles)?;
        Ok(Self(match set.only() {
            Some(single) => Inner::Single(Arc::clone(single)),
            None => Inner::Set(Arc::new(set)),
        }))
    }

    /// Verifies `token` with the cached keys and status lists. Never waits.
    ///
    /// # Errors
    /// [`VerifyError`]. If the token's key or status list is unknown, the token is rejected
    /// immediately and they are fetched in the background;
    /// [`verify_waiting`](Self::verify_waiting) waits for them.
    pub fn verify(&self, token: &str) -> Result<Verified<BearerClaims>, VerifyError> {
        self.verify_shared(token).map(Arc::unwrap_or_clone)
    }

    /// Like [`verify`](Self::verify), but does not copy the claims of a token that was verified
    /// before.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_shared(&self, token: &str) -> Result<Arc<Verified<BearerClaims>>, VerifyError> {
        let result = match &self.0 {
            Inner::Single(single) => single.check(token, single.digest(token).as_ref()),
            Inner::Set(set) => set.check(token),
        };
        result.map_err(|failed| failed.error)
    }

    /// Like [`verify`](Self::verify), and deserializes the claims beyond RFC 9068 as an `E`.
    ///
    /// # Errors
    /// As [`verify`](Self::verify). If the claims are not an `E`:
    /// [`TokenError::UnexpectedClaims`](aquaware_token::jwt::TokenError::UnexpectedClaims).
    pub fn verify_as<E: DeserializeOwned>(
        &self,
        token: &str,
    ) -> Result<Verified<BearerClaims<E>>, VerifyError> {
        Ok(self.verify(token)?.with_extra()?)
    }

    /// Like [`verify`](Self::verify), but if the token's key or status list is missing, waits for
    /// the fetch that is in flight or about to begin, and checks again.
    ///
    /// Waits for at most `up_to`, and not at all if the cooldown forbids a fetch in that time. For
    /// issuers that sign with a key as soon as they publish it. Requests with made-up key ids wait
    /// as well, so `up_to` should be about a second.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub async fn verify_waiting(
        &self,
        token: &str,
        up_to: Duration,
    ) -> Result<Verified<BearerClaims>, VerifyError> {
        self.verify_waiting_shared(token, up_to).await.map(Arc::unwrap_or_clone)
    }

    /// Like [`verify_waiting`](Self::verify_waiting), but does not copy the claims of a token that
    /// was verified before.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub async fn verify_waiting_shared(
        &self,
        token: &str,
        up_to: Duration,
    ) -> Result<Arc<Verified<BearerClaims>>, VerifyError> {
        match &self.0 {
            Inner::Single(single) => single.check_waiting(token, up_to).await,
            Inner::Set(set) => set.find(token)?.check_waiting(token, up_to).await,
        }
    }

    /// Like [`verify_waiting`](Self::verify_waiting), and deserializes the claims beyond RFC 9068
    /// as an `E`.
    ///
    /// # Errors
    /// As [`verify_as`](Self::verify_as).
    pub async fn verify_waiting_as<E: DeserializeOwned>(
        &self,
        token: &str,
        up_to: Duration,
    ) -> Result<Verified<BearerClaims<E>>, VerifyError> {
        Ok(self.verify_waiting(token, up_to).await?.with_extra()?)
    }

    /// Fetches the keys now, regardless of the cooldown and after any fetch in flight: for use after
    /// the issuer has dropped a key. Does nothing for a fixed key set. With several issuers, all
    /// keys are fetched.
    ///
    /// # Errors
    /// The first failure to fetch keys. The current keys stay in use.
    pub async fn refresh(&self) -> Result<(), Arc<RefreshError>> {
        match &self.0 {
            Inner::Single(single) => single.refresh().await,
            Inner::Set(set) => set.refresh().await,
        }
    }

    /// The state of the keys and the status lists. With several issuers, the worst of each.
    #[must_use]
    pub fn health(&self) -> Health {
        match &self.0 {
            Inner::Single(single) => single.health(),
            Inner::Set(set) => set.health(),
        }
    }

    /// The accepted issuers, sorted.
    #[must_use]
    pub fn issuers(&self) -> Vec<&str> {
        match &self.0 {
            Inner::Single(single) => vec![single.issuer()],
            Inner::Set(set) => set.members().map(|single| single.issuer()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestIssuer;

    #[test]
    fn only_verified_tokens_enter_the_cache() {
        let issuer = TestIssuer::new();
        let verifier = issuer.verifier();
        let Inner::Single(single) = &verifier.0 else { unreachable!() };
        let knows = |token: &str| single.knows(&single.digest(token).unwrap());
        let valid = issuer.token().sign();
        let forged = format!("{}AAAA", valid.split_at(valid.len() - 4).0);
        for rejected in [
            forged,
            issuer.successor().token().sign(),
            issuer.token().expired().sign(),
            issuer.token().audience("another").sign(),
            issuer.token().as_refresh_token().sign(),
            issuer.token().claim("cnf", serde_json::json!({ "jkt": "a" })).sign(),
            "a.b.c".to_owned(),
        ] {
            assert!(verifier.verify(&rejected).is_err());
            assert!(!knows(&rejected), "{rejected}");
        }
        assert!(verifier.verify(&valid).is_ok());
        assert!(knows(&valid));
        assert_eq!(single.digest(&"a".repeat(8193)), None, "too long to be valid");
    }
}
