//! Getting a document from the issuer, as a port: a trait that tests script and users may replace.
//!
//! What comes back is judged elsewhere. Size and time are bounded again by the caller, so that an
//! implementation that forgets its bounds harms nobody.

#[cfg(feature = "client")]
mod client;

use std::error::Error;
use std::fmt;
use std::time::Duration;

use aquaware_token::jwt::MAX_STATUS_LIST_BYTES;
use async_trait::async_trait;
use thiserror::Error;

#[cfg(feature = "client")]
pub use self::client::HttpClient;

/// The largest document that is read, status lists aside.
pub const MAX_BYTES: usize = 256 * 1024;
/// How long a document may take to arrive as a whole.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// How documents are fetched. Must not panic: nobody fetches any more after that.
#[async_trait]
pub trait Fetch: Send + Sync + fmt::Debug {
    /// GETs the document. Any status is an answer; redirects are answers too and never followed.
    ///
    /// An answer longer than [`Request::max_bytes`] need not be read to its end. The future is
    /// dropped after [`TIMEOUT`].
    ///
    /// # Errors
    /// [`FetchError`] when there is no answer.
    async fn get(&self, request: &Request) -> Result<Response, FetchError>;
}

/// What to get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Where: https, or http where the builder allowed it.
    pub url: String,
    /// The `If-None-Match` to send.
    pub if_none_match: Option<String>,
    /// The `Accept` to send.
    pub accept: &'static str,
    /// Whether the answer may have the content coding `gzip`, and `Accept-Encoding` say so. It is
    /// unpacked by the caller, to a bound, where [`Response::content_encoding`] says that it is
    /// packed.
    pub gzip: bool,
    /// The longest body of use, as it comes over the wire.
    pub max_bytes: usize,
}

impl Request {
    /// A request for keys or another JSON document.
    #[must_use]
    pub const fn json(url: String) -> Self {
        let accept = "application/jwk-set+json, application/json";
        Self { url, if_none_match: None, accept, gzip: false, max_bytes: MAX_BYTES }
    }

    /// A request for a status list (draft-ietf-oauth-status-list-20 §8.1).
    #[must_use]
    pub const fn status_list(url: String) -> Self {
        let accept = "application/statuslist+jwt";
        Self { url, if_none_match: None, accept, gzip: true, max_bytes: MAX_STATUS_LIST_BYTES }
    }

    /// The same, unless the document is still the one with this `ETag`.
    #[must_use]
    pub fn unless(self, etag: Option<String>) -> Self {
        Self { if_none_match: etag, ..self }
    }
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The `ETag`, quotes included.
    pub etag: Option<String>,
    /// The `Cache-Control`.
    pub cache_control: Option<String>,
    /// The `Age`, in seconds.
    pub age: Option<u64>,
    /// The `Content-Encoding`, if the body still has it.
    pub content_encoding: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// No answer came: the network, TLS, or the other end.
#[derive(Debug, Error)]
#[error("no answer")]
pub struct FetchError(#[source] Box<dyn Error + Send + Sync>);

impl FetchError {
    /// Says why, in the words of `cause`.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}
