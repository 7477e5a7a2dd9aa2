//! The cache of status lists, and the status check of a token
//! (draft-ietf-oauth-status-list-20 §8.3).
//!
//! A check is a lookup in an immutable map and a read of one entry: no lock, no I/O. A list that is
//! missing is added to the map, and a task of its own fetches it from then on, as long as tokens or
//! the issuer's aggregation name it. Both the number of lists and their origins are bounded,
//! because the URIs come from tokens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aquaware_token::error_chain;
use aquaware_token::status::StatusReference;
use aquaware_token::time::Timestamp;
use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::runtime::Handle;
use tokio::time::Instant;
use url::Url;

use super::allowed::AllowedOrigins;
use super::entry::ListEntry;
use super::list::List;
use super::source::{ListContext, ListSource};
use crate::error::{DocumentError, RefreshError, VerifyError};
use crate::health::{StalePolicy, StatusHealth};
use crate::limits::MAX_STATUS_LISTS;
use crate::refresh::{Cached, RefreshOptions};
use crate::schedule::elapsed;

type Entries = HashMap<String, Arc<ListEntry>>;

/// The status lists of a verifier. Dropping it ends the tasks that keep them fresh.
#[derive(Debug)]
pub(crate) struct StatusLists {
    /// Replaced as a whole when a list is added, so that checks never wait for a lock. Additions
    /// are rare: at most 256 lists exist, and each lives for at least an hour.
    entries: ArcSwap<Entries>,
    /// Locked while a list is added.
    adding: Mutex<()>,
    /// The first list that did not fit, until one fits again.
    overflow: ArcSwapOption<RefreshError>,
    /// The first list at an untrusted origin.
    untrusted: ArcSwapOption<RefreshError>,
    origins: AllowedOrigins,
    on_stale: StalePolicy,
    context: Arc<ListContext>,
    options: RefreshOptions,
    /// Where tasks are spawned: `verify` may be called from threads outside any runtime.
    runtime: Handle,
}

/// A failed check, and the list that may change its outcome.
#[derive(Debug)]
pub(crate) struct CheckError {
    pub(crate) error: VerifyError,
    pub(crate) list: Option<Arc<ListEntry>>,
}

impl From<VerifyError> for CheckError {
    fn from(error: VerifyError) -> Self {
        Self { error, list: None }
    }
}

impl StatusLists {
    /// An empty cache, which fetches lists on the current runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub(crate) fn new(
        origins: AllowedOrigins,
        on_stale: StalePolicy,
        context: ListContext,
        options: RefreshOptions,
    ) -> Self {
        Self {
            entries: ArcSwap::default(),
            adding: Mutex::new(()),
            overflow: ArcSwapOption::empty(),
            untrusted: ArcSwapOption::empty(),
            origins,
            on_stale,
            context: Arc::new(context),
            options,
            runtime: Handle::current(),
        }
    }

    /// Checks the status of a token. A missing list is added and fetched in the background.
    pub(crate) fn check(&self, status: &StatusReference, now: Timestamp) -> Result<(), CheckError> {
        let entries = self.entries.load();
        // An abandoned entry has lost its task, so it is replaced like a missing one.
        let entry = match entries.get(&status.uri).filter(|entry| !entry.is_abandoned()) {
            Some(entry) => entry,
            None => &match self.add(&status.uri, now)? {
                Some(entry) => entry,
                None => return self.without_list(VerifyError::NoStatusList, None),
            },
        };
        entry.record_use(now);
        let current = entry.refresher().current();
        if current.as_ref().is_some_and(|cached| !self.is_fresh(cached, now)) {
            Self::catch_up(entry);
        }
        let error = match &*current {
            Some(cached) if self.is_usable(cached, now) => {
                return Ok(cached.document.check(status.idx)?);
            }
            Some(_) => VerifyError::StaleStatusList,
            None => VerifyError::NoStatusList,
        };
        self.without_list(error, Some(entry))
    }

    /// Applies the policy to a token without a usable list.
    ///
    /// Even `KeepUsing` rejects the token while the very first fetch of its list is pending.
    /// Otherwise a revoked token would be accepted once after every start of the service.
    fn without_list(
        &self,
        error: VerifyError,
        entry: Option<&Arc<ListEntry>>,
    ) -> Result<(), CheckError> {
        let pending = entry.is_some_and(|entry| entry.refresher().progress().finished == 0);
        match self.on_stale {
            StalePolicy::KeepUsing if !pending => Ok(()),
            StalePolicy::KeepUsing | StalePolicy::Reject => {
                Err(CheckError { error, list: entry.cloned() })
            }
        }
    }

    /// Requests a list that is stale although no fetch has failed: timers stop while the machine
    /// is suspended, and do not follow changes of its clock. After a failure the retry schedule
    /// applies instead, or every request during an outage would cause a fetch.
    fn catch_up(entry: &ListEntry) {
        if entry.refresher().progress().failures == 0 {
            entry.refresher().request();
        }
    }

    fn is_usable(&self, cached: &Cached<List>, now: Timestamp) -> bool {
        let usable = match self.on_stale {
            StalePolicy::Reject => !self.is_stale(cached, now),
            StalePolicy::KeepUsing => true,
        };
        usable && !cached.document.is_expired(self.context.leeway, now)
    }

    fn is_stale(&self, cached: &Cached<List>, now: Timestamp) -> bool {
        cached.age(now) > self.context.max_staleness
    }

    fn is_fresh(&self, cached: &Cached<List>, now: Timestamp) -> bool {
        !self.is_stale(cached, now) && !cached.document.is_expired(self.context.leeway, now)
    }

    /// Parses `uri`, if its origin is allowed.
    pub(crate) fn allowed_url(&self, uri: &str) -> Option<Url> {
        self.origins.find(uri).map(|allowed| allowed.url)
    }

    /// Adds the lists that the issuer's aggregation names, and releases those it no longer names.
    pub(crate) fn set_aggregated(&self, uris: &[String]) {
        let now = self.options.clock.now();
        for uri in uris {
            // Lists that are untrusted or do not fit are recorded by `add`.
            let _ = self.add(uri, now);
        }
        for (uri, entry) in &**self.entries.load() {
            entry.set_aggregated(uris.contains(uri));
        }
    }

    /// Waits for at most `up_to` until every list in the cache has been fetched or has failed once.
    pub(crate) async fn wait_for_first_fetches(&self, up_to: Duration) {
        let deadline = Instant::now() + up_to;
        let entries = self.entries.load_full();
        for entry in entries.values() {
            let left = deadline.saturating_duration_since(Instant::now());
            entry.refresher().wait_for_next(0, left).await;
        }
    }

    /// The entry for `uri`, added if necessary; `None` if the cache is full.
    fn add(&self, uri: &str, now: Timestamp) -> Result<Option<Arc<ListEntry>>, VerifyError> {
        let Some(allowed) = self.origins.find(uri) else {
            record_first(&self.untrusted, uri, DocumentError::UntrustedOrigin);
            return Err(VerifyError::UntrustedStatusList);
        };
        // Without the lock: once the cache has overflowed, many requests may name further lists,
        // and they must not queue up for the lock one by one.
        if self.overflow.load().is_some() && is_full(&self.entries.load()) {
            return Ok(None);
        }
        // The lock protects no data that a panic could have left inconsistent, so poisoning is
        // ignored.
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have added the same list before this one got the lock.
        let entries = self.entries.load();
        if let Some(entry) = entries.get(uri).filter(|entry| !entry.is_abandoned()) {
            return Ok(Some(Arc::clone(entry)));
        }
        if is_full(&entries) {
            record_first(&self.overflow, uri, DocumentError::TooManyStatusLists);
            return Ok(None);
        }
        self.overflow.store(None);
        let context = Arc::clone(&self.context);
        let source = ListSource { context, uri: uri.to_owned(), allowed, etag: None };
        let entry = Arc::new(ListEntry::start(source, self.options.clone(), &self.runtime, now));
        // Copying the map is also when abandoned entries are removed from it.
        let live = entries.iter().filter(|(_, entry)| !entry.is_abandoned());
        let mut entries: Entries =
            live.map(|(uri, entry)| (uri.clone(), Arc::clone(entry))).collect();
        entries.insert(uri.to_owned(), Arc::clone(&entry));
        self.entries.store(Arc::new(entries));
        Ok(Some(entry))
    }

    pub(crate) fn health(&self, now: Timestamp) -> StatusHealth {
        let mut health =
            StatusHealth { last_error: self.untrusted.load_full(), ..StatusHealth::EMPTY };
        for entry in self.entries.load().values().filter(|entry| !entry.is_abandoned()) {
            let current = entry.refresher().current();
            let progress = entry.refresher().progress();
            health.lists += 1;
            health.record_failures(progress.failures, progress.last_error.as_ref());
            if !current.as_ref().is_some_and(|cached| self.is_fresh(cached, now)) {
                health.unusable += 1;
            }
            if let Some(at) = current.as_ref().map(|cached| cached.confirmed_at) {
                health.confirmed_at = Some(health.confirmed_at.map_or(at, |oldest| oldest.min(at)));
            }
        }
        // The record of an overflow is only cleared by the next addition. It no longer applies once
        // lists have been abandoned.
        let overflow = self.overflow.load_full().filter(|_| health.lists >= MAX_STATUS_LISTS);
        health.ready = health.unusable == 0 && overflow.is_none();
        health.last_error = overflow.or(health.last_error);
        health.age = health.confirmed_at.map(|at| elapsed(at, now));
        health
    }
}

/// Logs and keeps the first error only: the URIs come from tokens, and there may be many.
fn record_first(slot: &ArcSwapOption<RefreshError>, uri: &str, source: DocumentError) {
    if slot.load().is_none() {
        let error = RefreshError { url: uri.to_owned(), source };
        tracing::warn!(error = error_chain(&error), "status list not fetched");
        slot.store(Some(Arc::new(error)));
    }
}

fn is_full(entries: &Entries) -> bool {
    entries.values().filter(|entry| !entry.is_abandoned()).count() >= MAX_STATUS_LISTS
}
