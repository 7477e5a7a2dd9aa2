//! Where keys come from: the issuer's metadata and key set, fetched and judged.
//!
//! An answer is taken as a whole or not at all. What is wrong with it is said, and the keys that
//! are already there stay as they are.

use std::sync::Arc;
use std::time::Duration;

use aquaware_core::id::Issuer;
use aquaware_core::jwt::{Algorithm, KeySet};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use url::Url;

use crate::address;
use crate::error::{Problem, RefreshError};
use crate::fetch::{Fetch, MAX_BYTES, Request, Response, TIMEOUT};
use crate::freshness;

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
    },
}

/// What a fetch brought.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// The new set; `None` when the one in use is still the right one.
    pub(crate) keys: Option<KeySet>,
    /// For how long it is fresh.
    pub(crate) lifetime: Duration,
}

/// The metadata members that matter here (RFC 8414 §2).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

impl Origin {
    /// Fetches the key set, finding out first where it is if that isn't known or in doubt.
    pub(crate) async fn fetch(&mut self) -> Result<Fetched, RefreshError> {
        let fetched = self.try_fetch().await;
        self.in_doubt = fetched.is_err();
        fetched
    }

    async fn try_fetch(&mut self) -> Result<Fetched, RefreshError> {
        let address = self.address().await?;
        let answer = self.get(&address, self.etag.clone()).await?;
        let lifetime = freshness::lifetime(answer.cache_control.as_deref(), answer.age);
        if answer.status == 304 && self.etag.is_some() {
            return Ok(Fetched { keys: None, lifetime });
        }
        let body = body(&address, &answer)?;
        let keys = KeySet::from_json(body).map_err(|_| at(&address, Problem::NotAKeySet))?;
        if !keys.has_any_of(&self.algorithms) {
            return Err(at(&address, Problem::NoUsableKey));
        }
        self.etag = answer.etag;
        Ok(Fetched { keys: Some(keys), lifetime })
    }

    /// The key set's address. When it is in doubt and the metadata can't be read, the last one
    /// known is as good as any.
    async fn address(&mut self) -> Result<Url, RefreshError> {
        let (metadata, issuer, last) = match &self.place {
            Place::Fixed(address) => return Ok(address.clone()),
            Place::Told { last: Some(last), .. } if !self.in_doubt => return Ok(last.clone()),
            Place::Told { metadata, issuer, last } => (metadata, issuer, last.clone()),
        };
        let found = match (self.discover(metadata, issuer).await, last) {
            (Ok(found), last) => {
                if last.as_ref() != Some(&found) {
                    self.etag = None;
                }
                found
            }
            (Err(_), Some(last)) => last,
            (Err(error), None) => return Err(error),
        };
        if let Place::Told { last, .. } = &mut self.place {
            *last = Some(found.clone());
        }
        Ok(found)
    }

    async fn discover(&self, address: &Url, issuer: &Issuer) -> Result<Url, RefreshError> {
        let answer = self.get(address, None).await?;
        let metadata: Metadata =
            json(body(address, &answer)?).ok_or_else(|| at(address, Problem::NotMetadata))?;
        if metadata.issuer != issuer.as_str() {
            return Err(at(address, Problem::OtherIssuer));
        }
        address::safe(&metadata.jwks_uri, self.allow_http)
            .ok_or_else(|| at(address, Problem::Insecure))
    }

    async fn get(
        &self,
        address: &Url,
        if_none_match: Option<String>,
    ) -> Result<Response, RefreshError> {
        let request = Request { url: address.to_string(), if_none_match };
        match timeout(TIMEOUT, self.fetch.get(&request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(at(address, Problem::Fetch(error))),
            Err(_) => Err(at(address, Problem::TimedOut)),
        }
    }
}

fn body<'a>(address: &Url, answer: &'a Response) -> Result<&'a [u8], RefreshError> {
    if answer.status != 200 {
        return Err(at(address, Problem::Status(answer.status)));
    }
    if answer.body.len() > MAX_BYTES {
        return Err(at(address, Problem::TooLong));
    }
    Ok(&answer.body)
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

fn at(address: &Url, problem: Problem) -> RefreshError {
    RefreshError { url: address.to_string(), problem }
}
