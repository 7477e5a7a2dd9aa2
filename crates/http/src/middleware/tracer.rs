//! Traces of requests, by whatever exports them.

use std::fmt;

use actix_web::http::header::HeaderMap;

/// Makes each request part of a trace.
pub trait RequestTracer: Send + Sync + fmt::Debug {
    /// A request with these headers begins. `method` is a known method or `other`.
    fn begin(&self, method: &'static str, headers: &HeaderMap) -> Box<dyn RequestTrace>;
}

/// One request in its trace. Dropped without an answer if the client hangs up.
pub trait RequestTrace {
    /// The id of the trace, for the log.
    fn trace_id(&self) -> String;

    /// The request was answered. `route` is a pattern, never a path.
    fn answered(self: Box<Self>, route: &str, status: u16);
}
