//! The pool, and how a step runs on one of its connections: within its deadline, on another
//! connection only if nothing can have happened on the first.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aquaware_core::store::StoreError;
use deadpool::managed::{Manager, Metrics, Object, PoolError, RecycleError, RecycleResult};
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::home::Home;
use super::trouble::Trouble;
use crate::error::{Failure, OpenError};

/// A connection idle for longer is asked whether it still lives. Under load nobody asks.
const TRUSTED: Duration = Duration::from_millis(500);
/// How often a step is tried again after the server undid it because of another.
const CONFLICTS: u32 = 8;
/// How long it lets the other go first; twice as long each time. Those who come back at once to
/// what they fell out over fall out again.
const ASIDE: Duration = Duration::from_millis(1);

/// A connection of an engine.
pub(crate) trait Link: Send + Sized + 'static {
    /// What is needed to make one.
    type Plan: Send + Sync + 'static;

    /// Makes one, ready for use.
    fn connect(plan: &Self::Plan) -> impl Future<Output = Result<Self, Trouble>> + Send;

    /// Whether it is known to be closed. Sends nothing and never waits for the server.
    fn is_closed(&mut self) -> impl Future<Output = bool> + Send;

    /// Asks the other side for a sign of life.
    fn check(&mut self) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// Says that a step begins.
    fn begin(&mut self);

    /// Whether anything that could change a record has been sent since the step began.
    fn has_sent(&self) -> bool;

    /// Says that it will be dropped in an unknown state.
    fn abandon(&mut self);
}

/// Whether a step may change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// What a step gets to work with, and what it gives. It is a plain function, so that it can be run
/// again on another connection, and holds nothing but what it is lent.
pub(crate) type Running<L, I, T> =
    for<'a> fn(&'a mut L, &'a I) -> BoxFuture<'a, Result<T, Trouble>>;

/// Connections, and the threads they live on.
pub(crate) struct Pool<L: Link> {
    home: Home,
    shared: Arc<Shared<L>>,
}

struct Shared<L: Link> {
    links: deadpool::managed::Pool<Maker<L>>,
    timeout: Duration,
}

impl<L: Link> Pool<L> {
    /// A pool of up to `size` connections on threads named `name`. Connects to nothing yet.
    pub(crate) fn new(
        name: &'static str,
        plan: L::Plan,
        size: usize,
        timeout: Duration,
    ) -> Result<Self, OpenError> {
        let home = Home::start(name).map_err(OpenError::Threads)?;
        let links = deadpool::managed::Pool::builder(Maker { plan })
            .max_size(size)
            .build()
            // Without timeouts of its own it needs no runtime, and this can't be.
            .map_err(|_| OpenError::Option("the pool of connections cannot be made"))?;
        Ok(Self { home, shared: Arc::new(Shared { links, timeout }) })
    }

    /// Waits for `work` on the pool's threads; the caller's thread stands still.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        self.home.wait(work)
    }

    /// Runs `step` with `input`.
    pub(crate) async fn run<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        access: Access,
        input: I,
        step: Running<L, I, T>,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        let work = async move { shared.run(access, &input, step).await };
        let Some(handle) = self.home.spawn(work) else {
            return Err(Failure::Stopped.before_commit());
        };
        handle.await.unwrap_or_else(|error| {
            let failure = if error.is_panic() { Failure::Panicked } else { Failure::Stopped };
            Err(Trouble::unknown(failure).into_error(access))
        })
    }
}

impl<L: Link> Shared<L> {
    async fn run<I, T>(
        &self,
        access: Access,
        input: &I,
        step: Running<L, I, T>,
    ) -> Result<T, StoreError> {
        let deadline = Instant::now() + self.timeout;
        let (mut fresh, mut conflicts) = (false, 0);
        loop {
            let link = match timeout_at(deadline, self.link(fresh)).await {
                Ok(link) => link.map_err(|trouble| trouble.into_error(access))?,
                Err(_) => return Err(Failure::NoConnection.before_commit()),
            };
            let trouble = match try_once(link, deadline, input, step).await {
                Ok(value) => return Ok(value),
                Err(trouble) => trouble,
            };
            if trouble.asks_for_another_link(access) && !fresh {
                fresh = true;
                continue;
            }
            let next = Instant::now() + ASIDE * 2_u32.pow(conflicts);
            if !trouble.is_conflict() || conflicts == CONFLICTS || next >= deadline {
                return Err(trouble.into_error(access));
            }
            conflicts += 1;
            sleep_until(next).await;
        }
    }

    /// A connection; a new one if `fresh`, since what broke one connection has mostly broken its
    /// neighbours too.
    async fn link(&self, fresh: bool) -> Result<Object<Maker<L>>, Trouble> {
        loop {
            let link = self.links.get().await.map_err(|error| match error {
                PoolError::Backend(trouble) => Trouble::unsent(trouble.failure()),
                _ => Trouble::unsent(Failure::NoConnection),
            })?;
            if !fresh || Object::metrics(&link).recycle_count == 0 {
                return Ok(link);
            }
            drop(Object::take(link));
        }
    }
}

async fn try_once<L: Link, I, T>(
    mut link: Object<Maker<L>>,
    deadline: Instant,
    input: &I,
    step: Running<L, I, T>,
) -> Result<T, Trouble> {
    link.begin();
    let trouble = match timeout_at(deadline, step(&mut link, input)).await {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(trouble)) => trouble,
        Err(_) if link.has_sent() => Trouble::unknown(Failure::Elapsed),
        // Not worth a second try: the time is gone.
        Err(_) => Trouble::undone(Failure::Elapsed),
    };
    if !trouble.spares_the_link() || matches!(trouble.failure(), Failure::Elapsed) {
        let mut link = Object::take(link);
        link.abandon();
    }
    Err(trouble)
}

/// Makes connections for the pool, and looks at them before they are used again.
struct Maker<L: Link> {
    plan: L::Plan,
}

impl<L: Link> Manager for Maker<L> {
    type Type = L;
    type Error = Trouble;

    async fn create(&self) -> Result<L, Trouble> {
        L::connect(&self.plan).await
    }

    async fn recycle(&self, link: &mut L, metrics: &Metrics) -> RecycleResult<Trouble> {
        if link.is_closed().await {
            return Err(RecycleError::message("closed"));
        }
        if metrics.last_used() > TRUSTED {
            link.check().await?;
        }
        Ok(())
    }
}

impl<L: Link> fmt::Debug for Maker<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Maker").finish_non_exhaustive()
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure().fmt(f)
    }
}

impl std::error::Error for Trouble {}

#[cfg(test)]
mod tests;
