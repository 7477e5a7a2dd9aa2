//! Documents kept fresh in the background, so that no request ever waits for the network.
//!
//! One task per document fetches it, when its timer fires or when a request asks for it because it
//! met an unknown key. The latter happens no sooner than the cooldown after the last fetch, so that
//! made-up key ids cost the issuer at most one fetch per cooldown. Timers use tokio's clock; the
//! age of a document is measured with the verifier's clock.
//!
//! How a document is fetched and checked is up to its [`Source`].

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aquaware_token::error_chain;
use aquaware_token::random::Random;
use aquaware_token::time::{Clock, Timestamp};
use arc_swap::ArcSwapOption;
use tokio::sync::{Mutex, Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::error::RefreshError;
use crate::schedule::{Schedule, elapsed};

/// Fetches one document.
pub(crate) trait Source: fmt::Debug + Send + 'static {
    /// The document.
    type Document: fmt::Debug + Send + Sync + 'static;

    /// Fetches and checks the document. A response is accepted as a whole or not at all.
    fn fetch(
        &mut self,
        cached: Option<&Cached<Self::Document>>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Fetched<Self::Document>, RefreshError>> + Send;
}

/// The result of a successful fetch.
#[derive(Debug)]
pub(crate) struct Fetched<T> {
    /// The new document; `None` if the cached one is unchanged.
    pub(crate) document: Option<T>,
    /// How long it is fresh.
    pub(crate) lifetime: Duration,
    /// The time that it has already spent in HTTP caches.
    pub(crate) age: Duration,
}

/// A document and the time at which the issuer last confirmed it.
#[derive(Debug)]
pub(crate) struct Cached<T> {
    pub(crate) document: Arc<T>,
    pub(crate) confirmed_at: Timestamp,
}

impl<T> Cached<T> {
    /// The time since the issuer last confirmed the document.
    pub(crate) fn age(&self, now: Timestamp) -> Duration {
        elapsed(self.confirmed_at, now)
    }
}

/// The state of a document's refreshes.
#[derive(Debug)]
pub(crate) struct Progress {
    /// The number of finished fetches, successful or not.
    pub(crate) finished: u64,
    /// Whether a fetch is in flight.
    pub(crate) running: bool,
    /// When the next scheduled fetch begins.
    due: Instant,
    /// When a requested fetch may begin.
    allowed: Instant,
    /// The number of failures since the last success.
    pub(crate) failures: u32,
    /// The last failure, unless a fetch has succeeded since.
    pub(crate) last_error: Option<Arc<RefreshError>>,
}

/// A document and its refreshes, shared by requests and the background task.
#[derive(Debug)]
pub(crate) struct Refresher<S: Source> {
    current: ArcSwapOption<Cached<S::Document>>,
    /// Locked during a fetch, so that there is only one at a time.
    source: Mutex<S>,
    progress: watch::Sender<Progress>,
    requested: AtomicBool,
    wake: Notify,
    options: RefreshOptions,
}

/// The options of a [`Refresher`].
#[derive(Clone, Debug)]
pub(crate) struct RefreshOptions {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) schedule: &'static Schedule,
    pub(crate) cooldown: Duration,
    /// Maximum time between two scheduled fetches.
    pub(crate) max_interval: Duration,
}

/// A refresher and its background task, which is aborted when this is dropped.
#[derive(Debug)]
pub(crate) struct RefreshTask<S: Source> {
    pub(crate) refresher: Arc<Refresher<S>>,
    pub(crate) task: AbortHandle,
}

impl<S: Source> Drop for RefreshTask<S> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<S: Source> Refresher<S> {
    /// A refresher without a document, due immediately.
    pub(crate) fn new(source: S, options: RefreshOptions) -> Self {
        let now = Instant::now();
        let progress = Progress {
            finished: 0,
            running: false,
            due: now,
            allowed: now,
            failures: 0,
            last_error: None,
        };
        Self {
            current: ArcSwapOption::empty(),
            source: Mutex::new(source),
            progress: watch::Sender::new(progress),
            requested: AtomicBool::new(false),
            wake: Notify::new(),
            options,
        }
    }

    /// The current document, if any.
    pub(crate) fn current(&self) -> arc_swap::Guard<Option<Arc<Cached<S::Document>>>> {
        self.current.load()
    }

    /// The state of the refreshes. Must not be held across an `await`, as it locks the state.
    pub(crate) fn progress(&self) -> watch::Ref<'_, Progress> {
        self.progress.borrow()
    }

    /// Requests a fetch from the task without waiting. Does nothing while one is in flight.
    pub(crate) fn request(&self) {
        if !self.progress.borrow().running {
            self.requested.store(true, Ordering::Release);
            self.wake.notify_one();
        }
    }

    /// Waits for at most `up_to` until more than `finished` fetches have finished. Returns
    /// whether that happened, and returns immediately if no fetch can begin in that time.
    pub(crate) async fn wait_for_next(&self, finished: u64, up_to: Duration) -> bool {
        let mut progress = self.progress.subscribe();
        {
            let progress = progress.borrow_and_update();
            let requested = self.requested.load(Ordering::Acquire);
            let begins = if requested { progress.due.min(progress.allowed) } else { progress.due };
            let hopeless = !progress.running && begins > Instant::now() + up_to;
            if hopeless && progress.finished <= finished {
                return false;
            }
        }
        let next = progress.wait_for(|progress| progress.finished > finished);
        matches!(timeout(up_to, next).await, Ok(Ok(_)))
    }

    /// Calls `then` after every successful fetch. Never returns while the refresher exists.
    pub(crate) async fn after_each_success(&self, mut then: impl FnMut()) {
        let mut progress = self.progress.subscribe();
        let mut seen = progress.borrow_and_update().finished;
        while progress.changed().await.is_ok() {
            let (finished, failures) = {
                let progress = progress.borrow_and_update();
                (progress.finished, progress.failures)
            };
            if finished > seen && failures == 0 {
                then();
            }
            seen = finished;
        }
    }

    /// Fetches now, after any fetch that is in flight.
    pub(crate) async fn refresh(&self) -> Result<(), Arc<RefreshError>> {
        let mut source = self.source.lock().await;
        self.progress.send_modify(|progress| progress.running = true);
        self.requested.store(false, Ordering::Release);
        let in_flight = InFlight(self);
        // The response may describe the state at the time of the request, so age counts from here.
        let (begun, now) = (Instant::now(), self.options.clock.now());
        let cached = self.current.load_full();
        let outcome = match source.fetch(cached.as_deref(), now).await {
            Ok(fetched) => {
                let lifetime = fetched.lifetime;
                self.store(fetched, cached, now);
                Ok(lifetime)
            }
            Err(error) => Err(Arc::new(error)),
        };
        in_flight.finish(begun, outcome)
    }

    fn store(
        &self,
        Fetched { document, age, .. }: Fetched<S::Document>,
        cached: Option<Arc<Cached<S::Document>>>,
        now: Timestamp,
    ) {
        let before = cached.as_ref().map(|cached| cached.confirmed_at);
        let document = document.map(Arc::new).or(cached.map(|it| Arc::clone(&it.document)));
        // An older response from an HTTP cache does not undo a confirmation. A confirmation in the
        // future is cut to now: the clock was ahead and has been corrected.
        let confirmed_at = now.minus(age);
        let confirmed_at = before.map_or(confirmed_at, |before| confirmed_at.max(before.min(now)));
        self.current.store(document.map(|document| Arc::new(Cached { document, confirmed_at })));
    }

    fn record(&self, begun: Instant, outcome: &Result<Duration, Arc<RefreshError>>) {
        let RefreshOptions { random, schedule, cooldown, max_interval, .. } = &self.options;
        let now = Instant::now();
        self.progress.send_modify(|progress| {
            progress.running = false;
            progress.finished += 1;
            progress.allowed = now + *cooldown;
            match outcome {
                Ok(lifetime) => {
                    progress.failures = 0;
                    progress.last_error = None;
                    let wait = schedule.refresh_in((*lifetime).min(*max_interval), &**random);
                    progress.due = (begun + wait).max(now + schedule.min_interval());
                }
                Err(error) => {
                    progress.failures = progress.failures.saturating_add(1);
                    progress.last_error = Some(Arc::clone(error));
                    progress.due = now + schedule.retry_in(progress.failures, &**random);
                }
            }
        });
    }

    /// Fetches whenever it is due or requested. Never returns.
    pub(crate) async fn run(&self) {
        loop {
            let due = self.progress.borrow().due;
            if Instant::now() < due {
                if timeout_at(due, self.wake.notified()).await.is_ok() {
                    self.cool_down().await;
                }
                // `Verifier::refresh` may have fetched in the meantime.
                if !self.is_wanted() {
                    continue;
                }
            }
            // A failure is recorded in the progress and logged.
            let _ = self.refresh().await;
        }
    }

    async fn cool_down(&self) {
        loop {
            let begins = {
                let progress = self.progress();
                progress.allowed.min(progress.due)
            };
            if Instant::now() >= begins {
                return;
            }
            sleep_until(begins).await;
        }
    }

    fn is_wanted(&self) -> bool {
        self.requested.load(Ordering::Acquire) || Instant::now() >= self.progress.borrow().due
    }
}

/// A fetch in flight. If its future is dropped before it finishes, it is not counted.
struct InFlight<'a, S: Source>(&'a Refresher<S>);

impl<S: Source> InFlight<'_, S> {
    fn finish(
        self,
        begun: Instant,
        outcome: Result<Duration, Arc<RefreshError>>,
    ) -> Result<(), Arc<RefreshError>> {
        self.0.record(begun, &outcome);
        if let Err(error) = &outcome {
            let failures = self.0.progress.borrow().failures;
            // At 1, 2, 4, 8, … failures, so that a day's outage of hundreds of lists does not
            // flood the log.
            if failures.is_power_of_two() {
                tracing::warn!(failures, error = error_chain(&**error), "refresh failed");
            }
        }
        outcome.map(|_| ())
    }
}

impl<S: Source> Drop for InFlight<'_, S> {
    fn drop(&mut self) {
        self.0.progress.send_if_modified(|progress| std::mem::take(&mut progress.running));
    }
}
