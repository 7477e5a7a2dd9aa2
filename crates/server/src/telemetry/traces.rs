//! Traces over OTLP/HTTP: one span per request, which continues the trace of an incoming
//! `traceparent`.
//!
//! The spans and their encoding are made here, because a refresh takes 30 µs of CPU time: with the
//! SDK of OpenTelemetry, its span took another 6 µs, most of it for collections of attributes that
//! are copied from form to form. A span here has one fixed form, from which it is encoded once, in a
//! thread that sends batches. The queue before it is bounded, so a collector that is away costs spans
//! and no request.

mod context;
mod environment;
mod error;
mod export;
mod otlp;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::http::header::HeaderMap;
use aquaware_http::{RequestTrace, RequestTracer};

use self::context::Parent;
use self::error::TracesError;
use self::export::{Exporter, Queue};
use self::otlp::Span;

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
    fn begin(&self, method: &'static str, headers: &HeaderMap) -> Box<dyn RequestTrace> {
        let parent = Parent::of(headers);
        let [high, middle, low] = ids();
        let own = (u128::from(high) << 64) | u128::from(middle);
        let trace_id = parent.as_ref().map_or(own.max(1), |parent| parent.trace_id);
        // The decision of the caller is followed; a trace that begins here is exported.
        let is_exported = parent.as_ref().is_none_or(|parent| parent.is_sampled);
        let span = Span {
            trace_id,
            id: low.max(1),
            parent: parent.as_ref().map(|parent| parent.span_id),
            state: parent.and_then(|parent| parent.state),
            method,
            route: String::new(),
            status: 0,
            start: now(),
            end: 0,
        };
        Box::new(Request { span, queue: is_exported.then(|| Arc::clone(&self.0)) })
    }
}

/// Two numbers for a new trace, and one for the span. Ids are no secrets: the keys of the standard
/// library's hash maps, random and different in each, are enough and cost no call of the system.
fn ids() -> [u64; 3] {
    let keys = RandomState::new();
    [0, 1, 2].map(|number| keys.hash_one(number))
}

/// Nanoseconds since the epoch.
#[allow(clippy::disallowed_methods, reason = "no decision depends on the times of a span")]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

struct Request {
    span: Span,
    /// The queue, if the span is exported.
    queue: Option<Arc<Queue>>,
}

impl RequestTrace for Request {
    fn trace_id(&self) -> String {
        format!("{:032x}", self.span.trace_id)
    }

    fn answered(self: Box<Self>, route: &str, status: u16) {
        let Self { span, queue } = *self;
        if let Some(queue) = queue {
            let end = now().max(span.start);
            queue.push(Span { route: route.to_owned(), status, end, ..span });
        }
    }
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

    #[test]
    fn ids_do_not_repeat() {
        let all: std::collections::HashSet<u64> = (0..10_000).flat_map(|_| ids()).collect();
        assert_eq!(all.len(), 30_000);
    }
}
