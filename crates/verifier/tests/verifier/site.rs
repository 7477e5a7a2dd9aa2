//! A scripted issuer: metadata, key set and status lists as a `Fetch`, which can fail or respond with
//! anything, and records every request.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aquaware_verifier::fetch::{Fetch, FetchError, Request, Response};
use aquaware_verifier::testing::{AUDIENCE, ISSUER, START, STATUS_LIST, TestIssuer};
use aquaware_verifier::{Builder, Clock, Timestamp, Verifier};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tokio::time::Instant;

pub(crate) const METADATA: &str = "https://issuer.test/.well-known/oauth-authorization-server";
pub(crate) const KEYS: &str = "https://issuer.test/keys";
pub(crate) const AGGREGATION: &str = "https://issuer.test/status-lists";

/// How the issuer responds.
#[derive(Clone, Debug, Default)]
pub(crate) enum Mood {
    /// With its documents.
    #[default]
    Up,
    /// The connection fails.
    Down,
    /// Never.
    Silent,
    /// With this response to every request.
    Answers(Response),
}

#[derive(Debug)]
pub(crate) struct Site {
    state: Mutex<State>,
    calls: Mutex<Vec<Request>>,
    in_flight: AtomicUsize,
    pub(crate) max_in_flight: AtomicUsize,
    /// The time that each response takes.
    pub(crate) latency: Mutex<Duration>,
    clock: Arc<TokioClock>,
}

/// A published status list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    /// The body; without one the connection fails.
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) coding: Option<&'static str>,
    pub(crate) cache_control: Option<&'static str>,
    pub(crate) age: Option<u64>,
    /// Whether requests never get a response.
    pub(crate) silent: bool,
}

#[derive(Debug)]
struct State {
    mood: Mood,
    /// By URL, including the aggregation.
    shelves: BTreeMap<String, Shelf>,
    shelves_down: bool,
    keys: Vec<Value>,
    metadata: Value,
    key_set_at: String,
    cache_control: String,
}

impl Site {
    pub(crate) fn publishing(issuers: &[&TestIssuer]) -> Arc<Self> {
        let site = Self {
            state: Mutex::new(State {
                mood: Mood::Up,
                shelves: BTreeMap::new(),
                shelves_down: false,
                keys: Vec::new(),
                metadata: json!({ "issuer": ISSUER, "jwks_uri": KEYS }),
                key_set_at: KEYS.to_owned(),
                cache_control: "public, max-age=300".to_owned(),
            }),
            calls: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            max_in_flight: AtomicUsize::new(0),
            latency: Mutex::default(),
            clock: Arc::new(TokioClock { begun: Instant::now(), off: AtomicI64::new(0) }),
        };
        site.publish(issuers);
        Arc::new(site)
    }

    pub(crate) fn publish(&self, issuers: &[&TestIssuer]) {
        self.state.lock().unwrap().keys = issuers.iter().map(|key| key.public_key()).collect();
    }

    pub(crate) fn mood(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    pub(crate) fn metadata(&self, metadata: Value) {
        self.state.lock().unwrap().metadata = metadata;
    }

    pub(crate) fn cache_control(&self, value: &str) {
        self.state.lock().unwrap().cache_control = value.to_owned();
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Changes the clock of verifiers but not their timers, as a suspend or an operator does.
    pub(crate) fn set_clock_by(&self, seconds: i64) {
        self.clock.off.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// Publishes the current status list of `issuer`.
    pub(crate) fn show(&self, issuer: &TestIssuer) {
        let expires = self.now().plus(Duration::from_secs(86_400));
        let list = issuer.status_list().issued_at(self.now()).expires_at(Some(expires));
        self.put(STATUS_LIST, &list.sign());
    }

    /// Publishes a status list at `url`, compressed.
    pub(crate) fn put(&self, url: &str, text: &str) {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        let (body, coding) = (Some(encoder.finish().unwrap()), Some("gzip"));
        self.put_shelf(url, Shelf { body, coding, ..Shelf::default() });
    }

    pub(crate) fn put_shelf(&self, url: &str, shelf: Shelf) {
        self.state.lock().unwrap().shelves.insert(url.to_owned(), shelf);
    }

    /// Lets requests for status lists fail, but no others.
    pub(crate) fn shelves_down(&self, down: bool) {
        self.state.lock().unwrap().shelves_down = down;
    }

    /// Publishes an aggregation of these status lists.
    pub(crate) fn aggregate(&self, uris: &[&str]) {
        let body = Some(json!({ "status_lists": uris }).to_string().into_bytes());
        self.put_shelf(AGGREGATION, Shelf { body, ..Shelf::default() });
        let endpoint = "status_list_aggregation_endpoint";
        self.state.lock().unwrap().metadata[endpoint] = AGGREGATION.into();
    }

    /// The number of requests for `url`.
    pub(crate) fn requests_for(&self, url: &str) -> usize {
        self.calls().iter().filter(|call| call.url == url).count()
    }

    /// Moves the key set to another URL.
    pub(crate) fn move_keys_to(&self, url: &str) {
        let mut state = self.state.lock().unwrap();
        state.key_set_at = url.to_owned();
        state.metadata["jwks_uri"] = url.into();
    }

    pub(crate) fn calls(&self) -> Vec<Request> {
        self.calls.lock().unwrap().clone()
    }

    /// The number of requests for keys.
    pub(crate) fn fetches(&self) -> usize {
        let other = |url: &str| url.contains("/.well-known/") || url.contains("/status-lists");
        self.calls().iter().filter(|call| !other(&call.url)).count()
    }

    /// A builder that fetches from this site and uses tokio's time.
    pub(crate) fn builder(self: &Arc<Self>) -> Builder {
        self.builder_for(ISSUER)
    }

    pub(crate) fn builder_for(self: &Arc<Self>, issuer: &str) -> Builder {
        let (fetch, clock) = (Arc::clone(self), Arc::clone(&self.clock));
        Verifier::builder(issuer, AUDIENCE).leeway(Duration::ZERO).clock(clock).fetch(fetch)
    }

    pub(crate) async fn verifier(self: &Arc<Self>) -> Verifier {
        self.builder().discover().await.unwrap()
    }

    fn is_silent(&self, url: &str) -> bool {
        let state = self.state.lock().unwrap();
        let shelf = state.shelves.get(url).is_some_and(|shelf| shelf.silent);
        shelf || matches!(state.mood, Mood::Silent)
    }

    fn respond(&self, request: &Request) -> Option<Response> {
        let state = self.state.lock().unwrap();
        match &state.mood {
            Mood::Up => {}
            Mood::Down => return None,
            Mood::Silent => unreachable!("handled by the caller"),
            Mood::Answers(response) => return Some(response.clone()),
        }
        let shelf = state.shelves.get(&request.url);
        if shelf.is_some() && state.shelves_down {
            return None;
        }
        let shelf = match &request.url {
            url if url == METADATA => text(state.metadata.to_string(), &state.cache_control),
            url if *url == state.key_set_at => {
                text(json!({ "keys": state.keys }).to_string(), &state.cache_control)
            }
            _ => match shelf {
                Some(Shelf { body: Some(body), coding, cache_control, age, .. }) => Response {
                    status: 200,
                    age: *age,
                    cache_control: cache_control.map(str::to_owned),
                    content_encoding: coding.map(str::to_owned),
                    body: body.clone(),
                    ..Response::default()
                },
                Some(Shelf { body: None, .. }) => return None,
                None => Response { status: 404, ..Response::default() },
            },
        };
        let etag = format!(
            "\"{:x}\"",
            shelf
                .body
                .iter()
                .fold(7_u64, |sum, byte| { sum.wrapping_mul(31).wrapping_add(u64::from(*byte)) })
        );
        if shelf.status == 200 && request.if_none_match.as_ref() == Some(&etag) {
            return Some(Response { status: 304, body: Vec::new(), ..shelf });
        }
        Some(Response { etag: Some(etag), ..shelf })
    }
}

fn text(body: String, cache_control: &str) -> Response {
    let cache_control = Some(cache_control.to_owned());
    Response { status: 200, cache_control, body: body.into_bytes(), ..Response::default() }
}

#[async_trait::async_trait]
impl Fetch for Site {
    async fn get(&self, request: &Request) -> Result<Response, FetchError> {
        struct Flight<'a>(&'a Site);
        impl Drop for Flight<'_> {
            fn drop(&mut self) {
                self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
            }
        }
        self.calls.lock().unwrap().push(request.clone());
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.max_in_flight.fetch_max(now, Ordering::SeqCst);
        let _flight = Flight(self);
        if self.is_silent(&request.url) {
            std::future::pending::<()>().await;
        }
        // The response is the state at the time of the request, and arrives later.
        let response = self.respond(request).ok_or_else(|| FetchError::new("connection refused"));
        let latency = *self.latency.lock().unwrap();
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        response
    }
}

/// The clock of the verifiers, tied to tokio's.
#[derive(Debug)]
struct TokioClock {
    begun: Instant,
    /// The difference, in milliseconds.
    off: AtomicI64,
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let now = START.plus(self.begun.elapsed());
        Timestamp::from_millis(now.millis() + self.off.load(Ordering::SeqCst))
    }
}

/// Lets time pass, and runs everything that is due in it.
pub(crate) async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// Runs everything that is due now.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// A token that is valid for a day, so that only its key matters.
pub(crate) fn long(issuer: &TestIssuer) -> String {
    issuer.token().expires_in(Duration::from_secs(86_400)).sign()
}

/// The same, with an index in the status list.
pub(crate) fn listed(issuer: &TestIssuer, idx: u32) -> String {
    issuer.token().expires_in(Duration::from_secs(86_400)).status(idx).sign()
}
