//! What a route requires of a request's token, and the claims that a handler receives.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use aquaware_token::claims::{BearerClaims, Scope, ScopeError};
use aquaware_token::jwt::{TokenError, Verified};
use serde::de::DeserializeOwned;

use super::credentials::bearer_token;
use super::rejection::{Rejection, RejectionKind, Style};
use super::resource::ResourceMetadata;
use crate::error::VerifyError;
use crate::verifier::Verifier;

/// Requires a valid access token. Clones are cheap.
///
/// - With the feature `axum`, it is the state from which the extractor [`Bearer`] takes its rules.
/// - With the feature `tower`, it is a layer for axum, tonic, hyper and other tower services.
/// - With the feature `actix`, it is a middleware for an `App` or a scope.
///
/// The layer and the middleware reject requests before they reach a handler; handlers find the
/// claims as a [`Bearer`].
#[derive(Clone, Debug)]
pub struct BearerAuth {
    verifier: Verifier,
    scope: Scope,
    max_wait: Duration,
    optional: bool,
    resource: Option<ResourceMetadata>,
    style: Arc<Style>,
}

/// The result of a check that does not wait.
pub(crate) enum Checked {
    Done(Result<Option<Bearer>, Rejection>),
    /// This token may be accepted after a wait.
    MayWait(String),
}

impl BearerAuth {
    /// Requires a valid token of any scope, and never waits.
    #[must_use]
    pub fn new(verifier: Verifier) -> Self {
        let (scope, style) = (Scope::default(), Arc::default());
        let max_wait = Duration::ZERO;
        Self { verifier, scope, max_wait, optional: false, resource: None, style }
    }

    /// Sets the `realm` of challenges; the default is `api`. Characters that are not allowed in a
    /// quoted string are removed.
    #[must_use]
    pub fn realm(mut self, realm: &str) -> Self {
        let allowed = |c: &char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
        Arc::make_mut(&mut self.style).realm = realm.chars().filter(allowed).collect();
        self
    }

    /// Names the metadata of the service in challenges (`resource_metadata`, RFC 9728 §5.1). The
    /// layer and the middleware also serve it; the layer only if the response body is that of axum.
    #[must_use]
    pub fn resource(mut self, metadata: &ResourceMetadata) -> Self {
        Arc::make_mut(&mut self.style).resource_metadata = Some(metadata.url().to_owned());
        Self { resource: Some(metadata.clone()), ..self }
    }

    /// Also requires these space-delimited scope tokens. Replaces earlier ones.
    ///
    /// # Errors
    /// If `scope` is not a list of scope tokens.
    pub fn require_scope(self, scope: &str) -> Result<Self, ScopeError> {
        Ok(Self { scope: Scope::parse(scope)?, ..self })
    }

    /// Also requires this scope. Replaces an earlier one.
    #[must_use]
    pub fn requires(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// Lets a request wait for keys and its status list, as
    /// [`Verifier::verify_waiting`] does, instead of rejecting it immediately.
    #[must_use]
    pub fn wait_up_to(self, max_wait: Duration) -> Self {
        Self { max_wait, ..self }
    }

    /// Makes the layer or middleware pass on requests without a token. Requests with an invalid
    /// token are still rejected. Handlers receive an `Option<Bearer>`.
    ///
    /// The axum extractors do not need this: `Bearer` requires a token, `Option<Bearer>` does not.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// Replaces the body of rejections, by default a problem document (RFC 9457).
    #[must_use]
    pub fn rejection_body(
        mut self,
        content_type: &'static str,
        body: impl Fn(&Rejection) -> String + Send + Sync + 'static,
    ) -> Self {
        let style = Arc::make_mut(&mut self.style);
        style.content_type = content_type;
        style.body = Arc::new(body);
        self
    }

    /// Checks a request in a framework that has no layer here: the values of its `Authorization`
    /// headers, and its query, in which a second token would be an error.
    ///
    /// # Errors
    /// The rejection to respond with, also if the token is missing.
    pub async fn authenticate<'a>(
        &self,
        authorizations: impl IntoIterator<Item = &'a [u8]>,
        query: Option<&str>,
    ) -> Result<Bearer, Rejection> {
        let result = match self.check_optional(authorizations, query) {
            Checked::Done(result) => result,
            Checked::MayWait(token) => self.check_waiting(&token).await,
        };
        result?.ok_or_else(|| self.missing_token())
    }

    /// The metadata, if this is a request for it.
    #[cfg(any(feature = "actix", feature = "tower"))]
    pub(crate) fn requested_metadata(&self, method: &str, path: &str) -> Option<&ResourceMetadata> {
        self.resource.as_ref().filter(|metadata| metadata.is_requested(method, path))
    }

    /// Checks a request for the layer or the middleware.
    #[cfg(any(feature = "actix", feature = "tower"))]
    pub(crate) fn check<'a>(
        &self,
        authorizations: impl IntoIterator<Item = &'a [u8]>,
        query: Option<&str>,
    ) -> Checked {
        match self.check_optional(authorizations, query) {
            Checked::Done(Ok(None)) if !self.optional => Checked::Done(Err(self.missing_token())),
            checked => checked,
        }
    }

    /// Checks a request. Without a token the result is `None`.
    pub(crate) fn check_optional<'a>(
        &self,
        authorizations: impl IntoIterator<Item = &'a [u8]>,
        query: Option<&str>,
    ) -> Checked {
        let token = match bearer_token(authorizations, query) {
            Ok(Some(token)) => token,
            Ok(None) => return Checked::Done(Ok(None)),
            Err(kind) => return Checked::Done(Err(self.reject(kind))),
        };
        match self.verifier.verify_shared(token) {
            Err(error) if error.is_retryable() && !self.max_wait.is_zero() => {
                Checked::MayWait(token.to_owned())
            }
            result => Checked::Done(self.finish(result)),
        }
    }

    /// Checks a token after [`Checked::MayWait`].
    pub(crate) async fn check_waiting(&self, token: &str) -> Result<Option<Bearer>, Rejection> {
        self.finish(self.verifier.verify_waiting_shared(token, self.max_wait).await)
    }

    pub(crate) fn missing_token(&self) -> Rejection {
        self.reject(RejectionKind::MissingToken)
    }

    fn finish(
        &self,
        result: Result<Arc<Verified<BearerClaims>>, VerifyError>,
    ) -> Result<Option<Bearer>, Rejection> {
        let claims = result.map_err(|error| self.reject(error))?;
        claims.scope.require(&self.scope).map_err(|missing| self.reject(missing))?;
        Ok(Some(Bearer { claims, style: Arc::clone(&self.style) }))
    }

    fn reject(&self, kind: impl Into<RejectionKind>) -> Rejection {
        Rejection::new(kind, &self.style)
    }
}

/// The claims of the request's access token, which has been verified. Dereferences to them.
///
/// With the features `axum` and `actix` it is an extractor; `Option<Bearer>` is `None` for a
/// request without a token, and rejects a request with an invalid one. Behind the tower layer it
/// is in the request's extensions.
#[derive(Clone, Debug)]
pub struct Bearer {
    claims: Arc<Verified<BearerClaims>>,
    style: Arc<Style>,
}

impl Bearer {
    /// Requires space-delimited scope tokens, in addition to those that [`BearerAuth`] requires.
    ///
    /// # Errors
    /// A rejection with 403 `insufficient_scope`, to be returned by the handler.
    pub fn require_scope(&self, needed: &str) -> Result<(), Rejection> {
        self.claims.require_scope(needed).map_err(|missing| Rejection::new(missing, &self.style))
    }

    /// Deserializes the claims beyond RFC 9068.
    ///
    /// # Errors
    /// A rejection with 401 `invalid_token`, to be returned by the handler.
    pub fn extra_as<T: DeserializeOwned>(&self) -> Result<T, Rejection> {
        let invalid = VerifyError::Token(TokenError::UnexpectedClaims);
        self.claims.extra_as().map_err(|_| Rejection::new(invalid, &self.style))
    }

    /// The claims.
    #[must_use]
    pub fn into_claims(self) -> Verified<BearerClaims> {
        Arc::unwrap_or_clone(self.claims)
    }
}

impl Deref for Bearer {
    type Target = BearerClaims;

    fn deref(&self) -> &BearerClaims {
        &self.claims
    }
}
