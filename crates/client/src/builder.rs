//! The settings of a client.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Url};

use crate::client::Client;
use crate::error::BuildError;
use crate::options::Options;
use crate::storage::Storage;

/// Builds a [`Client`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder(Options);

impl Client {
    /// The settings of a client of this issuer.
    pub fn builder(issuer: &str) -> Builder {
        Builder(Options::new(issuer))
    }
}

impl Builder {
    /// The `client_id` of logins; `web` by default. Its profile must use the transport `body`.
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.0.client_id = id.into();
        self
    }

    /// The name of this device in the list of sessions.
    pub fn device_name(mut self, name: impl Into<String>) -> Self {
        self.0.device_name = Some(name.into());
        self
    }

    /// One more origin that receives the access token, such as `https://api.example.com`. The
    /// issuer's always does.
    pub fn origin(mut self, url: impl Into<String>) -> Self {
        self.0.origins.push(url.into());
        self
    }

    /// Where the session is kept; in memory by default.
    pub fn storage(mut self, storage: impl Storage + 'static) -> Self {
        self.0.storage = Arc::new(storage);
        self
    }

    /// How long to wait for one answer; 10 s by default.
    pub const fn timeout(mut self, span: Duration) -> Self {
        self.0.timeout = span;
        self
    }

    /// How long one call retries before it fails with [`Error::Unavailable`]; a minute by default. A
    /// call without patience makes one attempt.
    ///
    /// [`Error::Unavailable`]: crate::Error::Unavailable
    pub const fn patience(mut self, span: Duration) -> Self {
        self.0.patience = span;
        self
    }

    /// The pause before the first retry, 1 s by default. It doubles up to a minute.
    pub const fn backoff(mut self, span: Duration) -> Self {
        self.0.backoff = span;
        self
    }

    /// The client.
    ///
    /// # Errors
    /// The issuer or an origin is not a URL, or TLS cannot be set up.
    pub fn build(self) -> Result<Client, BuildError> {
        self.build_with(|http| http)
    }

    /// The client, with settings of its HTTP client such as certificates or a proxy. Redirects,
    /// the timeout and the user agent remain those of this builder.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_with(
        self,
        settings: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<Client, BuildError> {
        let issuer = [self.0.issuer.as_str()];
        let urls = issuer.into_iter().chain(self.0.origins.iter().map(String::as_str));
        let origins = urls.map(origin).collect::<Result<_, _>>()?;
        // A redirect could lead the refresh token to another host.
        let http = settings(reqwest::Client::builder())
            .redirect(Policy::none())
            .timeout(self.0.timeout)
            .user_agent(concat!("aquaware-client/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(BuildError::Http)?;
        Ok(Client::new(self.0, origins, http))
    }
}

fn origin(url: &str) -> Result<String, BuildError> {
    let parsed = Url::parse(url).ok().filter(|it| matches!(it.scheme(), "http" | "https"));
    let origin = parsed.map(|it| it.origin().ascii_serialization());
    origin.ok_or_else(|| BuildError::Url(url.to_owned()))
}
