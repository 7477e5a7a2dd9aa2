//! Building a verifier that fetches: the first fetches, and the tasks that continue them.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;

use super::Builder;
use crate::address;
use crate::error::BuildError;
use crate::fetch::{Fetch, FetchError, Request, Response};
use crate::key_source::{KeySetLocation, KeySource};
use crate::limits::{FETCH_TIMEOUT, MAX_LIFETIME};
use crate::lists::aggregation::{self, Aggregation};
use crate::lists::allowed::AllowedOrigins;
use crate::lists::cache::StatusLists;
use crate::lists::source::ListContext;
use crate::refresh::{RefreshOptions, RefreshTask, Refresher};
use crate::schedule::{self, Schedule};
use crate::single::{Live, SingleVerifier, Source};
use crate::token_cache::TokenCache;
use crate::verifier::Verifier;

/// Cooldown of status lists and of the aggregation. New keys trigger their refresh, so that the
/// cooldown of the keys limits it already.
const LIST_COOLDOWN: Duration = Duration::from_secs(1);

impl Builder {
    pub(super) async fn live(
        self,
        location: KeySetLocation,
        aggregation_url: Option<Arc<ArcSwapOption<String>>>,
    ) -> Result<Verifier, BuildError> {
        let (rules, origins) = (self.rules()?, self.allowed_origins()?);
        let fetch = match (&self.fetch, &location) {
            (Some(fetch), _) => Arc::clone(fetch),
            // Nothing is fetched, so no client is needed.
            (None, KeySetLocation::File(_)) if self.status.ignored => Arc::new(NoFetch),
            (None, _) => http_client()?,
        };
        let source = KeySource {
            fetch: Arc::clone(&fetch),
            allow_http: self.allow_http,
            algorithms: self.algorithms.clone(),
            location,
            in_doubt: false,
            etag: None,
        };
        let options = self.options(&schedule::KEY_SET, self.cooldown, self.max_staleness);
        let keys = Arc::new(Refresher::new(source, options.clone()));
        match keys.refresh().await {
            Err(error) if !self.start_without_keys => return Err(BuildError::Refresh(error)),
            _ => {}
        }
        let background = Arc::clone(&keys);
        let task = tokio::spawn(async move { background.run().await }).abort_handle();
        // Guarded before the next await, so that the task ends if this future is dropped.
        let key_task = RefreshTask { refresher: Arc::clone(&keys), task };
        let lists = (!self.status.ignored).then(|| {
            let context = ListContext {
                fetch: Arc::clone(&fetch),
                keys: Arc::clone(&keys),
                algorithms: self.algorithms.clone(),
                leeway: rules.check.leeway,
                max_staleness: self.status.max_staleness,
            };
            let max_staleness = self.status.max_staleness;
            let options = self.options(&schedule::STATUS_LIST, LIST_COOLDOWN, max_staleness);
            Arc::new(StatusLists::new(origins, self.status.on_stale, context, options))
        });
        let aggregation = match (&lists, aggregation_url) {
            (Some(lists), Some(url)) => {
                let lists = Arc::clone(lists);
                let source = Aggregation { fetch, url, lists, etag: None };
                let (cooldown, max_interval) = (LIST_COOLDOWN, MAX_LIFETIME);
                let options = RefreshOptions { cooldown, max_interval, ..options };
                Some(start_aggregation(source, options, &keys).await)
            }
            _ => None,
        };
        let live = Live { keys: key_task, lists, aggregation };
        let cache = TokenCache::new(self.cached_tokens);
        Ok(Verifier::new(SingleVerifier { rules, source: Source::Live(live), cache }))
    }

    /// Documents are fetched at least twice within their maximum staleness.
    fn options(
        &self,
        schedule: &'static Schedule,
        cooldown: Duration,
        max_staleness: Duration,
    ) -> RefreshOptions {
        let (clock, random) = (Arc::clone(&self.clock), Arc::clone(&self.random));
        let max_interval = (max_staleness / 2).min(MAX_LIFETIME);
        RefreshOptions { clock, random, schedule, cooldown, max_interval }
    }

    /// The origins of status lists. An issuer that is not a URL has no origin.
    fn allowed_origins(&self) -> Result<AllowedOrigins, BuildError> {
        let mut origins = Vec::new();
        if let Some(issuer) = address::safe(&self.issuer, self.allow_http) {
            origins.push(issuer.origin());
        }
        for text in &self.status.origins {
            let url = address::safe(text, self.allow_http);
            origins.push(url.ok_or_else(|| BuildError::InsecureUrl(text.clone()))?.origin());
        }
        Ok(AllowedOrigins::new(origins, self.allow_http))
    }
}

/// Fetches the aggregation and waits a limited time for its lists. Requests that need a list which
/// has not arrived by then are rejected or wait themselves.
async fn start_aggregation(
    source: Aggregation,
    options: RefreshOptions,
    keys: &Arc<Refresher<KeySource>>,
) -> RefreshTask<Aggregation> {
    let lists = Arc::clone(&source.lists);
    let refresher = Arc::new(Refresher::new(source, options));
    // A failure is reported by the health and logged.
    let _ = refresher.refresh().await;
    lists.wait_for_first_fetches(FETCH_TIMEOUT).await;
    let task = aggregation::run(Arc::clone(&refresher), Arc::clone(keys));
    RefreshTask { task: tokio::spawn(task).abort_handle(), refresher }
}

/// For verifiers that fetch nothing.
#[derive(Debug)]
struct NoFetch;

#[async_trait]
impl Fetch for NoFetch {
    async fn get(&self, _: &Request) -> Result<Response, FetchError> {
        Err(FetchError::new("this verifier fetches nothing"))
    }
}

#[cfg(feature = "client")]
fn http_client() -> Result<Arc<dyn Fetch>, BuildError> {
    match crate::http_client::HttpClient::new() {
        Ok(client) => Ok(Arc::new(client)),
        Err(error) => Err(BuildError::NoHttpClient(Some(error))),
    }
}

#[cfg(not(feature = "client"))]
fn http_client() -> Result<Arc<dyn Fetch>, BuildError> {
    Err(BuildError::NoHttpClient(None))
}
