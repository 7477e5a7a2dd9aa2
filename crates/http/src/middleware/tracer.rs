//! Traces of requests, by whatever exports them.

use std::fmt;
use std::time::Duration;

use super::trace::TraceContext;

/// Exports the spans of requests.
pub trait RequestTracer: Send + Sync + fmt::Debug {
    /// A request of a sampled trace was answered just now. This is called on the request's path, so
    /// it must not wait. A request whose client hung up has no span.
    fn answered(&self, request: &AnsweredRequest<'_>);
}

/// What the span of a request contains.
#[derive(Clone, Copy, Debug)]
pub struct AnsweredRequest<'a> {
    /// Its place in its trace.
    pub trace: &'a TraceContext,
    /// A known method or `other`.
    pub method: &'static str,
    /// A pattern, never a path.
    pub route: &'a str,
    /// The status of the response.
    pub status: u16,
    /// How long the request took until its response was ready to be sent.
    pub duration: Duration,
}
