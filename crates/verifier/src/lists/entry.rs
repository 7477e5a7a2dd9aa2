//! A status list with the task that keeps it fresh, for as long as somebody names it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use aquaware_token::time::{Clock, Timestamp};
use tokio::runtime::Handle;

use super::source::{ListSource, waits_for_key};
use crate::origin::Origin;
use crate::refresh::{Kept, Refresher, Settings};
use crate::verifier::between;

/// How long a list is fetched although no good token names it. Longer than tokens usually live.
pub(crate) const IDLE: Duration = Duration::from_secs(3600);
/// The same for a list that can't be fetched any more: what it said last can't be had again, so it
/// outlasts most outages. Not all, or lists that are gone for good would take the room of others.
const IDLE_IN_AN_OUTAGE: Duration = Duration::from_secs(86_400);
/// How exactly it is known when a token last named it, and how often that is looked at.
const GRAIN: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Entry {
    kept: Kept<ListSource>,
    usage: Arc<Usage>,
}

/// Who wants a list.
#[derive(Debug)]
struct Usage {
    /// When a good token last named it, in milliseconds.
    named_at: AtomicI64,
    /// Whether the issuer says that it is one of its lists.
    listed: AtomicBool,
}

impl Entry {
    /// Begins to fetch at once.
    pub(crate) fn begin(
        source: ListSource,
        settings: Settings,
        runtime: &Handle,
        now: Timestamp,
    ) -> Self {
        let keys = Arc::clone(&source.kit.keys);
        let clock = Arc::clone(&settings.clock);
        let refresher = Arc::new(Refresher::new(source, settings));
        let named_at = AtomicI64::new(now.millis());
        let usage = Arc::new(Usage { named_at, listed: AtomicBool::new(false) });
        let task = keep(Arc::clone(&refresher), keys, Arc::clone(&usage), clock);
        let task = runtime.spawn(task).abort_handle();
        Self { kept: Kept { refresher, task }, usage }
    }

    pub(crate) const fn refresher(&self) -> &Arc<Refresher<ListSource>> {
        &self.kept.refresher
    }

    /// A good token named it. Written once a minute, so that threads don't fight for the place.
    pub(crate) fn name(&self, now: Timestamp) {
        let named_at = &self.usage.named_at;
        let before = Timestamp::from_millis(named_at.load(Ordering::Relaxed));
        if between(before, now) >= GRAIN {
            named_at.store(now.millis(), Ordering::Relaxed);
        }
    }

    /// The issuer says whether it is one of its lists.
    pub(crate) fn list(&self, listed: bool) {
        self.usage.listed.store(listed, Ordering::Relaxed);
    }

    /// Whether nobody wanted it for so long that it isn't fetched any more.
    pub(crate) fn is_over(&self) -> bool {
        self.kept.task.is_finished()
    }
}

impl Usage {
    async fn wait_for_idleness(&self, list: &Refresher<ListSource>, clock: &dyn Clock) {
        loop {
            tokio::time::sleep(GRAIN).await;
            let named_at = Timestamp::from_millis(self.named_at.load(Ordering::Relaxed));
            let in_an_outage = list.failures() > 0 && list.known().is_some();
            let longest = if in_an_outage { IDLE_IN_AN_OUTAGE } else { IDLE };
            let idle = between(named_at, clock.now()) >= longest;
            if idle && !self.listed.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

async fn keep(
    list: Arc<Refresher<ListSource>>,
    keys: Arc<Refresher<Origin>>,
    usage: Arc<Usage>,
    clock: Arc<dyn Clock>,
) {
    let with_new_keys = || {
        if waits_for_key(&list) {
            list.ask();
        }
    };
    tokio::select! {
        // First, so that no keys come unseen.
        biased;
        () = keys.follow(with_new_keys) => {}
        () = usage.wait_for_idleness(&list, &*clock) => {}
        () = list.run() => {}
    }
}
