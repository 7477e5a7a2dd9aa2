//! The HTTP client: reqwest over rustls with aws-lc-rs and the system's authorities.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{self, HeaderMap, HeaderName};
use reqwest::redirect::Policy;

use super::{Fetch, FetchError, Request, Response, TIMEOUT};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Fetches over HTTP. Redirects are never followed: whoever could write one could name the keys.
#[derive(Clone, Debug)]
pub struct HttpClient(reqwest::Client);

impl HttpClient {
    /// A client of its own, with its own few connections.
    ///
    /// # Errors
    /// When TLS can't be set up, as without any authority to trust.
    pub fn new() -> Result<Self, FetchError> {
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
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
        let mut answer = call.send().await.map_err(FetchError::new)?;
        let mut body = Vec::new();
        // One byte too many is enough for the caller to see that it is too long.
        while body.len() <= request.max_bytes {
            let Some(chunk) = answer.chunk().await.map_err(FetchError::new)? else { break };
            body.extend_from_slice(&chunk);
        }
        let headers = answer.headers();
        Ok(Response {
            status: answer.status().as_u16(),
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
