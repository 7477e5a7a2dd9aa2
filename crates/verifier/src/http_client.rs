//! The built-in HTTP client: reqwest over rustls with aws-lc-rs and the system's root certificates.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{self, HeaderMap, HeaderName};
use reqwest::redirect::Policy;

use crate::fetch::{Fetch, FetchError, Request, Response};
use crate::limits::FETCH_TIMEOUT;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Fetches over HTTP. Redirects are never followed: an open redirect at the issuer would otherwise
/// let an attacker supply the keys.
#[derive(Clone, Debug)]
pub struct HttpClient(reqwest::Client);

impl HttpClient {
    /// A client with its own connection pool.
    ///
    /// # Errors
    /// If TLS cannot be set up, for example because the system has no root certificates.
    pub fn new() -> Result<Self, FetchError> {
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(FETCH_TIMEOUT)
            .pool_max_idle_per_host(1)
            .user_agent(concat!("aquaware-verifier/", env!("CARGO_PKG_VERSION")))
            .build();
        client.map(Self).map_err(FetchError::new)
    }
}

#[async_trait]
impl Fetch for HttpClient {
    async fn get(&self, request: &Request) -> Result<Response, FetchError> {
        let mut call = self.0.get(&request.url).header(header::ACCEPT, request.accept);
        if request.gzip {
            call = call.header(header::ACCEPT_ENCODING, "gzip");
        }
        if let Some(etag) = &request.if_none_match {
            call = call.header(header::IF_NONE_MATCH, etag);
        }
        let mut response = call.send().await.map_err(FetchError::new)?;
        let mut body = Vec::new();
        // Reading one byte past the limit lets the caller detect an oversized body.
        while body.len() <= request.max_bytes {
            let Some(chunk) = response.chunk().await.map_err(FetchError::new)? else { break };
            body.extend_from_slice(&chunk);
        }
        let headers = response.headers();
        Ok(Response {
            status: response.status().as_u16(),
            etag: text(headers, &header::ETAG),
            cache_control: text(headers, &header::CACHE_CONTROL),
            age: text(headers, &header::AGE).and_then(|age| age.trim().parse().ok()),
            content_encoding: text(headers, &header::CONTENT_ENCODING),
            body,
        })
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
