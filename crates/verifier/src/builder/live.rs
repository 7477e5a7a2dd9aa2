//! Putting a verifier together whose keys and status lists are kept fresh: the first fetches, and
//! the tasks that go on with them.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::Builder;
use crate::address;
use crate::error::StartError;
use crate::fetch::{Fetch, TIMEOUT};
use crate::freshness::{self, Pace};
use crate::lists::{self, Aggregation, Kit, Lists, Places};
use crate::origin::{Origin, Place};
use crate::refresh::{Kept, Refresher, Settings};
use crate::verifier::{Live, Source, Verifier};

/// How soon after a fetch a status list, or the list of lists, may be fetched because keys have come.
const LIST_COOLDOWN: Duration = Duration::from_secs(1);

impl Builder {
    pub(super) async fn live(
        self,
        place: Place,
        told: Option<Arc<ArcSwapOption<String>>>,
    ) -> Result<Verifier, StartError> {
        let (rules, places) = (self.rules()?, self.places()?);
        let fetch = self.fetch.clone().map_or_else(client, Ok)?;
        let origin = Origin {
            fetch: Arc::clone(&fetch),
            allow_http: self.allow_http,
            algorithms: self.algorithms.clone(),
            place,
            in_doubt: false,
            etag: None,
        };
        let settings = self.settings(&freshness::KEYS, self.cooldown, self.max_staleness);
        let keys = Arc::new(Refresher::new(origin, settings.clone()));
        match keys.refresh().await {
            Err(error) if !self.start_without_keys => return Err(StartError::Refresh(error)),
            _ => {}
        }
        let background = Arc::clone(&keys);
        let task = tokio::spawn(async move { background.run().await }).abort_handle();
        // At once, so that the task ends with this future when nobody waits for it any more.
        let kept = Kept { refresher: Arc::clone(&keys), task };
        let lists = (!self.status.ignored).then(|| {
            let kit = Kit {
                fetch: Arc::clone(&fetch),
                keys: Arc::clone(&keys),
                algorithms: self.algorithms.clone(),
                leeway: rules.check.leeway,
                max_staleness: self.status.max_staleness,
            };
            let longest = self.status.max_staleness;
            let settings = self.settings(&freshness::LISTS, LIST_COOLDOWN, longest);
            Arc::new(Lists::new(places, self.status.on_stale, kit, settings))
        });
        let aggregation = match (&lists, told) {
            (Some(lists), Some(address)) => {
                let lists = Arc::clone(lists);
                let source = Aggregation { fetch, address, lists, etag: None };
                // The keys' own cooldown is what limits it: it follows them.
                let (cooldown, longest) = (LIST_COOLDOWN, freshness::MOST);
                let settings = Settings { cooldown, longest, ..settings };
                Some(preloaded(source, settings, &keys).await)
            }
            _ => None,
        };
        let live = Live { keys: kept, lists, aggregation };
        Ok(Verifier::new(rules, Source::Live(live)))
    }

    /// Whatever is kept is fetched at least twice while it may be used.
    fn settings(&self, pace: &'static Pace, cooldown: Duration, max: Duration) -> Settings {
        let (clock, random) = (Arc::clone(&self.clock), Arc::clone(&self.random));
        let longest = (max / 2).min(freshness::MOST);
        Settings { clock, random, pace, cooldown, longest }
    }

    /// Where status lists may come from. An issuer whose name is no address has no origin.
    fn places(&self) -> Result<Places, StartError> {
        let mut origins = Vec::new();
        if let Some(issuer) = address::safe(&self.issuer, self.allow_http) {
            origins.push(issuer.origin());
        }
        for text in &self.status.origins {
            let url = address::safe(text, self.allow_http);
            origins.push(url.ok_or_else(|| StartError::Insecure(text.clone()))?.origin());
        }
        Ok(Places::new(origins, self.allow_http))
    }
}

/// Asks which lists there are, and waits for them a little: those that don't come in time are
/// waited for by the requests that need them.
async fn preloaded(
    source: Aggregation,
    settings: Settings,
    keys: &Arc<Refresher<Origin>>,
) -> Kept<Aggregation> {
    let lists = Arc::clone(&source.lists);
    let refresher = Arc::new(Refresher::new(source, settings));
    // Its failure is in the health, and in the log.
    let _ = refresher.refresh().await;
    lists.wait_for_all(TIMEOUT).await;
    let task = lists::keep(Arc::clone(&refresher), Arc::clone(keys));
    Kept { task: tokio::spawn(task).abort_handle(), refresher }
}

#[cfg(feature = "client")]
fn client() -> Result<Arc<dyn Fetch>, StartError> {
    match crate::fetch::HttpClient::new() {
        Ok(client) => Ok(Arc::new(client)),
        Err(error) => Err(StartError::NoClient(Some(error))),
    }
}

#[cfg(not(feature = "client"))]
fn client() -> Result<Arc<dyn Fetch>, StartError> {
    Err(StartError::NoClient(None))
}
