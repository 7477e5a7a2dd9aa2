//! Keys kept fresh in the background, so that no request ever waits for the network.
//!
//! One task fetches. It is woken by its timer, or by a request that met an unknown key; the latter
//! no sooner than the cooldown after the last fetch, so that made-up names cost the issuer at most
//! one fetch per cooldown, however many come. Timers run on tokio's clock; how old keys are is
//! read off the verifier's.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aquaware_core::jwt::KeySet;
use aquaware_core::random::Random;
use aquaware_core::time::{Clock, Timestamp};
use arc_swap::ArcSwapOption;
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::error::RefreshError;
use crate::freshness;
use crate::origin::Origin;

/// Keys, and when the issuer last said that they are its keys.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) keys: Arc<KeySet>,
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
    /// When one may begin because a request asks for it.
    allowed: Instant,
    /// Failures since the last success.
    pub(crate) failures: u32,
    /// What the last failure was, if nothing succeeded since.
    pub(crate) last_error: Option<Arc<RefreshError>>,
}

/// What requests and the background task share.
#[derive(Debug)]
pub(crate) struct Refresher {
    current: ArcSwapOption<Known>,
    /// Locked while a fetch is in flight, so that there is only ever one.
    origin: Mutex<Origin>,
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
    pub(crate) cooldown: Duration,
    /// The longest that a set is kept without asking again.
    pub(crate) longest: Duration,
}

impl Refresher {
    /// A refresher without keys, due at once.
    pub(crate) fn new(origin: Origin, settings: Settings) -> Self {
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
            origin: Mutex::new(origin),
            progress: watch::Sender::new(progress),
            asked: AtomicBool::new(false),
            wake: Notify::new(),
            settings,
        }
    }

    /// The keys as they are now, if there are any.
    pub(crate) fn known(&self) -> arc_swap::Guard<Option<Arc<Known>>> {
        self.current.load()
    }

    /// How the fetching goes.
    pub(crate) fn progress(&self) -> Progress {
        self.progress.borrow().clone()
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
            let begins = progress.due.min(progress.allowed);
            let hopeless = !progress.running && begins > Instant::now() + up_to;
            if hopeless && progress.finished <= finished {
                return false;
            }
        }
        let ended = watching.wait_for(|progress| progress.finished > finished);
        matches!(timeout(up_to, ended).await, Ok(Ok(_)))
    }

    /// Fetches now, after one that may be in flight.
    pub(crate) async fn refresh(&self) -> Result<(), Arc<RefreshError>> {
        let mut origin = self.origin.lock().await;
        self.asked.store(false, Ordering::Release);
        self.progress.send_modify(|progress| progress.running = true);
        let running = Running(self);
        let fetched = origin.fetch().await;
        let outcome = match fetched {
            Ok(fetched) => {
                let known = self.current.load_full();
                let keys = fetched.keys.map(Arc::new).or(known.map(|known| known.keys.clone()));
                let confirmed_at = self.settings.clock.now();
                self.current.store(keys.map(|keys| Arc::new(Known { keys, confirmed_at })));
                Ok(fetched.lifetime)
            }
            Err(error) => Err(Arc::new(error)),
        };
        running.finish(outcome)
    }

    fn record(&self, outcome: &Result<Duration, Arc<RefreshError>>) {
        let Settings { random, cooldown, longest, .. } = &self.settings;
        let now = Instant::now();
        self.progress.send_modify(|progress| {
            progress.running = false;
            progress.finished += 1;
            progress.allowed = now + *cooldown;
            match outcome {
                Ok(lifetime) => {
                    progress.failures = 0;
                    progress.last_error = None;
                    let lifetime = (*lifetime).min(*longest);
                    progress.due = now + freshness::refresh_in(lifetime, &**random);
                }
                Err(error) => {
                    progress.failures = progress.failures.saturating_add(1);
                    progress.last_error = Some(Arc::clone(error));
                    progress.due = now + freshness::retry_in(progress.failures, &**random);
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
struct Running<'a>(&'a Refresher);

impl Running<'_> {
    fn finish(self, outcome: Result<Duration, Arc<RefreshError>>) -> Result<(), Arc<RefreshError>> {
        self.0.record(&outcome);
        if let Err(error) = &outcome {
            tracing::warn!(error = whole(&**error), "the keys could not be refreshed");
        }
        outcome.map(|_| ())
    }
}

/// An error and what caused it, in one line.
fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.progress.send_if_modified(|progress| std::mem::take(&mut progress.running));
    }
}
