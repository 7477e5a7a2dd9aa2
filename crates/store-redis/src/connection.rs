//! The connection that all callers share. It is replaced when it fails.
//!
//! The reconnecting connection of the library is not used, because it does not distinguish a request
//! that was never sent from one that lost its response, and the two have different outcomes. Here
//! connecting and sending are separate steps. A request that was sent is never sent again, unless the
//! server answered that it did not execute it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Cmd, ErrorKind, RedisError, Value};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use crate::connector::Connector;
use crate::error::{RedisStoreError, Rejection, io_kind, rejection};
use crate::server::{Connection, Transport};

/// Why a request has no result.
#[derive(Debug)]
pub(crate) enum RequestError {
    /// The request was not sent.
    NotSent(RedisStoreError),
    /// The request was sent and may be executed.
    UnknownOutcome(RedisStoreError),
    /// The server rejected the request and did not execute it.
    Rejected(Rejection),
}

/// The result of an attempt to connect, once there is one.
type Attempt = watch::Receiver<Option<Result<Arc<Connection>, RedisStoreError>>>;

/// The shared connection. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct SharedConnection(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    connector: Connector,
    /// How long an attempt to connect may take.
    connect_timeout: Duration,
    /// The runtime of the connections. The runtime of a caller may end earlier.
    runtime: Handle,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Arc<Connection>>,
    /// The attempt in progress, if any. All callers wait for the same one.
    attempt: Option<Attempt>,
}

/// How often a request follows the redirections of a Cluster.
const MAX_REDIRECTIONS: usize = 4;

impl SharedConnection {
    /// A connection that lives in the current runtime. It is opened by the first request.
    pub(crate) fn new(connector: Connector, connect_timeout: Duration) -> Self {
        let runtime = Handle::current();
        let state = Mutex::default();
        Self(Arc::new(Shared { connector, connect_timeout, runtime, state }))
    }

    /// The runtime of the connection and of background tasks.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.0.runtime
    }

    /// Sends a request and returns the response, by the deadline.
    pub(crate) async fn send(
        &self,
        request: &Cmd,
        deadline: Instant,
    ) -> Result<Value, RequestError> {
        let mut redirections = 0;
        loop {
            let connection = self.get(deadline).await.map_err(RequestError::NotSent)?;
            let error = match timeout_at(deadline, connection.send(request)).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) => request_error(&connection, &error),
                Err(_) => RequestError::UnknownOutcome(RedisStoreError::Timeout),
            };
            let cause = match &error {
                RequestError::NotSent(cause)
                | RequestError::UnknownOutcome(cause)
                | RequestError::Rejected(Rejection::Other(cause)) => cause,
                RequestError::Rejected(_) => return Err(error),
            };
            if cause.wants_another_server() {
                self.replace(&connection);
            }
            // The node answered where the key is now and did nothing; the library has noted it.
            redirections += 1;
            if !matches!(cause, RedisStoreError::Moving) || redirections > MAX_REDIRECTIONS {
                return Err(error);
            }
            tokio::task::yield_now().await;
        }
    }

    /// The current connection, or the next one.
    pub(crate) async fn get(&self, deadline: Instant) -> Result<Arc<Connection>, RedisStoreError> {
        let mut attempt = {
            let mut state = self.state();
            match &state.current {
                Some(connection) if connection.is_open() => return Ok(Arc::clone(connection)),
                _ => self.connect(&mut state),
            }
        };
        let connected = timeout_at(deadline, attempt.wait_for(Option::is_some)).await;
        match connected.map_err(|_| RedisStoreError::ConnectTimeout)? {
            Ok(result) => result.as_ref().cloned().unwrap_or(Err(RedisStoreError::RuntimeStopped)),
            Err(_) => Err(RedisStoreError::RuntimeStopped),
        }
    }

    /// Joins the attempt in progress, or starts one.
    fn connect(&self, state: &mut State) -> Attempt {
        // An attempt never finishes if its task was dropped with its runtime.
        let is_running = |attempt: &&Attempt| attempt.has_changed().is_ok();
        if let Some(attempt) = state.attempt.as_ref().filter(is_running) {
            return attempt.clone();
        }
        let (sender, attempt) = watch::channel(None);
        let shared = Arc::clone(&self.0);
        self.0.runtime.spawn(async move {
            let result = timeout(shared.connect_timeout, shared.connector.connect()).await;
            let result = result.unwrap_or(Err(RedisStoreError::ConnectTimeout)).map(Arc::new);
            let mut state = shared.state();
            state.attempt = None;
            if let Ok(connection) = &result {
                state.current = Some(Arc::clone(connection));
            }
            drop(state);
            sender.send_replace(Some(result));
        });
        state.attempt = Some(attempt.clone());
        attempt
    }

    /// Replaces a connection that seems to have failed.
    ///
    /// A connection to one server is dropped at once; callers that wait for a response on it may
    /// still receive it. The connection to a Cluster is used for the healthy nodes until its
    /// successor is open.
    fn replace(&self, connection: &Arc<Connection>) {
        let mut state = self.state();
        if !state.current.as_ref().is_some_and(|current| Arc::ptr_eq(current, connection)) {
            return;
        }
        match &connection.transport {
            Transport::Server(_) => state.current = None,
            Transport::Cluster(_) => drop(self.connect(&mut state)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is complete before the next one, so a panic leaves the state consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an error of the library means for the request.
fn request_error(connection: &Connection, error: &RedisError) -> RequestError {
    if let Some(rejection) = rejection(error) {
        return RequestError::Rejected(rejection);
    }
    match (error.kind(), &connection.transport) {
        (ErrorKind::Client, _) => RequestError::NotSent(RedisStoreError::Protocol),
        (ErrorKind::Parse | ErrorKind::UnexpectedReturnType, _) => {
            RequestError::UnknownOutcome(RedisStoreError::Protocol)
        }
        // The connection to a Cluster connects to its nodes when a request needs them.
        (ErrorKind::ClusterConnectionNotFound, _) => RequestError::NotSent(RedisStoreError::NoNode),
        (_, Transport::Cluster(_)) if error.is_connection_refusal() => {
            RequestError::NotSent(RedisStoreError::Connect(io_kind(error)))
        }
        _ => RequestError::UnknownOutcome(RedisStoreError::ConnectionLost(io_kind(error))),
    }
}
