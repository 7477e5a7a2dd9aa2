//! Traces over OTLP/HTTP: one span per request.
//!
//! The encoding is made here, because a refresh takes 30 µs of CPU time: with the SDK of
//! OpenTelemetry, its span took another 6 µs, most of it for collections of attributes that are
//! copied from form to form. Here the request's thread writes the bytes that are sent, and another
//! thread sends them in batches. The queue between them is bounded, so a collector that is away costs
//! spans and no request.

mod environment;
mod error;
mod export;
mod otlp;

use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aquaware_http::{AnsweredRequest, RequestTracer};

use self::error::TracesError;
use self::export::{Exporter, Queue};

/// The path of traces below the endpoint of a collector.
const PATH: &str = "/v1/traces";

/// The spans of this process that wait. There is one exporter in a process, as there is one log.
static QUEUE: LazyLock<Arc<Queue>> = LazyLock::new(Arc::default);

/// The exporter of this process.
#[derive(Debug)]
pub(crate) struct Traces(Exporter);

impl Traces {
    /// Starts the thread that exports to the collector at `endpoint`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`TracesError`].
    pub(crate) fn start(endpoint: &str) -> Result<Self, TracesError> {
        Exporter::start(&traces_url(endpoint), Arc::clone(&QUEUE)).map(Self)
    }

    /// Sends the last spans, for a bounded time.
    pub(crate) fn stop(self) {
        if !self.0.stop() {
            tracing::warn!("the last spans were not exported: the collector does not answer");
        }
    }
}

/// The URL of traces, whether or not the configured one has the path.
fn traces_url(endpoint: &str) -> String {
    let base = endpoint.trim_end_matches('/');
    if base.ends_with(PATH) { base.to_owned() } else { format!("{base}{PATH}") }
}

/// Makes requests spans of the exporter of this process.
#[derive(Debug)]
pub(crate) struct Tracer(Arc<Queue>);

impl Tracer {
    pub(crate) fn new() -> Self {
        Self(Arc::clone(&QUEUE))
    }
}

impl RequestTracer for Tracer {
    fn answered(&self, request: &AnsweredRequest<'_>) {
        self.0.push(&otlp::span(request, now()));
    }
}

/// The time since the epoch.
#[allow(clippy::disallowed_methods, reason = "no decision depends on the times of a span")]
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_traces_is_added_once() {
        for endpoint in ["http://a:4318", "http://a:4318/", "http://a:4318/v1/traces"] {
            assert_eq!(traces_url(endpoint), "http://a:4318/v1/traces");
        }
        assert_eq!(traces_url("https://a/otlp"), "https://a/otlp/v1/traces");
    }
}
