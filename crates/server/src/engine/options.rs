//! How a listener is served.

use std::sync::Arc;
use std::time::Duration;

use aquaware_http::Metrics;

use super::limit::Limit;
use crate::tls::TlsAcceptor;

/// How one listener is served.
pub(crate) struct Options {
    /// The name of the threads, shown by the operating system.
    pub(crate) name: &'static str,
    /// How many threads serve.
    pub(crate) workers: usize,
    /// TLS, if the listener speaks it.
    pub(crate) tls: Option<TlsAcceptor>,
    /// The longest time without a byte of progress. A whole request may take twice as long.
    pub(crate) idle_timeout: Duration,
    /// How many connections may be open.
    pub(crate) max_connections: Limit,
    /// How long requests in progress may take to finish after a stop.
    pub(crate) grace: Duration,
    /// Counts the responses to requests that never reach the application.
    pub(crate) metrics: Option<Arc<Metrics>>,
}
