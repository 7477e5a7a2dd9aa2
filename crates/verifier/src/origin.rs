//! Where keys come from: the issuer's metadata and key set, fetched and judged.
//!
//! An answer is taken as a whole or not at all. What is wrong with it is said, and the keys that
//! are already there stay as they are.

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
use crate::document::{at, body, get, is_unchanged, json};
use crate::error::{Problem, RefreshError};
use crate::fetch::{Fetch, Request};
use crate::freshness;
use crate::refresh::{Fetched, Known, Source};

/// An issuer's key set as somebody far away sees it.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) fetch: Arc<dyn Fetch>,
    pub(crate) allow_http: bool,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) place: Place,
    /// Whether the last attempt failed, so that the address may have changed.
    pub(crate) in_doubt: bool,
    /// The `ETag` of the set in use, which belongs to its address.
    pub(crate) etag: Option<String>,
}

/// Where a key set is.
#[derive(Debug)]
pub(crate) enum Place {
    /// At an address that was given.
    Fixed(Url),
    /// Where the issuer's metadata says.
    Told {
        /// Where the metadata is.
        metadata: Url,
        /// Whose it must be.
        issuer: Issuer,
        /// What it said last.
        last: Option<Url>,
        /// Where it says that the issuer lists its status lists, for whoever asks for those.
        aggregation: Arc<ArcSwapOption<String>>,
    },
}

/// The metadata members that matter here (RFC 8414 §2, draft-ietf-oauth-status-list-20 §9.1).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
    /// Read leniently: keys are found without it.
    status_list_aggregation_endpoint: Option<Value>,
}

impl Source for Origin {
    type Document = KeySet;

    /// Fetches the key set, finding out first where it is if that isn't known or in doubt.
    async fn fetch(
        &mut self,
        _known: Option<&Known<KeySet>>,
        _now: Timestamp,
    ) -> Result<Fetched<KeySet>, RefreshError> {
        let fetched = self.try_fetch().await;
        self.in_doubt = fetched.is_err();
        fetched
    }
}

impl Origin {
    async fn try_fetch(&mut self) -> Result<Fetched<KeySet>, RefreshError> {
        let address = self.address().await?;
        let request = Request::json(address.to_string()).unless(self.etag.clone());
        let mut answer = get(&*self.fetch, &request).await?;
        let lifetime = freshness::lifetime(answer.cache_control.as_deref(), answer.age);
        if is_unchanged(&request, &answer) {
            return Ok(Fetched { document: None, lifetime, age: Duration::ZERO });
        }
        let etag = answer.etag.take();
        let body = body(&request, answer)?;
        let keys = KeySet::from_json(&body).map_err(|_| at(&request, Problem::NotAKeySet))?;
        if !keys.has_any_of(&self.algorithms) {
            return Err(at(&request, Problem::NoUsableKey));
        }
        self.etag = etag;
        Ok(Fetched { document: Some(keys), lifetime, age: Duration::ZERO })
    }

    /// The key set's address. When it is in doubt and the metadata can't be read, the last one
    /// known is as good as any.
    async fn address(&mut self) -> Result<Url, RefreshError> {
        let (metadata, issuer, last) = match &self.place {
            Place::Fixed(address) => return Ok(address.clone()),
            Place::Told { last: Some(last), .. } if !self.in_doubt => return Ok(last.clone()),
            Place::Told { metadata, issuer, last, .. } => (metadata, issuer, last.clone()),
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
        if let Place::Told { last, aggregation, .. } = &mut self.place {
            *last = Some(found.clone());
            aggregation.store(lists.map(Arc::new));
        }
        Ok(found)
    }

    /// Where the metadata says that the keys are, and where the list of status lists.
    async fn discover(
        &self,
        address: &Url,
        issuer: &Issuer,
    ) -> Result<(Url, Option<String>), RefreshError> {
        let request = Request::json(address.to_string());
        let body = body(&request, get(&*self.fetch, &request).await?)?;
        let metadata: Metadata = json(&body).ok_or_else(|| at(&request, Problem::NotMetadata))?;
        if metadata.issuer != issuer.as_str() {
            return Err(at(&request, Problem::OtherIssuer));
        }
        let keys = address::safe(&metadata.jwks_uri, self.allow_http)
            .ok_or_else(|| at(&request, Problem::Insecure))?;
        let lists = metadata.status_list_aggregation_endpoint;
        Ok((keys, lists.as_ref().and_then(Value::as_str).map(str::to_owned)))
    }
}

/// The key `kid` of `keys`, if it has one of these algorithms.
pub(crate) fn key_named<'k>(
    keys: &'k KeySet,
    algorithms: &[Algorithm],
    kid: &str,
) -> Result<&'k VerifyingKey, TokenError> {
    let key = keys.named(kid).ok_or(TokenError::UnknownKey)?;
    if algorithms.contains(&key.algorithm()) { Ok(key) } else { Err(TokenError::Algorithm) }
}
