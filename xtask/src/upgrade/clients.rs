//! Clients that refresh while servers are replaced, as real ones do: they keep the response that they
//! received last, retry with the same key when none arrives, and turn to another replica.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::error::TaskError;
use crate::load::{Connection, Tokens};

/// The number of clients.
const CLIENTS: u64 = 12;
/// How long a request is retried. A server is replaced in a few seconds.
const PATIENCE: Duration = Duration::from_secs(90);
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// The clients, each with a thread.
#[derive(Debug)]
pub(super) struct Clients {
    threads: Vec<JoinHandle<Result<(), TaskError>>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    replicas: Vec<SocketAddr>,
    stop: AtomicBool,
    failed: AtomicBool,
    refreshes: AtomicU64,
    retries: AtomicU64,
}

impl Clients {
    pub(super) fn start(replicas: Vec<SocketAddr>) -> Result<Self, TaskError> {
        let shared = Arc::new(Shared {
            replicas,
            stop: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            refreshes: AtomicU64::new(0),
            retries: AtomicU64::new(0),
        });
        let start = |number: u64| {
            let mut client = Client::new(number, &shared)?;
            let shared = Arc::clone(&shared);
            Ok(thread::spawn(move || {
                let result = client.run(&shared);
                shared.failed.fetch_or(result.is_err(), Ordering::Relaxed);
                result
            }))
        };
        let threads = (0..CLIENTS).map(start).collect::<Result<_, TaskError>>()?;
        Ok(Self { threads, shared })
    }

    /// Lets them refresh for `time`, and prints how often they did.
    ///
    /// # Errors
    /// A client failed, or none has refreshed.
    pub(super) fn work(&self, what: &str, time: Duration) -> Result<(), TaskError> {
        let count = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        let _ = count(&self.shared.refreshes);
        thread::sleep(time);
        let (done, again) = (count(&self.shared.refreshes), count(&self.shared.retries));
        println!("{what}: {done} refreshes, {again} retries");
        match done {
            0 => Err(TaskError::Message(format!("no client refreshed with {what}"))),
            _ if self.shared.failed.load(Ordering::Relaxed) => {
                Err(TaskError::Message(format!("a client failed with {what}")))
            }
            _ => Ok(()),
        }
    }

    /// Ends them.
    ///
    /// # Errors
    /// A client was logged out.
    pub(super) fn finish(self) -> Result<(), TaskError> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().try_for_each(|thread| {
            let panicked = |_| TaskError::Message("a client panicked".to_owned());
            thread.join().map_err(panicked)?
        })
    }
}

struct Client {
    number: u64,
    /// The replica that it uses.
    replica: usize,
    connection: Option<Connection>,
    tokens: Tokens,
}

impl Client {
    fn new(number: u64, shared: &Shared) -> Result<Self, TaskError> {
        let replica = usize::try_from(number).unwrap_or_default();
        let mut connection = Connection::open(shared.replica(replica)?)?;
        connection.sign_up(number)?;
        let tokens = connection.log_in(number)?;
        Ok(Self { number, replica, connection: Some(connection), tokens })
    }

    fn run(&mut self, shared: &Shared) -> Result<(), TaskError> {
        for turn in 1_u64.. {
            if shared.stop.load(Ordering::Relaxed) {
                break;
            }
            self.refresh(turn, shared)?;
            shared.refreshes.fetch_add(1, Ordering::Relaxed);
            // Replicas take turns, so that each reads what the other has written.
            if turn.is_multiple_of(5) {
                self.move_on();
            }
            if turn.is_multiple_of(20) {
                self.log_in_again(shared)?;
            }
        }
        Ok(())
    }

    /// Refreshes with one key until a response arrives.
    fn refresh(&mut self, turn: u64, shared: &Shared) -> Result<(), TaskError> {
        let key = format!("upgrade-{}-{turn}-0123456789", self.number);
        let body = json!({ "refresh_token": self.tokens.refresh });
        let refreshed = self.insist(shared, |connection| {
            connection.post("/auth/refresh", &[("Idempotency-Key", &key)], &body)
        })?;
        self.tokens = Tokens::of(&refreshed)?;
        Ok(())
    }

    /// A session that this release opens must be one that the other can refresh.
    fn log_in_again(&mut self, shared: &Shared) -> Result<(), TaskError> {
        let body = Connection::credentials(self.number);
        let opened =
            self.insist(shared, |connection| connection.post("/auth/login", &[], &body))?;
        self.tokens = Tokens::of(&opened)?;
        Ok(())
    }

    /// Repeats a request until a response arrives, which must be a success.
    fn insist(
        &mut self,
        shared: &Shared,
        request: impl Fn(&mut Connection) -> Result<(u16, Value), TaskError>,
    ) -> Result<Value, TaskError> {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.connection(shared).and_then(&request) {
                Ok((200, body)) => return Ok(body),
                Ok((503, _)) | Err(TaskError::Io { .. }) if Instant::now() < end => {
                    shared.retries.fetch_add(1, Ordering::Relaxed);
                    self.move_on();
                    thread::sleep(RETRY_PAUSE);
                }
                Ok((status, body)) => {
                    let message = format!("a client was rejected: {status} {body}");
                    return Err(TaskError::Message(message));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn connection(&mut self, shared: &Shared) -> Result<&mut Connection, TaskError> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            none => Ok(none.insert(Connection::open(shared.replica(self.replica)?)?)),
        }
    }

    fn move_on(&mut self) {
        self.connection = None;
        self.replica = self.replica.wrapping_add(1);
    }
}

impl Shared {
    fn replica(&self, number: usize) -> Result<SocketAddr, TaskError> {
        let found = self.replicas.get(number % self.replicas.len().max(1));
        found.copied().ok_or_else(|| TaskError::Message("no replica".to_owned()))
    }
}
