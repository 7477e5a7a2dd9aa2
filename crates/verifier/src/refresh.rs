//! Documents kept fresh in the background, so that no request ever waits for the network.
//!
//! One task per document fetches. It is woken by its timer, or because somebody asks, as a request
//! that met an unknown key does; the latter no sooner than the cooldown after the last fetch, so
//! that made-up names cost the issuer at most one fetch per cooldown, however many come. Timers run
//! on tokio's clock; how old a document is is read off the verifier's.
//!
//! What is fetched, and what makes it good, is its [`Source`]'s affair.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aquaware_token::random::Random;
use aquaware_token::time::{Clock, Timestamp};
use arc_swap::ArcSwapOption;
use tokio::sync::{Mutex, Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::error::{RefreshError, whole};
use crate::freshness::Pace;

/// Where a document comes from.
pub(crate) trait Source: fmt::Debug + Send + 'static {
    /// What is kept.
    type Document: fmt::Debug + Send + Sync + 'static;

    /// Fetches and judges the document, of which `known` is in hand. An answer is taken as a whole
    /// or not at all.
    fn fetch(
        &mut self,
        known: Option<&Known<Self::Document>>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Fetched<Self::Document>, RefreshError>> + Send;
}

/// What a fetch brought.
#[derive(Debug)]
pub(crate) struct Fetched<T> {
    /// The new document; `None` when the one in hand is still the right one.
    pub(crate) document: Option<T>,
    /// For how long it is fresh.
    pub(crate) lifetime: Duration,
    /// How long before the fetch the issuer gave it away, to a cache on the way.
    pub(crate) age: Duration,
}

/// A document, and when the issuer last said that it is the right one.
#[derive(Debug)]
pub(crate) struct Known<T> {
    pub(crate) document: Arc<T>,
    pub(crate) confirmed_at: Timestamp,
}

/// How the fetching goes.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    /// Fetches that ended, well or badly.
    pub(crate) finished: u64,
    /// Whether one is in flight.
    pub(crate) running: bool,
    /// When the next one begins by itself.
    due: Instant,
    /// When one may begin because somebody asks for it.
    allowed: Instant,
    /// Failures since the last success.
    pub(crate) failures: u32,
    /// What the last failure was, if nothing succeeded since.
    pub(crate) last_error: Option<Arc<RefreshError>>,
}

/// What requests and the background task share.
#[derive(Debug)]
pub(crate) struct Refresher<S: Source> {
    current: ArcSwapOption<Known<S::Document>>,
    /// Locked while a fetch is in flight, so that there is only ever one.
    source: Mutex<S>,
    progress: watch::Sender<Progress>,
    asked: AtomicBool,
    wake: Notify,
    settings: Settings,
}

/// How a [`Refresher`] behaves.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) pace: &'static Pace,
    pub(crate) cooldown: Duration,
    /// The longest that a document is kept without asking again.
    pub(crate) longest: Duration,
}

/// A refresher with the task that keeps its document fresh, which ends with this.
#[derive(Debug)]
pub(crate) struct Kept<S: Source> {
    pub(crate) refresher: Arc<Refresher<S>>,
    pub(crate) task: AbortHandle,
}

impl<S: Source> Drop for Kept<S> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<S: Source> Refresher<S> {
    /// A refresher without a document, due at once.
    pub(crate) fn new(source: S, settings: Settings) -> Self {
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
            asked: AtomicBool::new(false),
            wake: Notify::new(),
            settings,
        }
    }

    /// The document as it is now, if there is one.
    pub(crate) fn known(&self) -> arc_swap::Guard<Option<Arc<Known<S::Document>>>> {
        self.current.load()
    }

    /// How the fetching goes.
    pub(crate) fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// How many fetches have ended, well or badly.
    pub(crate) fn finished(&self) -> u64 {
        self.progress.borrow().finished
    }

    /// How many fetches have failed since the last that didn't.
    pub(crate) fn failures(&self) -> u32 {
        self.progress.borrow().failures
    }

    /// Asks the task for a fetch. Costs nothing and waits for nothing; one in flight will do.
    pub(crate) fn ask(&self) {
        if !self.progress.borrow().running {
            self.asked.store(true, Ordering::Release);
            self.wake.notify_one();
        }
    }

    /// Waits until more than `finished` fetches have ended, for at most `up_to`. Doesn't wait at
    /// all when no fetch can begin in that time. Tells whether one has ended.
    pub(crate) async fn next(&self, finished: u64, up_to: Duration) -> bool {
        let mut watching = self.progress.subscribe();
        {
            let progress = watching.borrow_and_update();
            let asked = self.asked.load(Ordering::Acquire);
            let begins = if asked { progress.due.min(progress.allowed) } else { progress.due };
            let hopeless = !progress.running && begins > Instant::now() + up_to;
            if hopeless && progress.finished <= finished {
                return false;
            }
        }
        let ended = watching.wait_for(|progress| progress.finished > finished);
        matches!(timeout(up_to, ended).await, Ok(Ok(_)))
    }

    /// Calls `then` whenever a fetch has ended well, for ever.
    pub(crate) async fn follow(&self, mut then: impl FnMut()) {
        let mut watching = self.progress.subscribe();
        let mut seen = watching.borrow_and_update().finished;
        while watching.changed().await.is_ok() {
            let (finished, failures) = {
                let progress = watching.borrow_and_update();
                (progress.finished, progress.failures)
            };
            if finished > seen && failures == 0 {
                then();
            }
            seen = finished;
        }
    }

    /// Fetches now, after one that may be in flight.
    pub(crate) async fn refresh(&self) -> Result<(), Arc<RefreshError>> {
        let mut source = self.source.lock().await;
        self.progress.send_modify(|progress| progress.running = true);
        self.asked.store(false, Ordering::Release);
        let running = Running(self);
        // What the issuer says may be as old as the question, so time counts from there.
        let (begun, now) = (Instant::now(), self.settings.clock.now());
        let known = self.current.load_full();
        let outcome = match source.fetch(known.as_deref(), now).await {
            Ok(fetched) => {
                let lifetime = fetched.lifetime;
                self.take(fetched, known, now);
                Ok(lifetime)
            }
            Err(error) => Err(Arc::new(error)),
        };
        running.finish(begun, outcome)
    }

    fn take(
        &self,
        Fetched { document, age, .. }: Fetched<S::Document>,
        known: Option<Arc<Known<S::Document>>>,
        now: Timestamp,
    ) {
        let before = known.as_ref().map(|known| known.confirmed_at);
        let document = document.map(Arc::new).or(known.map(|known| Arc::clone(&known.document)));
        // What was confirmed stays so, even if a cache gives an older answer; but what a clock said
        // that was ahead is over once it was set.
        let confirmed_at = now.minus(age);
        let confirmed_at = before.map_or(confirmed_at, |before| confirmed_at.max(before.min(now)));
        self.current.store(document.map(|document| Arc::new(Known { document, confirmed_at })));
    }

    fn record(&self, begun: Instant, outcome: &Result<Duration, Arc<RefreshError>>) {
        let Settings { random, pace, cooldown, longest, .. } = &self.settings;
        let now = Instant::now();
        self.progress.send_modify(|progress| {
            progress.running = false;
            progress.finished += 1;
            progress.allowed = now + *cooldown;
            match outcome {
                Ok(lifetime) => {
                    progress.failures = 0;
                    progress.last_error = None;
                    let due = begun + pace.refresh_in((*lifetime).min(*longest), &**random);
                    progress.due = due.max(now + pace.least());
                }
                Err(error) => {
                    progress.failures = progress.failures.saturating_add(1);
                    progress.last_error = Some(Arc::clone(error));
                    progress.due = now + pace.retry_in(progress.failures, &**random);
                }
            }
        });
    }

    /// Fetches whenever it is time, for ever.
    pub(crate) async fn run(&self) {
        loop {
            let due = self.progress.borrow().due;
            if Instant::now() < due {
                if timeout_at(due, self.wake.notified()).await.is_ok() {
                    self.cool_down().await;
                }
                // Somebody else may have fetched meanwhile: look again.
                if !self.is_wanted() {
                    continue;
                }
            }
            // The failure is in the progress, for whoever asks, and in the log.
            let _ = self.refresh().await;
        }
    }

    async fn cool_down(&self) {
        loop {
            let progress = self.progress();
            let begins = progress.allowed.min(progress.due);
            if Instant::now() >= begins {
                return;
            }
            sleep_until(begins).await;
        }
    }

    fn is_wanted(&self) -> bool {
        self.asked.load(Ordering::Acquire) || Instant::now() >= self.progress.borrow().due
    }
}

/// A fetch in flight. When its future is dropped half-way it counts as neither.
struct Running<'a, S: Source>(&'a Refresher<S>);

impl<S: Source> Running<'_, S> {
    fn finish(
        self,
        begun: Instant,
        outcome: Result<Duration, Arc<RefreshError>>,
    ) -> Result<(), Arc<RefreshError>> {
        self.0.record(begun, &outcome);
        if let Err(error) = &outcome {
            let failures = self.0.progress.borrow().failures;
            // Rarer and rarer: an outage of a day, with hundreds of lists, is no news any more.
            if failures.is_power_of_two() {
                tracing::warn!(failures, error = whole(&**error), "a refresh failed");
            }
        }
        outcome.map(|_| ())
    }
}

impl<S: Source> Drop for Running<'_, S> {
    fn drop(&mut self) {
        self.0.progress.send_if_modified(|progress| std::mem::take(&mut progress.running));
    }
}
