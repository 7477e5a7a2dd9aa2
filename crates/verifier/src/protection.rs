//! RFC 6750, written once for every web framework: where the token of a request is, and what a
//! request without a good one is answered.
//!
//! Knows nothing of a framework's types: header values come in as bytes, an answer goes out as a
//! status and header texts.

use std::sync::Arc;
use std::time::Duration;

use aquaware_token::claims::{BearerClaims, InvalidScope, MissingScope, Scope};
use aquaware_token::jwt::Verified;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::rejection::Rejection;
use crate::verifier::Verifier;

/// What `Retry-After` says while keys or a status list are missing: by then the next fetch has been tried.
const RETRY_AFTER_SECONDS: u64 = 10;

/// What a protected part of a service asks of each request. Cheap to clone.
///
/// With the feature `tower` it is a layer; with the feature `actix` it is the `app_data` of the
/// `Bearer` extractor, and the innermost one counts.
#[derive(Clone, Debug)]
pub struct Protection {
    verifier: Verifier,
    realm: Arc<str>,
    needed: Scope,
    wait: Duration,
}

impl Protection {
    /// Asks for a good token, whatever its scope, and waits for nothing.
    #[must_use]
    pub fn new(verifier: Verifier) -> Self {
        let realm = Arc::from("api");
        Self { verifier, realm, needed: Scope::default(), wait: Duration::ZERO }
    }

    /// The `realm` of challenges; `api` if not said. Characters that can't stand in a quoted
    /// string are left out.
    #[must_use]
    pub fn realm(self, realm: &str) -> Self {
        let fits = |c: &char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
        Self { realm: realm.chars().filter(fits).collect::<String>().into(), ..self }
    }

    /// Asks for these scope tokens too, space-delimited, in place of any asked for before.
    ///
    /// # Errors
    /// When `scope` is no list of scope tokens.
    pub fn require_scope(self, scope: &str) -> Result<Self, InvalidScope> {
        Ok(Self { needed: Scope::parse(scope)?, ..self })
    }

    /// Lets a request wait for keys and its status list, as [`Verifier::verify_waiting`] does, instead of refusing it
    /// at once.
    #[must_use]
    pub fn waiting(self, up_to: Duration) -> Self {
        Self { wait: up_to, ..self }
    }

    pub(crate) fn challenge_realm(&self) -> &Arc<str> {
        &self.realm
    }

    /// Whether the wait that [`waiting`](Self::waiting) allows may change this verdict.
    pub(crate) fn may_wait(&self, refusal: &Refusal) -> bool {
        let later = matches!(refusal, Refusal::Rejected(rejection) if rejection.may_pass_later());
        later && !self.wait.is_zero()
    }

    /// Judges a request by what is known now.
    pub(crate) fn admit<E: DeserializeOwned>(
        &self,
        token: &str,
    ) -> Result<Verified<BearerClaims<E>>, Refusal> {
        let claims = self.verifier.verify_as(token)?;
        self.permitted(claims)
    }

    /// Judges a request by what is known after the wait.
    pub(crate) async fn admit_waiting<E: DeserializeOwned>(
        &self,
        token: &str,
    ) -> Result<Verified<BearerClaims<E>>, Refusal> {
        let claims = self.verifier.verify_waiting_as(token, self.wait).await?;
        self.permitted(claims)
    }

    fn permitted<E>(
        &self,
        claims: Verified<BearerClaims<E>>,
    ) -> Result<Verified<BearerClaims<E>>, Refusal> {
        claims.scope.require(&self.needed)?;
        Ok(claims)
    }
}

/// Why a request isn't let in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It presents no token.
    #[error("no token is presented")]
    NoToken,
    /// It presents a token in two ways, which nobody does by accident (RFC 6750 §2).
    #[error("the token is presented in more than one way")]
    TwoWays,
    /// What it presents can't be a token (RFC 6750 §2.1).
    #[error("what is presented is no token")]
    NoB64Token,
    /// Its token isn't accepted.
    #[error(transparent)]
    Rejected(#[from] Rejection),
}

impl From<MissingScope> for Refusal {
    fn from(missing: MissingScope) -> Self {
        Self::Rejected(missing.into())
    }
}

impl Refusal {
    /// The HTTP status of the answer.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::TwoWays => 400,
            Self::Rejected(Rejection::Scope(_)) => 403,
            Self::Rejected(rejection) if rejection.is_ours() => 503,
            Self::NoToken | Self::NoB64Token | Self::Rejected(_) => 401,
        }
    }

    /// The `WWW-Authenticate` of the answer (RFC 6750 §3); none where the trouble is this
    /// service's own.
    #[must_use]
    pub fn challenge(&self, realm: &str) -> Option<String> {
        let realm = format!("Bearer realm=\"{realm}\"");
        Some(match self {
            // A request that didn't try gets no error code (§3.1).
            Self::NoToken => realm,
            Self::TwoWays => {
                format!("{realm}, error=\"invalid_request\", error_description=\"{self}\"")
            }
            Self::Rejected(rejection) if rejection.is_ours() => return None,
            Self::Rejected(Rejection::Scope(MissingScope { needed })) => {
                format!("{realm}, error=\"insufficient_scope\", scope=\"{needed}\"")
            }
            Self::NoB64Token | Self::Rejected(_) => {
                format!("{realm}, error=\"invalid_token\", error_description=\"{self}\"")
            }
        })
    }

    /// The `Retry-After` of the answer in seconds, where trying again helps.
    #[must_use]
    pub const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Rejected(rejection) if rejection.is_ours() => Some(RETRY_AFTER_SECONDS),
            _ => None,
        }
    }
}

/// The token that a request presents in `Authorization`, of which these are the values.
///
/// A token in the query is as good as none (RFC 9700 §4.3.2), and one too many beside a header.
pub(crate) fn presented<'a>(
    authorizations: impl IntoIterator<Item = &'a [u8]>,
    query: Option<&str>,
) -> Result<&'a str, Refusal> {
    let mut values = authorizations.into_iter();
    let first = values.next().ok_or(Refusal::NoToken)?;
    if values.next().is_some() {
        return Err(Refusal::TwoWays);
    }
    let credential = bearer_credential(first).ok_or(Refusal::NoToken)?;
    if query.is_some_and(has_token) {
        return Err(Refusal::TwoWays);
    }
    let token = std::str::from_utf8(credential).map_err(|_| Refusal::NoB64Token)?;
    if is_b64token(token) { Ok(token) } else { Err(Refusal::NoB64Token) }
}

/// What follows the scheme, if the scheme is `Bearer` in any case (RFC 9110 §11.1).
fn bearer_credential(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked("bearer".len())?;
    let ends = rest.first().is_none_or(|byte| *byte == b' ' || *byte == b'\t');
    (scheme.eq_ignore_ascii_case(b"bearer") && ends).then(|| rest.trim_ascii())
}

/// RFC 6750 §2.1: `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
fn is_b64token(text: &str) -> bool {
    let token = text.trim_end_matches('=');
    !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
}

/// Whether a query has an `access_token` (RFC 6750 §2.3), however the name is written.
fn has_token(query: &str) -> bool {
    url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token")
}

#[cfg(test)]
mod tests {
    use aquaware_token::jwt::TokenError;

    use super::*;

    fn alone(value: &str) -> Result<&str, Refusal> {
        presented([value.as_bytes()], None)
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        for value in ["Bearer a.b-c", "bearer a.b-c", "BEARER   a.b-c", "bEaReR a.b-c "] {
            assert_eq!(alone(value), Ok("a.b-c"), "{value}");
        }
        assert_eq!(alone("Bearer abc+/~_=="), Ok("abc+/~_=="));
    }

    #[test]
    fn another_scheme_is_no_token() {
        for value in ["Basic YTpi", "DPoP a.b.c", "Bearers a.b.c", "a.b.c", "Bear", ""] {
            assert_eq!(alone(value), Err(Refusal::NoToken), "{value}");
        }
        assert_eq!(presented([], None), Err(Refusal::NoToken));
    }

    #[test]
    fn what_is_no_b64token_is_refused() {
        for value in ["Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer =", "Bearer a=b"] {
            assert_eq!(alone(value), Err(Refusal::NoB64Token), "{value}");
        }
        assert_eq!(presented([&b"Bearer \xff\xfe"[..]], None), Err(Refusal::NoB64Token));
    }

    #[test]
    fn two_ways_of_presenting_a_token_are_one_too_many() {
        assert_eq!(presented([&b"Bearer a"[..], b"Bearer a"], None), Err(Refusal::TwoWays));
        assert_eq!(presented([&b"Basic YTpi"[..], b"Bearer a"], None), Err(Refusal::TwoWays));
        for query in ["access_token=x", "a=1&access_token", "access%5Ftoken=x", "access%5ftoken="] {
            assert_eq!(presented([&b"Bearer a"[..]], Some(query)), Err(Refusal::TwoWays));
            assert_eq!(presented([], Some(query)), Err(Refusal::NoToken), "never accepted");
        }
        assert_eq!(presented([&b"Bearer a"[..]], Some("x=access_token")), Ok("a"));
    }

    #[test]
    fn each_refusal_has_its_answer() {
        let missing = MissingScope { needed: Scope::parse("b a").unwrap() };
        let expected = [
            (Refusal::NoToken, 401, Some("")),
            (
                Refusal::TwoWays,
                400,
                Some(
                    ", error=\"invalid_request\", \
                     error_description=\"the token is presented in more than one way\"",
                ),
            ),
            (
                Refusal::NoB64Token,
                401,
                Some(
                    ", error=\"invalid_token\", \
                     error_description=\"what is presented is no token\"",
                ),
            ),
            (
                Rejection::Token(TokenError::Expired).into(),
                401,
                Some(", error=\"invalid_token\", error_description=\"the token has expired\""),
            ),
            (
                Rejection::UnknownKey.into(),
                401,
                Some(
                    ", error=\"invalid_token\", \
                     error_description=\"the token's key is not known\"",
                ),
            ),
            (
                Rejection::Bound.into(),
                401,
                Some(
                    ", error=\"invalid_token\", \
                     error_description=\"the token is bound to a key\"",
                ),
            ),
            (
                Rejection::Revoked.into(),
                401,
                Some(", error=\"invalid_token\", error_description=\"the token was revoked\""),
            ),
            (
                Rejection::NotListed.into(),
                401,
                Some(
                    ", error=\"invalid_token\", \
                     error_description=\"the token is not in its status list\"",
                ),
            ),
            (
                Rejection::ForeignStatus.into(),
                401,
                Some(
                    ", error=\"invalid_token\", \
                     error_description=\"the token's status list is at a foreign address\"",
                ),
            ),
            (missing.into(), 403, Some(", error=\"insufficient_scope\", scope=\"a b\"")),
            (Rejection::NoKeys.into(), 503, None),
            (Rejection::StaleKeys.into(), 503, None),
            (Rejection::UnknownStatus.into(), 503, None),
            (Rejection::StaleStatus.into(), 503, None),
        ];
        for (refusal, status, rest) in expected {
            assert_eq!(refusal.status(), status, "{refusal:?}");
            let challenge = rest.map(|rest| format!("Bearer realm=\"r\"{rest}"));
            assert_eq!(refusal.challenge("r"), challenge, "{refusal:?}");
            assert_eq!(refusal.retry_after().is_some(), status == 503, "{refusal:?}");
        }
    }
}
