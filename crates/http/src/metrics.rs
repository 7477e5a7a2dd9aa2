//! Metrics for Prometheus: what the routes and the stores count, and how a scrape reads it.
//!
//! Labels take their values from fixed sets: route patterns, known methods, outcomes. Nothing that a
//! caller sends becomes a label, so no flood of requests adds a time series.

mod labels;
mod process;

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aquaware_core::service::RequestContext;
use aquaware_core::session::EndReason;
use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use self::labels::{Channel, DeliveryOutcome};
use self::labels::{
    DeliveryLabels, KeyLabels, OutcomeLabels, ReasonLabels, RefreshLabels, RequestLabels,
    RouteLabels, StoreCallLabels, StoreLabels, phase_name, type_name,
};
pub(crate) use self::labels::{LoginOutcome, RefreshVerdict};
use self::process::ProcessMetrics;
use crate::route::UNMATCHED;

/// Upper bounds of the buckets of durations, in seconds.
const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The metrics of a process. Share one in an [`Arc`](std::sync::Arc) between the stores
/// ([`observe_sessions`](Self::observe_sessions), [`observe_accounts`](Self::observe_accounts)) and
/// the routes ([`Builder::metrics`](crate::Builder::metrics)).
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    request_durations: Family<RouteLabels, Histogram>,
    logins: Family<OutcomeLabels, Counter>,
    refreshes: Family<RefreshLabels, Counter>,
    sessions_ended: Family<ReasonLabels, Counter>,
    deliveries: Family<DeliveryLabels, Counter>,
    store_operations: Family<StoreCallLabels, Counter>,
    store_durations: Family<StoreLabels, Histogram>,
    scrape: Mutex<Scrape>,
}

/// What is read at each scrape, under one lock, so that concurrent scrapes do not mix.
struct Scrape {
    registry: Registry,
    key_ages: Family<KeyLabels, Gauge>,
    hashes_waiting: Gauge,
    waiting: Vec<Source>,
    entries: Gauge,
    outboxes: Vec<Source>,
    lines_dropped: Counter,
    dropped: Vec<Source>,
    process: Option<ProcessMetrics>,
}

type Source = Box<dyn Fn() -> u64 + Send>;

/// The format of a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Prometheus text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Text => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics that have counted nothing yet.
    #[must_use]
    pub fn new() -> Self {
        let durations = || Histogram::new(BUCKETS);
        let mut scrape = Scrape::new();
        let registry = &mut scrape.registry;
        let (requests, logins, refreshes) =
            (Family::default(), Family::default(), Family::default());
        let (sessions_ended, store_operations) = (Family::default(), Family::default());
        let deliveries = Family::default();
        let request_durations = Family::<_, Histogram>::new_with_constructor(durations);
        let store_durations = Family::<_, Histogram>::new_with_constructor(durations);
        registry.register(
            "aquaware_http_requests",
            "Requests answered on the public listener",
            requests.clone(),
        );
        registry.register(
            "aquaware_http_request_duration_seconds",
            "Time from the headers of a request to its response",
            request_durations.clone(),
        );
        registry.register("aquaware_logins", "Logins with a password", logins.clone());
        registry.register("aquaware_refreshes", "Refreshes", refreshes.clone());
        registry.register(
            "aquaware_sessions_ended",
            "Sessions that this process ended",
            sessions_ended.clone(),
        );
        registry.register(
            "aquaware_deliveries",
            "Deliveries of mail and webhook messages by this process",
            deliveries.clone(),
        );
        registry.register(
            "aquaware_store_operations",
            "Operations on the stores",
            store_operations.clone(),
        );
        registry.register(
            "aquaware_store_operation_duration_seconds",
            "Time of an operation on a store",
            store_durations.clone(),
        );
        let scrape = Mutex::new(scrape);
        let metrics = Self {
            requests,
            request_durations,
            logins,
            refreshes,
            sessions_ended,
            deliveries,
            store_operations,
            store_durations,
            scrape,
        };
        metrics.start_at_zero();
        metrics
    }

    /// Rates can only be computed from series that exist before the first occurrence.
    fn start_at_zero(&self) {
        for outcome in LoginOutcome::ALL {
            let _ = self.logins.get_or_create(&OutcomeLabels { outcome: outcome.as_str() });
        }
        for verdict in RefreshVerdict::ALL {
            let _ = self.refreshes.get_or_create(&RefreshLabels { verdict: verdict.as_str() });
        }
        for channel in Channel::ALL {
            for outcome in DeliveryOutcome::ALL {
                let _ = self.deliveries.get_or_create(&DeliveryLabels::new(channel, outcome));
            }
        }
        for reason in EndReason::ALL {
            let _ = self.sessions_ended.get_or_create(&ReasonLabels { reason: reason.as_str() });
        }
    }

    /// Adds a queue of passwords to `aquaware_password_hashes_waiting`: `read` returns how many wait
    /// now.
    pub fn hashes_waiting(&self, read: impl Fn() -> u64 + Send + 'static) {
        self.scrape().waiting.push(Box::new(read));
    }

    /// Adds a log to `aquaware_log_lines_dropped_total`: `read` returns how many lines it has
    /// dropped so far.
    pub fn log_lines_dropped(&self, read: impl Fn() -> u64 + Send + 'static) {
        self.scrape().dropped.push(Box::new(read));
    }

    /// Counts a response to a request that never reached a route, see
    /// [`UnroutedResponse`](crate::UnroutedResponse).
    pub fn unrouted(&self, status: u16) {
        let route = UNMATCHED.to_owned();
        let labels = RequestLabels { route, method: "other", status };
        self.requests.get_or_create(&labels).inc();
    }

    /// Adds an outbox to `aquaware_outbox_entries`: `read` returns how many entries it has.
    pub fn outbox_entries(&self, read: impl Fn() -> u64 + Send + 'static) {
        self.scrape().outboxes.push(Box::new(read));
    }

    /// Counts a delivery of a message.
    pub fn delivery(&self, channel: Channel, outcome: DeliveryOutcome) {
        self.deliveries.get_or_create(&DeliveryLabels::new(channel, outcome)).inc();
    }

    #[cfg(test)]
    pub(crate) fn deliveries(&self, channel: Channel, outcome: DeliveryOutcome) -> u64 {
        self.deliveries.get_or_create(&DeliveryLabels::new(channel, outcome)).get()
    }

    pub(crate) fn request(
        &self,
        route: String,
        method: &'static str,
        status: u16,
        duration: Duration,
    ) {
        let labels = RouteLabels { route };
        self.request_durations.get_or_create(&labels).observe(duration.as_secs_f64());
        let labels = RequestLabels { route: labels.route, method, status };
        self.requests.get_or_create(&labels).inc();
    }

    pub(crate) fn login(&self, outcome: LoginOutcome) {
        self.logins.get_or_create(&OutcomeLabels { outcome: outcome.as_str() }).inc();
    }

    pub(crate) fn refresh(&self, verdict: RefreshVerdict) {
        self.refreshes.get_or_create(&RefreshLabels { verdict: verdict.as_str() }).inc();
    }

    pub(crate) fn session_ended(&self, reason: EndReason) {
        self.sessions_ended.get_or_create(&ReasonLabels { reason: reason.as_str() }).inc();
    }

    pub(crate) fn store_operation(
        &self,
        store: &'static str,
        operation: &'static str,
        outcome: &'static str,
        duration: Duration,
    ) {
        let labels = StoreLabels { store, operation };
        self.store_durations.get_or_create(&labels).observe(duration.as_secs_f64());
        let labels = StoreCallLabels { store, operation, outcome };
        self.store_operations.get_or_create(&labels).inc();
    }

    /// All metrics, with the ages of the keys in `context`.
    pub(crate) fn render(&self, format: Format, context: &RequestContext) -> String {
        self.scrape().render(format, context)
    }

    fn scrape(&self) -> std::sync::MutexGuard<'_, Scrape> {
        self.scrape.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Scrape {
    fn new() -> Self {
        let mut registry = Registry::default();
        let (key_ages, hashes_waiting) = (Family::<KeyLabels, Gauge>::default(), Gauge::default());
        let (entries, lines_dropped) = (Gauge::default(), Counter::<u64, AtomicU64>::default());
        registry.register(
            "aquaware_password_hashes_waiting",
            "Passwords and client secrets that wait to be hashed",
            hashes_waiting.clone(),
        );
        registry.register(
            "aquaware_outbox_entries",
            "Messages that wait in the outbox, counted up to 100000",
            entries.clone(),
        );
        registry.register(
            "aquaware_key_age_seconds",
            "Age of the oldest key of this type in this phase",
            key_ages.clone(),
        );
        registry.register(
            "aquaware_log_lines_dropped",
            "Log lines that were dropped because the log was not read or could not be written",
            lines_dropped.clone(),
        );
        registry.register(
            "aquaware_build",
            "The version of this program",
            Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]),
        );
        let process = ProcessMetrics::register(&mut registry);
        Self {
            registry,
            key_ages,
            hashes_waiting,
            waiting: Vec::new(),
            entries,
            outboxes: Vec::new(),
            lines_dropped,
            dropped: Vec::new(),
            process,
        }
    }

    fn render(&self, format: Format, context: &RequestContext) -> String {
        self.hashes_waiting.set(i64::try_from(sum(&self.waiting)).unwrap_or(i64::MAX));
        self.entries.set(i64::try_from(sum(&self.outboxes)).unwrap_or(i64::MAX));
        self.lines_dropped.inc_by(sum(&self.dropped).saturating_sub(self.lines_dropped.get()));
        self.key_ages.clear();
        for (token_type, phase, created_at) in context.snapshot.ring().phases(context.now) {
            let labels = KeyLabels { r#type: type_name(token_type), phase: phase_name(phase) };
            let age = i64::try_from(context.now.seconds_after(created_at)).unwrap_or(i64::MAX);
            let gauge = self.key_ages.get_or_create(&labels);
            gauge.set(age.max(gauge.get()));
        }
        if let Some(process) = &self.process {
            process.read();
        }
        let mut body = String::new();
        // Writing into a string cannot fail.
        let _ = match format {
            Format::Text => prometheus_text::encode(&mut body, &self.registry),
            Format::OpenMetrics => text::encode(&mut body, &self.registry),
        };
        body
    }
}

fn sum(sources: &[Source]) -> u64 {
    sources.iter().map(|read| read()).sum()
}

#[cfg(test)]
mod tests;
