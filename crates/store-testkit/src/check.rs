//! A check: a fact about stores with a name, and the way to try it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use aquaware_core::store::{AccountStore, SessionStore};
use tokio::runtime::{Builder, Runtime};

use crate::accounts::ACCOUNT_CHECKS;
use crate::bench::Bench;
use crate::failure::{Failure, Verdict};
use crate::harness::Harness;
use crate::sessions::SESSION_CHECKS;

type Run<P> = fn(Bench<P>) -> Pin<Box<dyn Future<Output = Verdict> + Send>>;

/// A fact that holds for every store behind the port `P`.
pub struct Check<P: ?Sized> {
    name: &'static str,
    run: Run<P>,
}

impl<P: ?Sized> Check<P> {
    pub(crate) const fn new(name: &'static str, run: Run<P>) -> Self {
        Self { name, run }
    }

    /// The fact, as a name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<P: ?Sized> fmt::Debug for Check<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Check({})", self.name)
    }
}

/// Tries the check of sessions called `name` on a store of this harness, in an async runtime of
/// its own. The harness is made inside that runtime.
///
/// # Errors
/// [`Failure`] when the store breaks the contract, or there is no such check.
pub fn prove_sessions<H>(name: &str, harness: impl FnOnce() -> H) -> Verdict
where
    H: Harness + 'static,
    H::Store: SessionStore,
{
    let run = named(SESSION_CHECKS, name)?;
    runtime()?.block_on(async { run(Bench::sessions(harness()).await).await })
}

/// Tries the check of accounts called `name`, like [`prove_sessions`].
///
/// # Errors
/// As [`prove_sessions`].
pub fn prove_accounts<H>(name: &str, harness: impl FnOnce() -> H) -> Verdict
where
    H: Harness + 'static,
    H::Store: AccountStore,
{
    let run = named(ACCOUNT_CHECKS, name)?;
    runtime()?.block_on(async { run(Bench::accounts(harness()).await).await })
}

fn named<P: ?Sized>(checks: &[Check<P>], name: &str) -> Result<Run<P>, Failure> {
    let check = checks.iter().find(|check| check.name == name);
    check.map(|check| check.run).ok_or_else(|| Failure::new(format!("no check is called {name}")))
}

/// Several workers, so that a race is one; and what blocks for a generated sequence may block.
fn runtime() -> Result<Runtime, Failure> {
    let built = Builder::new_multi_thread().worker_threads(4).enable_all().build();
    built.map_err(|error| Failure::new(format!("no async runtime: {error}")))
}
