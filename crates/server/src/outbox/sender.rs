//! The sender: claims what is due and delivers it, several queues at once.
//!
//! Every replica has one. A claim gives an entry to one of them; if that one crashes, the claim ends
//! after [`LEASE`] and another sender tries. An attempt that was confirmed to a process that died
//! before it removed the entry is repeated: a message arrives at least once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aquaware_core::error_chain;
use aquaware_core::outbox::OutboxEntry;
use aquaware_core::store::{Outbox, StoreError};
use aquaware_core::time::{Clock as _, SystemClock};
use aquaware_http::{DeliveryOutcome, Metrics};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::deliver::{Attempt, Deliver};
use super::schedule::next_attempt;

/// How many entries are delivered at once, each of another queue.
const MAX_DELIVERIES: usize = 32;
/// How long a claim lasts. An attempt takes at most a quarter of it.
const LEASE: Duration = Duration::from_secs(60);
/// How often the outbox is searched for what became due, or was appended elsewhere.
const SEARCH_EVERY: Duration = Duration::from_secs(1);
/// How often the entries are counted for the metrics, and up to which number.
const COUNT_EVERY: Duration = Duration::from_secs(15);
const MAX_COUNT: u32 = 100_000;

/// Delivers the entries of an outbox.
#[derive(Debug)]
pub(crate) struct Sender {
    outbox: Arc<dyn Outbox>,
    appended: Arc<Notify>,
    delivery: Arc<Delivery>,
    entries: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Delivery {
    outbox: Arc<dyn Outbox>,
    deliver: Arc<dyn Deliver>,
    metrics: Arc<Metrics>,
    /// Whether the last attempt failed. An outage is logged once, not with each attempt.
    failing: AtomicBool,
}

impl Sender {
    /// A sender that looks for new entries at once when `appended` is notified.
    pub(crate) fn new(
        outbox: Arc<dyn Outbox>,
        appended: Arc<Notify>,
        deliver: Arc<dyn Deliver>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let entries = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&entries);
        metrics.outbox_entries(move || counted.load(Ordering::Relaxed));
        let (failing, store) = (AtomicBool::new(false), Arc::clone(&outbox));
        let delivery = Arc::new(Delivery { outbox: store, deliver, metrics, failing });
        Self { outbox, appended, delivery, entries }
    }

    /// Delivers until the process ends.
    pub(crate) async fn run(self) {
        let mut deliveries = JoinSet::new();
        let (mut counted, mut unavailable) = (None::<Instant>, false);
        loop {
            match self.claim(&mut deliveries).await {
                Ok(()) => unavailable = false,
                Err(error) => {
                    if !unavailable {
                        let cause = error_chain(&error);
                        tracing::warn!(cause, "the outbox cannot be read; trying again");
                    }
                    unavailable = true;
                    sleep(SEARCH_EVERY).await;
                }
            }
            if !unavailable && counted.is_none_or(|at| at.elapsed() >= COUNT_EVERY) {
                counted = Some(Instant::now());
                self.count().await;
            }
            tokio::select! {
                () = self.appended.notified(), if deliveries.len() < MAX_DELIVERIES => {}
                // The next entry of its queue may be due.
                Some(_) = deliveries.join_next() => {}
                () = sleep(SEARCH_EVERY) => {}
            }
        }
    }

    async fn claim(&self, deliveries: &mut JoinSet<()>) -> Result<(), StoreError> {
        let room = MAX_DELIVERIES.saturating_sub(deliveries.len());
        if room == 0 {
            return Ok(());
        }
        let now = SystemClock.now();
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        for entry in self.outbox.claim(now, now.plus(LEASE), room).await? {
            let delivery = Arc::clone(&self.delivery);
            deliveries.spawn(async move { delivery.attempt(&entry).await });
        }
        Ok(())
    }

    async fn count(&self) {
        if let Ok(count) = self.outbox.count(MAX_COUNT).await {
            self.entries.store(count.into(), Ordering::Relaxed);
        }
    }
}

impl Delivery {
    /// Delivers a claimed entry and records the outcome. If that fails, the claim ends after a while,
    /// and the entry is delivered again.
    async fn attempt(&self, entry: &OutboxEntry) {
        let attempt = self.deliver.deliver(entry).await;
        let recorded = match &attempt {
            Attempt::Delivered => self.delivered(entry).await,
            Attempt::Discarded => self.outbox.remove(entry).await,
            Attempt::Failed(cause) => self.failed(entry, cause).await,
        };
        match recorded {
            Ok(true) => {}
            Ok(false) => tracing::debug!(entry = %entry.id, "another sender has this message now"),
            Err(error) => {
                let cause = error_chain(&error);
                tracing::warn!(entry = %entry.id, cause, "the outcome of a delivery was not stored");
            }
        }
    }

    fn count(&self, entry: &OutboxEntry, outcome: DeliveryOutcome) {
        self.metrics.delivery(self.deliver.channel(entry), outcome);
    }

    async fn delivered(&self, entry: &OutboxEntry) -> Result<bool, StoreError> {
        self.count(entry, DeliveryOutcome::Delivered);
        if self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!("deliveries succeed again");
        }
        self.outbox.remove(entry).await
    }

    async fn failed(&self, entry: &OutboxEntry, cause: &str) -> Result<bool, StoreError> {
        let OutboxEntry { id, kind, queue, attempts, .. } = entry;
        let attempts = attempts.saturating_add(1);
        if !self.failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(entry = %id, kind, attempts, cause, "a delivery failed; trying again");
        } else {
            tracing::debug!(entry = %id, kind, attempts, cause, "a delivery failed; trying again");
        }
        match next_attempt(entry, SystemClock.now()) {
            Some(at) => {
                self.count(entry, DeliveryOutcome::Failed);
                self.outbox.retry_at(entry, at, attempts).await
            }
            None => {
                self.count(entry, DeliveryOutcome::Dropped);
                tracing::warn!(entry = %id, kind, queue, attempts, cause, "a message was given up");
                self.outbox.remove(entry).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use aquaware_core::random::SystemRandom;
    use aquaware_core::store::MemoryStore;
    use aquaware_http::Channel;
    use async_trait::async_trait;

    use super::*;

    /// Delivers everything except what is of the queue `bad`; hangs on `stuck`.
    #[derive(Debug, Default)]
    struct Receiver(Mutex<Vec<String>>);

    #[async_trait]
    impl Deliver for Receiver {
        fn channel(&self, _: &OutboxEntry) -> Channel {
            Channel::Webhook
        }

        async fn deliver(&self, entry: &OutboxEntry) -> Attempt {
            match entry.queue.as_str() {
                "bad" => return Attempt::Failed("no".to_owned()),
                "stuck" => std::future::pending().await,
                _ => {}
            }
            self.0.lock().unwrap().push(entry.payload.clone());
            Attempt::Delivered
        }
    }

    async fn append(outbox: &dyn Outbox, queue: &str, payload: &str) {
        let now = SystemClock.now();
        outbox.append(&OutboxEntry::new(queue, "k", payload, now, &SystemRandom)).await.unwrap();
    }

    #[tokio::test]
    async fn queues_are_delivered_in_order_and_do_not_wait_for_those_that_fail_or_hang() {
        let outbox: Arc<dyn Outbox> = Arc::new(MemoryStore::new());
        for (queue, payload) in
            [("stuck", "0"), ("bad", "1"), ("a", "2"), ("bad", "3"), ("a", "4"), ("a", "5")]
        {
            append(&*outbox, queue, payload).await;
        }
        let receiver = Arc::new(Receiver::default());
        let (metrics, appended) = (Arc::default(), Arc::default());
        let sender = Sender::new(Arc::clone(&outbox), appended, receiver.clone(), metrics);
        let running = tokio::spawn(sender.run());
        while receiver.0.lock().unwrap().len() < 3 {
            sleep(Duration::from_millis(5)).await;
        }
        running.abort();
        assert_eq!(*receiver.0.lock().unwrap(), ["2", "4", "5"]);
        assert_eq!(outbox.count(10).await.unwrap(), 3);
        let later = SystemClock.now().plus(Duration::from_secs(6));
        let due = outbox.claim(later, later.plus(LEASE), 10).await.unwrap();
        let found: Vec<_> = due.iter().map(|entry| (&*entry.payload, entry.attempts)).collect();
        assert_eq!(found, [("1", 1)], "five seconds later, the failed message is due");
    }
}
