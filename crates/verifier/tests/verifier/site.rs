//! A scripted issuer: metadata and key set as a `Fetch`, up, down or wrong, with every call
//! counted.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aquaware_verifier::fetch::{Fetch, FetchError, Request, Response};
use aquaware_verifier::testing::{AUDIENCE, ISSUER, START, TestIssuer};
use aquaware_verifier::{Builder, Clock, Timestamp, Verifier};
use serde_json::{Value, json};
use tokio::time::Instant;

pub(crate) const METADATA: &str = "https://issuer.test/.well-known/oauth-authorization-server";
pub(crate) const KEYS: &str = "https://issuer.test/keys";

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
    /// How long each answer takes.
    pub(crate) latency: Mutex<Duration>,
    clock: Arc<TokioClock>,
}

#[derive(Debug)]
struct State {
    mood: Mood,
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
                keys: Vec::new(),
                metadata: json!({ "issuer": ISSUER, "jwks_uri": KEYS }),
                key_set_at: KEYS.to_owned(),
                cache_control: "public, max-age=300".to_owned(),
            }),
            calls: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
            latency: Mutex::default(),
            clock: Arc::new(TokioClock(Instant::now())),
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
        self.calls().iter().filter(|call| call.url != METADATA).count()
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

    fn answer(&self, request: &Request) -> Option<Response> {
        let state = self.state.lock().unwrap();
        match &state.mood {
            Mood::Up => {}
            Mood::Down => return None,
            Mood::Silent => unreachable!("a silent site doesn't answer"),
            Mood::Answers(answer) => return Some(answer.clone()),
        }
        let body = match &request.url {
            url if url == METADATA => state.metadata.to_string(),
            url if *url == state.key_set_at => json!({ "keys": state.keys }).to_string(),
            _ => return Some(Response { status: 404, ..Response::default() }),
        };
        let etag = format!(
            "\"{:x}\"",
            body.bytes()
                .fold(7_u64, |sum, byte| { sum.wrapping_mul(31).wrapping_add(byte.into()) })
        );
        let same = request.if_none_match.as_ref() == Some(&etag);
        Some(Response {
            status: if same { 304 } else { 200 },
            etag: Some(etag),
            cache_control: Some(state.cache_control.clone()),
            age: None,
            body: if same { Vec::new() } else { body.into_bytes() },
        })
    }
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
        let latency = *self.latency.lock().unwrap();
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        if matches!(self.state.lock().unwrap().mood, Mood::Silent) {
            std::future::pending::<()>().await;
        }
        self.answer(request).ok_or_else(|| FetchError::new("connection refused"))
    }
}

/// The time of every verifier that asks a site, tied to tokio's.
#[derive(Debug)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        START.plus(self.0.elapsed())
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
