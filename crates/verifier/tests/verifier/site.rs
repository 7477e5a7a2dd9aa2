//! A scripted issuer: metadata, key set and status lists as a `Fetch`, up, down or wrong, with every
//! call counted.

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

/// What the issuer answers when it is asked for keys.
#[derive(Clone, Debug, Default)]
pub(crate) enum Mood {
    /// The key set.
    #[default]
    Up,
    /// Nothing.
    Down,
    /// Nothing, ever.
    Silent,
    /// This, whatever was asked.
    Answers(Response),
}

#[derive(Debug)]
pub(crate) struct Site {
    state: Mutex<State>,
    calls: Mutex<Vec<Request>>,
    in_flight: AtomicUsize,
    pub(crate) most_in_flight: AtomicUsize,
    /// How long each answer is on its way.
    pub(crate) latency: Mutex<Duration>,
    clock: Arc<TokioClock>,
}

/// A status list as it is published.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    /// What is sent; nothing at all if it is none.
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) coding: Option<&'static str>,
    pub(crate) cache_control: Option<&'static str>,
    pub(crate) age: Option<u64>,
    /// Whether nothing is answered, ever.
    pub(crate) silent: bool,
}

#[derive(Debug)]
struct State {
    mood: Mood,
    /// By their addresses, the list of lists among them.
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
            most_in_flight: AtomicUsize::new(0),
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

    /// Sets the clock of verifiers by so many seconds, while timers stand still: as after a
    /// suspend, or by hand.
    pub(crate) fn set_clock_by(&self, seconds: i64) {
        self.clock.off.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// Publishes the status list of `issuer` as it is now.
    pub(crate) fn show(&self, issuer: &TestIssuer) {
        let expires = self.now().plus(Duration::from_secs(86_400));
        let list = issuer.status_list().issued_at(self.now()).expires_at(Some(expires));
        self.put(STATUS_LIST, &list.sign());
    }

    /// Publishes this at `url`, in gzip.
    pub(crate) fn put(&self, url: &str, text: &str) {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        let (body, coding) = (Some(encoder.finish().unwrap()), Some("gzip"));
        self.put_shelf(url, Shelf { body, coding, ..Shelf::default() });
    }

    pub(crate) fn put_shelf(&self, url: &str, shelf: Shelf) {
        self.state.lock().unwrap().shelves.insert(url.to_owned(), shelf);
    }

    /// Whether status lists, and they alone, aren't answered.
    pub(crate) fn shelves_down(&self, down: bool) {
        self.state.lock().unwrap().shelves_down = down;
    }

    /// Says in the metadata that these are all status lists.
    pub(crate) fn aggregate(&self, uris: &[&str]) {
        let body = Some(json!({ "status_lists": uris }).to_string().into_bytes());
        self.put_shelf(AGGREGATION, Shelf { body, ..Shelf::default() });
        let endpoint = "status_list_aggregation_endpoint";
        self.state.lock().unwrap().metadata[endpoint] = AGGREGATION.into();
    }

    /// How often `url` was asked for.
    pub(crate) fn asked(&self, url: &str) -> usize {
        self.calls().iter().filter(|call| call.url == url).count()
    }

    /// Moves the key set; the old address is gone.
    pub(crate) fn move_keys_to(&self, url: &str) {
        let mut state = self.state.lock().unwrap();
        state.key_set_at = url.to_owned();
        state.metadata["jwks_uri"] = url.into();
    }

    pub(crate) fn calls(&self) -> Vec<Request> {
        self.calls.lock().unwrap().clone()
    }

    /// How often keys were asked for.
    pub(crate) fn fetches(&self) -> usize {
        let other = |url: &str| url == METADATA || url.contains("/status-lists");
        self.calls().iter().filter(|call| !other(&call.url)).count()
    }

    /// A builder that asks this site, on tokio's time.
    pub(crate) fn builder(self: &Arc<Self>) -> Builder {
        let (fetch, clock) = (Arc::clone(self), Arc::clone(&self.clock));
        Verifier::builder()
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .leeway(Duration::ZERO)
            .clock(clock)
            .fetch(fetch)
    }

    pub(crate) async fn verifier(self: &Arc<Self>) -> Verifier {
        self.builder().discover().await.unwrap()
    }

    fn is_silent(&self, url: &str) -> bool {
        let state = self.state.lock().unwrap();
        let shelf = state.shelves.get(url).is_some_and(|shelf| shelf.silent);
        shelf || matches!(state.mood, Mood::Silent)
    }

    fn answer(&self, request: &Request) -> Option<Response> {
        let state = self.state.lock().unwrap();
        match &state.mood {
            Mood::Up => {}
            Mood::Down => return None,
            Mood::Silent => unreachable!("a silent site doesn't answer"),
            Mood::Answers(answer) => return Some(answer.clone()),
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
        self.most_in_flight.fetch_max(now, Ordering::SeqCst);
        let _flight = Flight(self);
        if self.is_silent(&request.url) {
            std::future::pending::<()>().await;
        }
        // What was true when it was asked takes its time to arrive.
        let answer = self.answer(request).ok_or_else(|| FetchError::new("connection refused"));
        let latency = *self.latency.lock().unwrap();
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        answer
    }
}

/// The time of every verifier that asks a site, tied to tokio's.
#[derive(Debug)]
struct TokioClock {
    begun: Instant,
    /// By how many milliseconds it was set.
    off: AtomicI64,
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let now = START.plus(self.begun.elapsed());
        Timestamp::from_millis(now.millis() + self.off.load(Ordering::SeqCst))
    }
}

/// Lets time pass, and everything happen that is due in it.
pub(crate) async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// Lets happen what is due now.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// A token that is good for a day, so that only its key matters.
pub(crate) fn long(issuer: &TestIssuer) -> String {
    issuer.token().expires_in(Duration::from_secs(86_400)).sign()
}

/// The same, with a status.
pub(crate) fn listed(issuer: &TestIssuer, idx: u32) -> String {
    issuer.token().expires_in(Duration::from_secs(86_400)).status(idx).sign()
}
