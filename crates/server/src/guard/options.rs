//! The options of the guard, and the verifier that they describe.

use std::io;
use std::net::SocketAddr;

use actix_web::http::header::HeaderName;
use aquaware_verifier::{
    BearerAuth, BuildError, Profile, ResourceError, ResourceMetadata, Scope, Verifier,
};
use thiserror::Error;

use super::headers::HeaderNames;

/// Why the guard cannot run.
#[derive(Debug, Error)]
pub(crate) enum GuardError {
    #[error("failed to set up the verifier for {issuer}")]
    Verifier { issuer: String, source: BuildError },
    #[error("--issuer")]
    Issuers(#[source] BuildError),
    #[error("--resource")]
    Resource(#[from] ResourceError),
    #[error("failed to listen on {address}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("the operating system refused")]
    System(#[from] io::Error),
}

/// An issuer, and how it writes tokens.
#[derive(Clone, Debug)]
pub(crate) struct IssuerOptions {
    pub(crate) issuer: String,
    pub(crate) profile: Profile,
}

/// Which issuers are accepted, and how the guard talks to the proxy.
#[derive(Clone, Debug)]
pub(crate) struct GuardOptions {
    pub(crate) listen: SocketAddr,
    pub(crate) issuers: Vec<IssuerOptions>,
    pub(crate) audiences: Vec<String>,
    /// Where the keys are, instead of discovery: a URL or a file.
    pub(crate) keys: Option<String>,
    pub(crate) scope: Scope,
    pub(crate) scope_header: HeaderName,
    pub(crate) headers: HeaderNames,
    pub(crate) realm: String,
    pub(crate) resource: Option<String>,
    pub(crate) status_lists_at: Vec<String>,
    pub(crate) ignore_status: bool,
    pub(crate) allow_http: bool,
    pub(crate) start_without_keys: bool,
}

impl GuardOptions {
    pub(super) async fn verifier(&self) -> Result<Verifier, GuardError> {
        let mut verifiers = Vec::new();
        for options in &self.issuers {
            let verifier = self.verifier_of(options).await;
            let failed = |source| GuardError::Verifier { issuer: options.issuer.clone(), source };
            verifiers.push(verifier.map_err(failed)?);
        }
        Verifier::any_of(verifiers).map_err(GuardError::Issuers)
    }

    async fn verifier_of(&self, options: &IssuerOptions) -> Result<Verifier, BuildError> {
        let (first, others) = self
            .audiences
            .split_first()
            .map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
        let mut builder = Verifier::builder(&*options.issuer, first);
        builder = others.iter().fold(builder, |builder, other| builder.audience(other));
        builder = builder.profile(options.profile.clone());
        builder = self.status_lists_at.iter().fold(builder, |it, at| it.status_lists_at(at));
        if self.ignore_status {
            builder = builder.ignore_status();
        }
        if self.allow_http {
            builder = builder.allow_http();
        }
        if self.start_without_keys {
            builder = builder.start_without_keys();
        }
        match &self.keys {
            None => builder.discover().await,
            Some(url) if url.contains("://") => builder.jwks_uri(url).await,
            Some(file) => builder.key_set_file(file).await,
        }
    }

    pub(super) fn metadata(
        &self,
        verifier: &Verifier,
    ) -> Result<Option<ResourceMetadata>, GuardError> {
        let Some(resource) = &self.resource else { return Ok(None) };
        Ok(Some(ResourceMetadata::new(resource, verifier)?.scopes(&self.scope)))
    }

    pub(super) fn auth(
        &self,
        verifier: Verifier,
        metadata: Option<&ResourceMetadata>,
    ) -> BearerAuth {
        let auth = BearerAuth::new(verifier).realm(&self.realm).requires(self.scope.clone());
        metadata.map_or(auth.clone(), |metadata| auth.resource(metadata))
    }
}
