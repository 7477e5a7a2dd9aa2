//! Protected resource metadata (RFC 9728): which issuers a client may get its tokens from.

use std::sync::Arc;

use aquaware_token::claims::Scope;
use serde::Serialize;
use thiserror::Error;

use crate::address;
use crate::verifier::Verifier;

/// The well-known path, which precedes the path of the resource (RFC 9728 §3).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// How long clients may keep the document.
pub(crate) const CACHE_CONTROL: &str = "public, max-age=300";

/// The text is not a resource identifier.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is not an https URL without query and fragment")]
pub struct ResourceError(String);

/// The metadata of a service (RFC 9728). Clones are cheap.
///
/// [`BearerAuth::resource`](crate::BearerAuth::resource) names its URL in challenges. As a layer or
/// middleware, `BearerAuth` also serves it; elsewhere it is a separate service:
/// `Router::route_service(metadata.path(), metadata.clone())` with axum, and
/// `App::configure(metadata.routes())` with actix-web.
#[derive(Clone, Debug)]
pub struct ResourceMetadata(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    document: Document,
    path: String,
    url: String,
}

/// The members (RFC 9728 §2).
#[derive(Clone, Debug, Serialize)]
struct Document {
    resource: String,
    authorization_servers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<String>,
    bearer_methods_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<String>,
}

impl ResourceMetadata {
    /// The metadata of the service at the URL `resource`, which accepts the tokens of `verifier`.
    ///
    /// `resource` is the URL under which clients know the service, usually one of the audiences:
    /// https, or http on a loopback address.
    ///
    /// # Errors
    /// [`ResourceError`] if `resource` is another kind of URL.
    pub fn new(resource: &str, verifier: &Verifier) -> Result<Self, ResourceError> {
        let error = || ResourceError(resource.to_owned());
        let mut url = address::safe(resource, false).ok_or_else(error)?;
        if url.query().is_some() {
            return Err(error());
        }
        let path = format!("{WELL_KNOWN}{}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let document = Document {
            resource: resource.to_owned(),
            authorization_servers: verifier.issuers().into_iter().map(str::to_owned).collect(),
            scopes_supported: Vec::new(),
            bearer_methods_supported: ["header"],
            resource_name: None,
        };
        Ok(Self(Arc::new(Inner { document, path, url: url.to_string() })))
    }

    /// Names the scopes that the service uses.
    #[must_use]
    pub fn scopes(mut self, scopes: &Scope) -> Self {
        let scopes = scopes.to_string();
        let scopes = scopes.split(' ').filter(|scope| !scope.is_empty());
        Arc::make_mut(&mut self.0).document.scopes_supported = scopes.map(str::to_owned).collect();
        self
    }

    /// Sets a name for people.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        Arc::make_mut(&mut self.0).document.resource_name = Some(name.to_owned());
        self
    }

    /// The path at which the document is served.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// The URL of the document.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// The document, of the type `application/json`.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string(&self.0.document).unwrap_or_default()
    }

    /// Whether this is a request for the document.
    #[cfg(any(feature = "actix", feature = "tower"))]
    pub(crate) fn is_requested(&self, method: &str, path: &str) -> bool {
        path == self.0.path && matches!(method, "GET" | "HEAD")
    }
}
