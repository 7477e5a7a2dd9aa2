//! Several issuers: the `iss` of a token selects the verifier that checks the whole token.

use std::collections::BTreeMap;
use std::sync::Arc;

use aquaware_token::claims::BearerClaims;
use aquaware_token::jwt::{TokenDigest, TokenError, Verified, unverified_issuer};

use crate::error::{BuildError, RefreshError, VerifyError};
use crate::health::Health;
use crate::lists::cache::CheckError;
use crate::single::SingleVerifier;

/// The verifiers by issuer.
#[derive(Debug)]
pub(crate) struct IssuerSet(BTreeMap<String, Arc<SingleVerifier>>);

impl IssuerSet {
    pub(crate) fn new(
        singles: impl IntoIterator<Item = Arc<SingleVerifier>>,
    ) -> Result<Self, BuildError> {
        let mut set = BTreeMap::new();
        for single in singles {
            let issuer = single.issuer().to_owned();
            if set.insert(issuer, single).is_some() {
                return Err(BuildError::Issuers);
            }
        }
        if set.is_empty() { Err(BuildError::Issuers) } else { Ok(Self(set)) }
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Arc<SingleVerifier>> {
        self.0.values()
    }

    /// The only verifier, if there is one: it needs no choice.
    pub(crate) fn only(&self) -> Option<&Arc<SingleVerifier>> {
        self.members().next().filter(|_| self.0.len() == 1)
    }

    /// The verifier for the issuer that the token claims to be from.
    pub(crate) fn find(&self, token: &str) -> Result<&Arc<SingleVerifier>, VerifyError> {
        let issuer = unverified_issuer(token)?;
        Ok(self.0.get(issuer.as_str()).ok_or(TokenError::WrongIssuer)?)
    }

    /// Looks for a token that was verified before, and only then reads its issuer.
    pub(crate) fn check(&self, token: &str) -> Result<Arc<Verified<BearerClaims>>, CheckError> {
        let digest: Option<TokenDigest> = self.members().find_map(|single| single.digest(token));
        let known =
            digest.as_ref().and_then(|digest| self.members().find(|single| single.knows(digest)));
        match known {
            Some(single) => single.check(token, digest.as_ref()),
            None => self.find(token)?.check(token, digest.as_ref()),
        }
    }

    pub(crate) async fn refresh(&self) -> Result<(), Arc<RefreshError>> {
        let mut result = Ok(());
        for single in self.members() {
            result = result.and(single.refresh().await);
        }
        result
    }

    pub(crate) fn health(&self) -> Health {
        let mut all = self.members().map(|single| single.health());
        let first = all.next().unwrap_or(Health::EMPTY);
        all.fold(first, Health::combine)
    }
}
