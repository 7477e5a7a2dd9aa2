//! A check: a named property of stores, and how to run it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use tokio::runtime::{Builder, Runtime};

use crate::error::{CheckError, CheckResult};
use crate::fixture::Fixture;

type Run<P> = fn(Fixture<P>) -> Pin<Box<dyn Future<Output = CheckResult> + Send>>;

/// A property that every store behind the port `P` has.
pub struct Check<P: ?Sized> {
    name: &'static str,
    run: Run<P>,
}

impl<P: ?Sized> Check<P> {
    pub(crate) const fn new(name: &'static str, run: Run<P>) -> Self {
        Self { name, run }
    }

    /// The property as the name of a test.
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

/// Runs the check called `name` from `checks`, in a separate async runtime. The fixture is set up inside
/// that runtime.
pub(crate) fn run<P: ?Sized>(
    checks: &[Check<P>],
    name: &str,
    fixture: impl Future<Output = Fixture<P>>,
) -> CheckResult {
    let check = checks.iter().find(|check| check.name == name);
    let check = check.ok_or_else(|| CheckError::new(format!("no check is named {name}")))?;
    runtime()?.block_on(async { (check.run)(fixture.await).await })
}

/// Several workers, so that concurrent tasks run in parallel and a generated sequence may block one.
pub(crate) fn runtime() -> Result<Runtime, CheckError> {
    let built = Builder::new_multi_thread().worker_threads(4).enable_all().build();
    built.map_err(|error| CheckError::new(format!("failed to start an async runtime: {error}")))
}
