//! Where keys come from: the issuer's metadata and key set, fetched and checked.
//!
//! A response is accepted as a whole or not at all; after a failure the current keys stay in use.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aquaware_token::id::Issuer;
use aquaware_token::jwt::{Algorithm, KeySet, TokenError, VerifyingKey};
use aquaware_token::time::Timestamp;
use arc_swap::ArcSwapOption;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::address;
use crate::document::{body, failed, get, is_unchanged, json};
use crate::error::{DocumentError, RefreshError};
use crate::fetch::{Fetch, Request};
use crate::limits::{MAX_DOCUMENT_BYTES, MIN_KEY_SET_LIFETIME};
use crate::refresh::{Cached, Fetched, Source};
use crate::schedule::key_set_lifetime;

/// Maximum number of characters of a foreign `issuer` in an error.
const MAX_QUOTED_CHARS: usize = 200;

/// The key set of an issuer.
#[derive(Debug)]
pub(crate) struct KeySource {
    pub(crate) fetch: Arc<dyn Fetch>,
    pub(crate) allow_http: bool,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) location: KeySetLocation,
    /// Whether the last fetch failed, so that the key set may have moved.
    pub(crate) in_doubt: bool,
    /// The `ETag` of the current key set at its current URL.
    pub(crate) etag: Option<String>,
}

/// Where the key set is.
#[derive(Debug)]
pub(crate) enum KeySetLocation {
    /// At this URL.
    Fixed(Url),
    /// In this file.
    File(PathBuf),
    /// At the `jwks_uri` of the issuer's metadata, which is at one of two places.
    Discovered {
        metadata: Box<[Url; 2]>,
        issuer: Issuer,
        /// The last `jwks_uri`.
        last: Option<Url>,
        /// Receives the URL of the status list aggregation, if the metadata names one.
        aggregation: Arc<ArcSwapOption<String>>,
    },
}

/// Members of the metadata (RFC 8414 §2, draft-ietf-oauth-status-list-20 §9.1).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
    /// Not typed: a malformed value must not prevent the use of the keys.
    status_list_aggregation_endpoint: Option<Value>,
}

impl Source for KeySource {
    type Document = KeySet;

    async fn fetch(
        &mut self,
        _cached: Option<&Cached<KeySet>>,
        _now: Timestamp,
    ) -> Result<Fetched<KeySet>, RefreshError> {
        let fetched = self.try_fetch().await;
        self.in_doubt = fetched.is_err();
        fetched
    }
}

impl KeySource {
    async fn try_fetch(&mut self) -> Result<Fetched<KeySet>, RefreshError> {
        if let KeySetLocation::File(path) = &self.location {
            return self.read_file(path);
        }
        let url = self.locate().await?;
        let request = Request::json(url.to_string()).if_none_match(self.etag.clone());
        let mut response = get(&*self.fetch, &request).await?;
        let lifetime = key_set_lifetime(response.cache_control.as_deref(), response.age);
        if is_unchanged(&request, &response) {
            return Ok(Fetched { document: None, lifetime, age: Duration::ZERO });
        }
        let etag = response.etag.take();
        let body = body(&request, response)?;
        let keys = self.parse(&body).map_err(|error| failed(&request, error))?;
        self.etag = etag;
        Ok(Fetched { document: Some(keys), lifetime, age: Duration::ZERO })
    }

    /// Reads the keys from a file. It is small and local, so that reading it does not delay others.
    fn read_file(&self, path: &Path) -> Result<Fetched<KeySet>, RefreshError> {
        let keys = read_bounded(path).and_then(|json| self.parse(&json));
        let failed = |source| RefreshError { url: path.display().to_string(), source };
        let document = Some(keys.map_err(failed)?);
        Ok(Fetched { document, lifetime: MIN_KEY_SET_LIFETIME, age: Duration::ZERO })
    }

    fn parse(&self, json: &[u8]) -> Result<KeySet, DocumentError> {
        let keys = KeySet::from_json(json).map_err(|_| DocumentError::NotAKeySet)?;
        if keys.supports_any(&self.algorithms) { Ok(keys) } else { Err(DocumentError::NoUsableKey) }
    }

    /// The URL of the key set. After a failure the metadata is read again, in case the key set has
    /// moved; if the metadata is unavailable too, the last URL is used.
    async fn locate(&mut self) -> Result<Url, RefreshError> {
        let (metadata, issuer, last) = match &self.location {
            KeySetLocation::Fixed(url) => return Ok(url.clone()),
            KeySetLocation::File(path) => {
                let url = path.display().to_string();
                return Err(RefreshError { url, source: DocumentError::NotMetadata });
            }
            KeySetLocation::Discovered { last: Some(last), .. } if !self.in_doubt => {
                return Ok(last.clone());
            }
            KeySetLocation::Discovered { metadata, issuer, last, .. } => {
                (metadata, issuer, last.clone())
            }
        };
        let (found, lists) = match (self.discover(metadata, issuer).await, last) {
            (Ok((found, lists)), last) => {
                if last.as_ref() != Some(&found) {
                    self.etag = None;
                }
                (found, lists)
            }
            (Err(_), Some(last)) => return Ok(last),
            (Err(error), None) => return Err(error),
        };
        if let KeySetLocation::Discovered { last, aggregation, .. } = &mut self.location {
            *last = Some(found.clone());
            aggregation.store(lists.map(Arc::new));
        }
        Ok(found)
    }

    /// Asks at both places. The second one is for issuers without RFC 8414 metadata, so it is only
    /// asked if the first one does not have the document; if neither has, the first error counts.
    async fn discover(
        &self,
        [metadata, openid]: &[Url; 2],
        issuer: &Issuer,
    ) -> Result<(Url, Option<String>), RefreshError> {
        let error = match self.read_metadata(metadata, issuer).await {
            Err(error) => error,
            found => return found,
        };
        let absent = matches!(error.source, DocumentError::Status(_) | DocumentError::NotMetadata);
        let found = if absent { self.read_metadata(openid, issuer).await.ok() } else { None };
        found.ok_or(error)
    }

    /// Reads the URLs of the key set and of the status list aggregation from the metadata.
    async fn read_metadata(
        &self,
        url: &Url,
        issuer: &Issuer,
    ) -> Result<(Url, Option<String>), RefreshError> {
        let request = Request::json(url.to_string());
        let body = body(&request, get(&*self.fetch, &request).await?)?;
        let metadata: Metadata =
            json(&body).ok_or_else(|| failed(&request, DocumentError::NotMetadata))?;
        if metadata.issuer != issuer.as_str() {
            let found = metadata.issuer.chars().take(MAX_QUOTED_CHARS).collect();
            let expected = issuer.as_str().to_owned();
            return Err(failed(&request, DocumentError::WrongIssuer { found, expected }));
        }
        let keys = address::safe(&metadata.jwks_uri, self.allow_http)
            .ok_or_else(|| failed(&request, DocumentError::InsecureKeys))?;
        let lists = metadata.status_list_aggregation_endpoint;
        Ok((keys, lists.as_ref().and_then(Value::as_str).map(str::to_owned)))
    }
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, DocumentError> {
    let read = || {
        // A named pipe would wait for its writer.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::other("not a file"));
        }
        let bound = u64::try_from(MAX_DOCUMENT_BYTES).unwrap_or(u64::MAX).saturating_add(1);
        let mut json = Vec::new();
        File::open(path)?.take(bound).read_to_end(&mut json)?;
        Ok(json)
    };
    let json = read().map_err(DocumentError::File)?;
    if json.len() > MAX_DOCUMENT_BYTES { Err(DocumentError::TooLarge) } else { Ok(json) }
}

/// The key with this `kid`, if its algorithm is allowed.
pub(crate) fn find_key<'k>(
    keys: &'k KeySet,
    algorithms: &[Algorithm],
    kid: &str,
) -> Result<&'k VerifyingKey, TokenError> {
    let key = keys.get(kid).ok_or(TokenError::UnknownKey)?;
    if algorithms.contains(&key.algorithm()) { Ok(key) } else { Err(TokenError::WrongAlgorithm) }
}
