//! The status lists in hand, and what they say of a token (draft-ietf-oauth-status-list-20 §8.3).
//!
//! A request looks its token's list up in a map and reads an entry: no lock, no I/O. A list that
//! isn't there is fetched by a task of its own from then on, for as long as tokens or the issuer
//! name it. How many there may be is bounded, and so is where they may come from.

mod aggregation;
mod entry;
mod fixed;
mod list;
mod places;
mod source;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aquaware_token::status::StatusReference;
use aquaware_token::time::Timestamp;
use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::runtime::Handle;
use tokio::time::Instant;
use url::Url;

pub(crate) use self::aggregation::{Aggregation, keep};
pub(crate) use self::entry::Entry;
pub(crate) use self::fixed::FixedLists;
pub(crate) use self::list::{Check, List};
pub(crate) use self::places::Places;
pub(crate) use self::source::{Kit, ListSource};
use crate::error::{Problem, RefreshError, whole};
use crate::health::{Stale, StatusHealth};
use crate::refresh::{Known, Settings};
use crate::rejection::Rejection;
use crate::verifier::between;

/// How many lists are kept at most.
pub const MOST_LISTS: usize = 256;

/// Lists, with the tasks that keep them fresh, which end with this.
#[derive(Debug)]
pub(crate) struct Lists {
    entries: ArcSwap<HashMap<String, Arc<Entry>>>,
    /// Locked while an entry is added.
    adding: Mutex<()>,
    /// The first list that there was no room for, until there is some.
    overflow: ArcSwapOption<RefreshError>,
    /// The first list at a foreign address.
    foreign: ArcSwapOption<RefreshError>,
    places: Places,
    on_stale: Stale,
    kit: Arc<Kit>,
    settings: Settings,
    runtime: Handle,
}

/// A token that its status doesn't let in, and the list that may let it in later.
#[derive(Debug)]
pub(crate) struct Denied {
    pub(crate) rejection: Rejection,
    pub(crate) list: Option<Arc<Entry>>,
}

impl From<Rejection> for Denied {
    fn from(rejection: Rejection) -> Self {
        Self { rejection, list: None }
    }
}

impl Lists {
    /// No lists yet. Those that are named are fetched on the current runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub(crate) fn new(places: Places, on_stale: Stale, kit: Kit, settings: Settings) -> Self {
        Self {
            entries: ArcSwap::default(),
            adding: Mutex::new(()),
            overflow: ArcSwapOption::empty(),
            foreign: ArcSwapOption::empty(),
            places,
            on_stale,
            kit: Arc::new(kit),
            settings,
            runtime: Handle::current(),
        }
    }

    /// What is said of a token that names this entry. An unknown list is asked for.
    pub(crate) fn judge(&self, at: &StatusReference, now: Timestamp) -> Result<(), Denied> {
        let entries = self.entries.load();
        let entry = match entries.get(&at.uri).filter(|entry| !entry.is_over()) {
            Some(entry) => entry,
            None => &match self.begin(&at.uri, now)? {
                Some(entry) => entry,
                None => return self.without_a_list(Rejection::UnknownStatus, None),
            },
        };
        entry.name(now);
        let known = entry.refresher().known();
        if known.as_ref().is_some_and(|known| !self.is_fresh(known, now)) {
            Self::catch_up(entry);
        }
        let missing = match &*known {
            Some(known) if self.is_usable(known, now) => {
                return Ok(known.document.judge(at.idx)?);
            }
            Some(_) => Rejection::StaleStatus,
            None => Rejection::UnknownStatus,
        };
        self.without_a_list(missing, Some(entry))
    }

    /// A list that hasn't even been asked for is worth the moment that it takes, whatever the
    /// policy: otherwise a revoked token would be good once for each start of the service.
    fn without_a_list(
        &self,
        rejection: Rejection,
        entry: Option<&Arc<Entry>>,
    ) -> Result<(), Denied> {
        let untried = entry.is_some_and(|entry| entry.refresher().finished() == 0);
        match self.on_stale {
            Stale::GoOn if !untried => Ok(()),
            Stale::GoOn | Stale::Refuse => Err(Denied { rejection, list: entry.cloned() }),
        }
    }

    /// Asks for a list that is too old although nothing failed: timers stand still while the machine
    /// is suspended, and when its clock is set. In an outage they are what is right.
    fn catch_up(entry: &Entry) {
        if entry.refresher().failures() == 0 {
            entry.refresher().ask();
        }
    }

    fn is_usable(&self, known: &Known<List>, now: Timestamp) -> bool {
        let usable = match self.on_stale {
            Stale::Refuse => !self.is_stale(known, now),
            Stale::GoOn => true,
        };
        usable && !known.document.is_expired(self.kit.leeway, now)
    }

    fn is_stale(&self, known: &Known<List>, now: Timestamp) -> bool {
        between(known.confirmed_at, now) > self.kit.max_staleness
    }

    fn is_fresh(&self, known: &Known<List>, now: Timestamp) -> bool {
        !self.is_stale(known, now) && !known.document.is_expired(self.kit.leeway, now)
    }

    /// The address that `uri` is, if lists may come from there.
    pub(crate) fn find(&self, uri: &str) -> Option<Url> {
        self.places.find(uri).map(|found| found.address)
    }

    /// The issuer says which lists it has.
    pub(crate) fn told(&self, uris: &[String]) {
        let now = self.settings.clock.now();
        for uri in uris {
            // What is foreign or too much is said by what refuses it.
            let _ = self.begin(uri, now);
        }
        for (uri, entry) in &**self.entries.load() {
            entry.list(uris.contains(uri));
        }
    }

    /// Waits until every list that is known of has been asked for once, for at most `up_to`.
    pub(crate) async fn wait_for_all(&self, up_to: Duration) {
        let deadline = Instant::now() + up_to;
        let entries = self.entries.load_full();
        for entry in entries.values() {
            let left = deadline.saturating_duration_since(Instant::now());
            entry.refresher().next(0, left).await;
        }
    }

    /// The list of `uri`, which is fetched from now on if it wasn't; `None` if there are too many.
    fn begin(&self, uri: &str, now: Timestamp) -> Result<Option<Arc<Entry>>, Rejection> {
        let Some(place) = self.places.find(uri) else {
            self.note_foreign(uri);
            return Err(Rejection::ForeignStatus);
        };
        // Said before, so that whatever tokens name then is one look and no turn.
        if self.overflow.load().is_some() && is_full(&self.entries.load()) {
            return Ok(None);
        }
        let _turn = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = self.entries.load();
        if let Some(entry) = entries.get(uri).filter(|entry| !entry.is_over()) {
            return Ok(Some(Arc::clone(entry)));
        }
        if is_full(&entries) {
            self.note_overflow(uri);
            return Ok(None);
        }
        self.overflow.store(None);
        let source =
            ListSource { kit: Arc::clone(&self.kit), uri: uri.to_owned(), place, etag: None };
        let entry = Entry::begin(source, self.settings.clone(), &self.runtime, now);
        let entry = Arc::new(entry);
        let alive = entries.iter().filter(|(_, entry)| !entry.is_over());
        let mut entries: HashMap<_, _> =
            alive.map(|(uri, entry)| (uri.clone(), Arc::clone(entry))).collect();
        entries.insert(uri.to_owned(), Arc::clone(&entry));
        self.entries.store(Arc::new(entries));
        Ok(Some(entry))
    }

    fn note_overflow(&self, uri: &str) {
        if self.overflow.load().is_none() {
            let error = RefreshError { url: uri.to_owned(), problem: Problem::TooMany };
            tracing::warn!(error = whole(&error), "a status list is not asked for");
            self.overflow.store(Some(Arc::new(error)));
        }
    }

    fn note_foreign(&self, uri: &str) {
        if self.foreign.load().is_none() {
            let error = RefreshError { url: uri.to_owned(), problem: Problem::Foreign };
            tracing::warn!(error = whole(&error), "a status list is not asked for");
            self.foreign.store(Some(Arc::new(error)));
        }
    }

    pub(crate) fn health(&self, now: Timestamp) -> StatusHealth {
        let mut health =
            StatusHealth { last_error: self.foreign.load_full(), ..StatusHealth::none() };
        for entry in self.entries.load().values().filter(|entry| !entry.is_over()) {
            let known = entry.refresher().known();
            let progress = entry.refresher().progress();
            health.lists += 1;
            health.count(progress.failures, progress.last_error);
            if !known.as_ref().is_some_and(|known| self.is_fresh(known, now)) {
                health.unusable += 1;
            }
            if let Some(at) = known.as_ref().map(|known| known.confirmed_at) {
                health.confirmed_at = Some(health.confirmed_at.map_or(at, |oldest| oldest.min(at)));
            }
        }
        let overflow = self.overflow.load_full().filter(|_| health.lists >= MOST_LISTS);
        health.ready = health.unusable == 0 && overflow.is_none();
        health.last_error = overflow.or(health.last_error);
        health.age = health.confirmed_at.map(|at| between(at, now));
        health
    }
}

fn is_full(entries: &HashMap<String, Arc<Entry>>) -> bool {
    entries.values().filter(|entry| !entry.is_over()).count() >= MOST_LISTS
}
