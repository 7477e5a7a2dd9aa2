//! The port through which documents are fetched. Implement [`Fetch`] to bring another HTTP client.
//!
//! Size and time are bounded again by the caller, so an implementation that ignores the bounds
//! does no harm.

use std::error::Error;
use std::fmt;

use aquaware_token::jwt::MAX_STATUS_LIST_BYTES;
use async_trait::async_trait;
use thiserror::Error;

use crate::limits::MAX_DOCUMENT_BYTES;

/// Fetches documents. Must not panic: a panic ends background fetching for good.
#[async_trait]
pub trait Fetch: Send + Sync + fmt::Debug {
    /// Sends a GET request. Responses of any status are returned; redirects must not be followed.
    ///
    /// A body longer than [`Request::max_bytes`] need not be read to its end. The future is
    /// dropped after [`FETCH_TIMEOUT`](crate::limits::FETCH_TIMEOUT).
    ///
    /// # Errors
    /// [`FetchError`] if no response arrived.
    async fn get(&self, request: &Request) -> Result<Response, FetchError>;
}

/// A GET request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The URL: https, or http where the builder allows it.
    pub url: String,
    /// The value of `If-None-Match`.
    pub if_none_match: Option<String>,
    /// The value of `Accept`.
    pub accept: &'static str,
    /// Whether to send `Accept-Encoding: gzip`. A compressed body is passed on unchanged, with
    /// [`Response::content_encoding`]; the caller decompresses it up to a bound.
    pub gzip: bool,
    /// Maximum size of the body, as transferred.
    pub max_bytes: usize,
}

impl Request {
    /// A request for keys or another JSON document.
    #[must_use]
    pub const fn json(url: String) -> Self {
        let accept = "application/jwk-set+json, application/json";
        Self { url, if_none_match: None, accept, gzip: false, max_bytes: MAX_DOCUMENT_BYTES }
    }

    /// A request for a status list (draft-ietf-oauth-status-list-20 §8.1).
    #[must_use]
    pub const fn status_list(url: String) -> Self {
        let accept = "application/statuslist+jwt";
        Self { url, if_none_match: None, accept, gzip: true, max_bytes: MAX_STATUS_LIST_BYTES }
    }

    /// Makes the request conditional on the document having changed since this `ETag`.
    #[must_use]
    pub fn if_none_match(self, etag: Option<String>) -> Self {
        Self { if_none_match: etag, ..self }
    }
}

/// An HTTP response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The `ETag`, including its quotes.
    pub etag: Option<String>,
    /// The `Cache-Control`.
    pub cache_control: Option<String>,
    /// The `Age`, in seconds.
    pub age: Option<u64>,
    /// The `Content-Encoding`, unless the body has already been decoded.
    pub content_encoding: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// No response arrived: the network, TLS or the server failed.
#[derive(Debug, Error)]
#[error("no response")]
pub struct FetchError(#[source] Box<dyn Error + Send + Sync>);

impl FetchError {
    /// Wraps the client's error.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}
