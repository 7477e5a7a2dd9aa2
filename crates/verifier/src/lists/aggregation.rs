//! The issuer's status list aggregation (draft-ietf-oauth-status-list-20 §9): it names all lists,
//! so that they are cached before the first token needs them.

use std::sync::Arc;
use std::time::Duration;

use aquaware_token::time::Timestamp;
use arc_swap::ArcSwapOption;
use serde::Deserialize;

use super::cache::StatusLists;
use crate::document::{body, failed, get, is_unchanged, json};
use crate::error::{DocumentError, RefreshError};
use crate::fetch::{Fetch, Request};
use crate::key_source::KeySource;
use crate::limits::MAX_LIFETIME;
use crate::refresh::{Cached, Fetched, Refresher, Source};

/// The aggregation, if the issuer has one.
#[derive(Debug)]
pub(crate) struct Aggregation {
    pub(crate) fetch: Arc<dyn Fetch>,
    /// Its URL, as last read from the metadata.
    pub(crate) url: Arc<ArcSwapOption<String>>,
    /// The cache that receives the URIs.
    pub(crate) lists: Arc<StatusLists>,
    /// The URL of the last response and its `ETag`.
    pub(crate) etag: Option<(String, String)>,
}

#[derive(Deserialize)]
struct Body {
    status_lists: Vec<String>,
}

impl Source for Aggregation {
    /// The URIs are kept in the cache of lists.
    type Document = ();

    async fn fetch(
        &mut self,
        _cached: Option<&Cached<()>>,
        _now: Timestamp,
    ) -> Result<Fetched<()>, RefreshError> {
        // It is read whenever the keys are, so its own timer has the longest interval.
        let fetched = Fetched { document: Some(()), lifetime: MAX_LIFETIME, age: Duration::ZERO };
        let Some(found) = self.url.load_full() else { return Ok(fetched) };
        let Some(url) = self.lists.allowed_url(&found) else {
            let source = DocumentError::UntrustedOrigin;
            return Err(RefreshError { url: found.to_string(), source });
        };
        let etag = self.etag.clone().filter(|(url, _)| *url == *found).map(|(_, etag)| etag);
        let request = Request::json(url.to_string()).if_none_match(etag);
        let mut response = get(&*self.fetch, &request).await?;
        if is_unchanged(&request, &response) {
            return Ok(fetched);
        }
        let etag = response.etag.take();
        let body = body(&request, response)?;
        let Body { status_lists } =
            json(&body).ok_or_else(|| failed(&request, DocumentError::NotAnAggregation))?;
        self.lists.set_aggregated(&status_lists);
        self.etag = etag.map(|etag| (found.to_string(), etag));
        Ok(fetched)
    }
}

/// Keeps the aggregation fresh. Never returns.
pub(crate) async fn run(aggregation: Arc<Refresher<Aggregation>>, keys: Arc<Refresher<KeySource>>) {
    tokio::select! {
        biased;
        () = keys.after_each_success(|| aggregation.request()) => {}
        () = aggregation.run() => {}
    }
}
