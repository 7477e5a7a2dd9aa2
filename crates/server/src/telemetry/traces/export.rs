//! The queue of spans, and the thread that sends them in batches.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use aquaware_core::error_chain;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use thiserror::Error;
use tokio::runtime::Runtime;

use super::environment;
use super::error::TracesError;
use super::otlp;

/// A batch is sent when so many spans wait, or so much time has passed.
const BATCH: usize = 512;
const INTERVAL: Duration = Duration::from_secs(5);
/// The maximum number of spans that wait; further ones are dropped.
const MAX_WAITING: usize = 2048;
/// How long one export may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the end of the process waits for the last batch.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(1500);
/// What is read of a response, so that its connection can be used again.
const MAX_RESPONSE_BYTES: usize = 16 * 1024;

/// Encoded spans.
#[derive(Debug, Default)]
struct Batch {
    spans: Vec<u8>,
    count: usize,
}

/// The spans that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Batch>,
    /// Notified when a batch is complete, and at the end.
    ready: Condvar,
    is_ending: AtomicBool,
}

impl Queue {
    /// Adds an encoded span, or drops it if too many wait.
    pub(super) fn push(&self, span: &[u8]) {
        let mut waiting = self.lock();
        if waiting.count == MAX_WAITING {
            return;
        }
        waiting.spans.extend_from_slice(span);
        waiting.count += 1;
        if waiting.count == BATCH {
            drop(waiting);
            self.ready.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Batch> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a batch. `None` at the end, when no span is left.
    fn next(&self) -> Option<Batch> {
        loop {
            let is_waiting = |waiting: &mut Batch| {
                waiting.count < BATCH && !self.is_ending.load(Ordering::Acquire)
            };
            let waited = self.ready.wait_timeout_while(self.lock(), INTERVAL, is_waiting);
            let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if waiting.count > 0 {
                // The next batch is probably as long as this one.
                let spans = Vec::with_capacity(waiting.spans.len());
                return Some(std::mem::replace(&mut *waiting, Batch { spans, count: 0 }));
            }
            if self.is_ending.load(Ordering::Acquire) {
                return None;
            }
        }
    }

    fn end(&self) {
        // Under the lock: the thread must not check the flag before, and wait after this.
        let waiting = self.lock();
        self.is_ending.store(true, Ordering::Release);
        drop(waiting);
        self.ready.notify_one();
    }
}

/// The thread that sends spans.
#[derive(Debug)]
pub(super) struct Exporter {
    queue: Arc<Queue>,
    /// Closed when the last spans were sent.
    ended: Receiver<()>,
}

/// Why spans were not exported. The texts contain no URL, because a URL can be a secret.
#[derive(Debug, Error)]
enum ExportError {
    #[error("the collector could not be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("the collector answered {0}")]
    Status(StatusCode),
}

impl Exporter {
    pub(super) fn start(url: &str, queue: Arc<Queue>) -> Result<Self, TracesError> {
        let mut headers = environment::headers()?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let attributes = environment::attributes()?;
        let collector = Collector::new(url, headers)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(TracesError::Thread)?;
        let (running, ended) = mpsc::channel();
        let spans = Arc::clone(&queue);
        let work = move || {
            send_all(&spans, &collector, &attributes, &runtime);
            drop(running);
        };
        let _ = thread::Builder::new()
            .name("traces".to_owned())
            .spawn(work)
            .map_err(TracesError::Thread)?;
        Ok(Self { queue, ended })
    }

    /// Sends the last spans, for a bounded time. Returns whether they were sent.
    pub(super) fn stop(self) -> bool {
        self.queue.end();
        self.ended.recv_timeout(FLUSH_TIMEOUT) == Err(mpsc::RecvTimeoutError::Disconnected)
    }
}

/// Sends batches until the end. A failure is logged once, until an export succeeds again.
fn send_all(
    queue: &Queue,
    collector: &Collector,
    attributes: &[(String, String)],
    runtime: &Runtime,
) {
    let mut is_failing = false;
    while let Some(batch) = queue.next() {
        let sent = runtime.block_on(collector.send(otlp::request(&batch.spans, attributes)));
        if let (Err(error), false) = (&sent, is_failing) {
            tracing::warn!(cause = error_chain(error), "traces could not be exported");
        }
        is_failing = sent.is_err();
    }
}

#[derive(Debug)]
struct Collector {
    client: reqwest::Client,
    url: String,
    headers: HeaderMap,
}

impl Collector {
    fn new(url: &str, headers: HeaderMap) -> Result<Self, TracesError> {
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .timeout(EXPORT_TIMEOUT)
            .user_agent(concat!("aquaware/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(TracesError::Client)?;
        Ok(Self { client, url: url.to_owned(), headers })
    }

    async fn send(&self, body: Vec<u8>) -> Result<(), ExportError> {
        let request = self.client.post(&self.url).headers(self.headers.clone()).body(body);
        let response = request.send().await;
        let mut response =
            response.map_err(|error| ExportError::Unreachable(error.without_url()))?;
        let status = response.status();
        if !status.is_success() {
            return Err(ExportError::Status(status));
        }
        let mut read = 0;
        while let Ok(Some(chunk)) = response.chunk().await {
            read += chunk.len();
            if read > MAX_RESPONSE_BYTES {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complete_batch_is_taken_at_once_and_the_rest_at_the_end() {
        let queue = Queue::default();
        (0..BATCH).for_each(|_| queue.push(b"ab"));
        let batch = queue.next().unwrap();
        assert_eq!((batch.count, batch.spans.len()), (BATCH, 2 * BATCH));
        queue.push(b"last");
        queue.end();
        assert_eq!(queue.next().unwrap().spans, b"last");
        assert!(queue.next().is_none());
    }

    #[test]
    fn spans_beyond_the_limit_are_dropped() {
        let queue = Queue::default();
        (0..MAX_WAITING).for_each(|_| queue.push(b"a"));
        (0..10).for_each(|_| queue.push(b"b"));
        let batch = queue.next().unwrap();
        assert_eq!((batch.count, batch.spans), (MAX_WAITING, vec![b'a'; MAX_WAITING]));
    }
}
