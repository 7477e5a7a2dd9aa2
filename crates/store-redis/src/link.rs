//! The connection to the servers: one, shared by all callers, replaced when it is no good.
//!
//! The library's own reconnecting connection isn't used: it doesn't tell a request that was never
//! sent from one whose answer got lost, and the two need different answers. Here connecting is one
//! step and asking another. Nothing that was sent is sent again, unless the server said that it did
//! nothing.

mod open;
mod sentinel;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Cmd, ErrorKind, RedisError, Value};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

pub(crate) use self::open::{Connection, Open, Opener};
use crate::error::{Answer, Failure, answer, io_kind};

/// Why a request has no answer to use.
#[derive(Debug)]
pub(crate) enum AskError {
    /// It was never sent.
    NotSent(Failure),
    /// It was sent, and may be carried out.
    Unanswered(Failure),
    /// The server answered that it won't. Nothing happened.
    Declined(Answer),
}

/// What becomes of an attempt to connect.
type Attempt = watch::Receiver<Option<Result<Arc<Open>, Failure>>>;

/// The connection, or the way to one. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Link(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    opener: Opener,
    /// How long an attempt to connect may take.
    patience: Duration,
    /// Where connections live: a caller's own runtime may end before them.
    home: Handle,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Arc<Open>>,
    /// At most one attempt at a time, whoever waits for it.
    attempt: Option<Attempt>,
}

/// How often a request is sent again to where a Cluster says that its key has moved.
const MOST_MOVES: usize = 4;

impl Link {
    /// A link whose connections live in this runtime.
    pub(crate) fn new(opener: Opener, patience: Duration) -> Self {
        let home = Handle::current();
        Self(Arc::new(Shared { opener, patience, home, state: Mutex::default() }))
    }

    /// Where the link's own tasks run.
    pub(crate) fn home(&self) -> &Handle {
        &self.0.home
    }

    /// The answer to `request`, by `deadline`.
    pub(crate) async fn ask(&self, request: &Cmd, deadline: Instant) -> Result<Value, AskError> {
        let mut moves = 0;
        loop {
            let open = self.connection(deadline).await.map_err(AskError::NotSent)?;
            let error = match timeout_at(deadline, open.connection.ask(request)).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) => error,
                Err(_) => {
                    self.suspect(&open);
                    return Err(AskError::Unanswered(Failure::Elapsed));
                }
            };
            let error = open.why(&error);
            let failure = match &error {
                AskError::NotSent(failure)
                | AskError::Unanswered(failure)
                | AskError::Declined(Answer::Failed(failure)) => failure,
                AskError::Declined(_) => return Err(error),
            };
            if failure.wants_another_server() {
                self.suspect(&open);
            }
            // The node said where the key is now, and did nothing; the library has noted it.
            moves += 1;
            if !matches!(failure, Failure::Moving) || moves > MOST_MOVES {
                return Err(error);
            }
            tokio::task::yield_now().await;
        }
    }

    /// The current connection, or the next one.
    pub(crate) async fn connection(&self, deadline: Instant) -> Result<Arc<Open>, Failure> {
        let mut attempt = {
            let mut state = self.state();
            match &state.current {
                Some(open) if open.is_good() => return Ok(Arc::clone(open)),
                _ => self.attempt(&mut state),
            }
        };
        let opened = timeout_at(deadline, attempt.wait_for(Option::is_some)).await;
        match opened.map_err(|_| Failure::ConnectElapsed)? {
            Ok(opened) => opened.as_ref().cloned().unwrap_or(Err(Failure::Stopped)),
            Err(_) => Err(Failure::Stopped),
        }
    }

    /// Joins the attempt under way, or starts one.
    fn attempt(&self, state: &mut State) -> Attempt {
        // One whose task was dropped with its runtime will never say anything.
        let alive = |attempt: &&Attempt| attempt.has_changed().is_ok();
        if let Some(attempt) = state.attempt.as_ref().filter(alive) {
            return attempt.clone();
        }
        let (tell, attempt) = watch::channel(None);
        let shared = Arc::clone(&self.0);
        self.0.home.spawn(async move {
            let opened = timeout(shared.patience, shared.opener.open()).await;
            let opened = opened.unwrap_or(Err(Failure::ConnectElapsed)).map(Arc::new);
            let mut state = shared.state();
            state.attempt = None;
            if let Ok(open) = &opened {
                state.current = Some(Arc::clone(open));
            }
            drop(state);
            tell.send_replace(Some(opened));
        });
        state.attempt = Some(attempt.clone());
        attempt
    }

    /// Looks for another connection, as this one seems no good.
    ///
    /// A single connection is given up at once; who waits on it still gets what comes. A Cluster's
    /// goes on serving the nodes that are well until its successor is there.
    fn suspect(&self, open: &Arc<Open>) {
        let mut state = self.state();
        if !state.current.as_ref().is_some_and(|current| Arc::ptr_eq(current, open)) {
            return;
        }
        match &open.connection {
            Connection::Node(_) => state.current = None,
            Connection::Cluster(_) => drop(self.attempt(&mut state)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change leaves the state whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// What an error of the library says about the request.
    fn why(&self, error: &RedisError) -> AskError {
        if let Some(answer) = answer(error) {
            return AskError::Declined(answer);
        }
        match (error.kind(), &self.connection) {
            (ErrorKind::Client, _) => AskError::NotSent(Failure::NoAnswer),
            (ErrorKind::Parse | ErrorKind::UnexpectedReturnType, _) => {
                AskError::Unanswered(Failure::NoAnswer)
            }
            // A Cluster's connection connects to its nodes by itself.
            (ErrorKind::ClusterConnectionNotFound, _) => AskError::NotSent(Failure::NoNode),
            (_, Connection::Cluster(_)) if error.is_connection_refusal() => {
                AskError::NotSent(Failure::NoConnection(io_kind(error)))
            }
            _ => AskError::Unanswered(Failure::Broken(io_kind(error))),
        }
    }
}
