//! A cached status list and the task that keeps it fresh as long as it is in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use aquaware_token::time::{Clock, Timestamp};
use tokio::runtime::Handle;

use super::source::{ListSource, waits_for_key};
use crate::key_source::KeySource;
use crate::refresh::{RefreshOptions, RefreshTask, Refresher};
use crate::schedule::elapsed;

/// How long a list is kept after a valid token last named it: longer than access tokens usually
/// live.
const MAX_IDLE: Duration = Duration::from_secs(3600);
/// The same for a list that can no longer be fetched. Its content cannot be recovered, so it is
/// kept through most outages; but not for ever, or removed lists would fill the cache.
const MAX_IDLE_IN_OUTAGE: Duration = Duration::from_secs(86_400);
/// Resolution of the time of last use, and the interval at which it is checked.
const USE_RESOLUTION: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct ListEntry {
    task: RefreshTask<ListSource>,
    usage: Arc<Usage>,
}

/// Why a list is kept.
#[derive(Debug)]
struct Usage {
    /// When a valid token last named it, in milliseconds.
    used_at: AtomicI64,
    /// Whether the issuer's aggregation contains it.
    aggregated: AtomicBool,
}

impl ListEntry {
    /// Starts the task, which fetches the list immediately.
    pub(crate) fn start(
        source: ListSource,
        options: RefreshOptions,
        runtime: &Handle,
        now: Timestamp,
    ) -> Self {
        let keys = Arc::clone(&source.context.keys);
        let clock = Arc::clone(&options.clock);
        let refresher = Arc::new(Refresher::new(source, options));
        let used_at = AtomicI64::new(now.millis());
        let usage = Arc::new(Usage { used_at, aggregated: AtomicBool::new(false) });
        let task = run(Arc::clone(&refresher), keys, Arc::clone(&usage), clock);
        let task = runtime.spawn(task).abort_handle();
        Self { task: RefreshTask { refresher, task }, usage }
    }

    pub(crate) const fn refresher(&self) -> &Arc<Refresher<ListSource>> {
        &self.task.refresher
    }

    /// Records that a valid token named the list. Writes at most once a minute, so that threads do
    /// not contend for the cache line.
    pub(crate) fn record_use(&self, now: Timestamp) {
        let used_at = &self.usage.used_at;
        let before = Timestamp::from_millis(used_at.load(Ordering::Relaxed));
        if elapsed(before, now) >= USE_RESOLUTION {
            used_at.store(now.millis(), Ordering::Relaxed);
        }
    }

    /// Records whether the issuer's aggregation contains the list.
    pub(crate) fn set_aggregated(&self, aggregated: bool) {
        self.usage.aggregated.store(aggregated, Ordering::Relaxed);
    }

    /// Whether its task has ended because the list was idle for too long.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.task.task.is_finished()
    }
}

impl Usage {
    async fn wait_until_idle(&self, list: &Refresher<ListSource>, clock: &dyn Clock) {
        loop {
            tokio::time::sleep(USE_RESOLUTION).await;
            let used_at = Timestamp::from_millis(self.used_at.load(Ordering::Relaxed));
            let in_outage = list.progress().failures > 0 && list.current().is_some();
            let max_idle = if in_outage { MAX_IDLE_IN_OUTAGE } else { MAX_IDLE };
            let idle = elapsed(used_at, clock.now()) >= max_idle;
            if idle && !self.aggregated.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

async fn run(
    list: Arc<Refresher<ListSource>>,
    keys: Arc<Refresher<KeySource>>,
    usage: Arc<Usage>,
    clock: Arc<dyn Clock>,
) {
    let with_new_keys = || {
        if waits_for_key(&list) {
            list.request();
        }
    };
    tokio::select! {
        // In this order, so that the subscription to new keys exists before the first fetch of the
        // list can fail for want of one.
        biased;
        () = keys.after_each_success(with_new_keys) => {}
        () = usage.wait_until_idle(&list, &*clock) => {}
        () = list.run() => {}
    }
}
