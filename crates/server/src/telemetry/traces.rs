//! Traces over OTLP/HTTP: one span per request, which continues the trace of an incoming
//! `traceparent`.
//!
//! The spans are made here and not from those of `tracing`: they contain what is set here and no log
//! line, and they cost a fraction. A thread of the exporter sends them in batches. Its queue is
//! bounded, so a collector that is away costs spans and no request.

use std::time::Duration;

use actix_web::http::header::HeaderMap;
use aquaware_http::{RequestTrace, RequestTracer};
use opentelemetry::global::{self, BoxedSpan, BoxedTracer};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{Span as _, SpanKind, Status, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;

/// How long one export may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the end of the process waits for the last batch.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(1500);
/// The path of traces below the endpoint of a collector.
const PATH: &str = "/v1/traces";

/// The exporter of this process.
#[derive(Debug)]
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts the thread that exports to the collector at `endpoint`. Nothing is sent yet.
    ///
    /// # Errors
    /// If the HTTP client cannot be set up.
    pub(crate) fn start(endpoint: &str) -> Result<Self, ExporterBuildError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(traces_url(endpoint))
            .with_timeout(EXPORT_TIMEOUT)
            .build()?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource =
            Resource::builder().with_service_name("aquaware").with_attribute(version).build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        global::set_tracer_provider(provider.clone());
        Ok(Self(provider))
    }

    /// Sends the last spans, for a bounded time.
    pub(crate) fn stop(self) {
        if self.0.shutdown_with_timeout(FLUSH_TIMEOUT).is_err() {
            tracing::warn!("the last spans were not exported: the collector does not answer");
        }
    }
}

/// The URL of traces, whether or not the configured one has the path.
fn traces_url(endpoint: &str) -> String {
    let base = endpoint.trim_end_matches('/');
    if base.ends_with(PATH) { base.to_owned() } else { format!("{base}{PATH}") }
}

/// Makes requests spans of the exporter that was started before.
#[derive(Debug)]
pub(crate) struct Tracer {
    tracer: BoxedTracer,
    propagator: TraceContextPropagator,
}

impl Tracer {
    pub(crate) fn new() -> Self {
        Self { tracer: global::tracer("aquaware"), propagator: TraceContextPropagator::new() }
    }
}

impl RequestTracer for Tracer {
    fn begin(&self, method: &'static str, headers: &HeaderMap) -> Box<dyn RequestTrace> {
        let parent = self.propagator.extract_with_context(&Context::new(), &Headers(headers));
        let builder = self.tracer.span_builder(method).with_kind(SpanKind::Server);
        let span = self.tracer.build_with_context(builder, &parent);
        Box::new(Request { span, method })
    }
}

struct Request {
    span: BoxedSpan,
    method: &'static str,
}

impl RequestTrace for Request {
    fn trace_id(&self) -> String {
        self.span.span_context().trace_id().to_string()
    }

    fn answered(mut self: Box<Self>, route: &str, status: u16) {
        let method = self.method;
        self.span.update_name(format!("{method} {route}"));
        self.span.set_attributes([
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", route.to_owned()),
            KeyValue::new("http.response.status_code", i64::from(status)),
        ]);
        if status >= 500 {
            self.span.set_status(Status::error(""));
        }
        self.span.end();
    }
}

/// The headers of a request as the propagator reads them.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|name| name.as_str()).collect()
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
}
