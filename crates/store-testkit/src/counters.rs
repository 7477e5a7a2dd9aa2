//! The checks of counters. This is the only list of them; each check is in the file of its topic.
//!
//! Counts expire, and a shared implementation has a clock of its own, so these checks have a harness
//! that makes time pass.

mod budgets;
mod clock;
mod fixture;
mod harness;
mod windows;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use self::budgets::*;
use self::clock::*;
use self::fixture::CounterFixture;
pub use self::harness::CounterHarness;
use self::windows::*;
use crate::check::runtime;
use crate::error::{CheckError, CheckResult};

type Run = fn(CounterFixture) -> Pin<Box<dyn Future<Output = CheckResult> + Send>>;

/// A property that all counters have.
pub struct CounterCheck {
    name: &'static str,
    run: Run,
}

impl CounterCheck {
    const fn new(name: &'static str, run: Run) -> Self {
        Self { name, run }
    }

    /// The property as the name of a test.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl fmt::Debug for CounterCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CounterCheck({})", self.name)
    }
}

/// Every check of counters.
pub const COUNTER_CHECKS: &[CounterCheck] = {
    use CounterCheck as Check;
    crate::__each_counter_check!(__table)
};

/// Runs one check of [`COUNTER_CHECKS`] on counters of this harness, in a separate async runtime. The
/// harness is created inside that runtime.
///
/// # Errors
/// [`CheckError`] when the counters break the contract, or no check has this name.
pub fn run_counter_check<H>(name: &str, harness: impl FnOnce() -> H) -> CheckResult
where
    H: CounterHarness + 'static,
{
    let check = COUNTER_CHECKS.iter().find(|check| check.name == name);
    let check = check.ok_or_else(|| CheckError::new(format!("no check is named {name}")))?;
    runtime()?.block_on(async { (check.run)(CounterFixture::open(harness()).await).await })
}

#[doc(hidden)]
#[macro_export]
macro_rules! __each_counter_check {
    ($then:ident $($context:tt)*) => {
        $crate::$then! { [$($context)*]
            a_budget_allows_a_burst_and_refills_continuously
            a_rejected_request_changes_nothing
            budgets_of_different_keys_are_separate
            concurrent_requests_get_the_budget_and_no_more

            failures_fill_a_window_and_no_more
            a_window_ends_after_its_period
            windows_of_different_keys_are_separate
            taking_back_respects_its_limit
            clearing_keeps_a_full_window
            concurrent_failures_fill_a_window_and_no_more

            a_shorter_period_applies_to_windows_that_have_begun
            a_caller_with_a_wrong_clock_changes_nothing
        }
    };
}
