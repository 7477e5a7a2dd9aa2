//! Generated sequences of steps, run on a store and on the reference in lock-step.

use std::cell::RefCell;
use std::fmt::Debug;
use std::future::Future;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use tokio::runtime::Handle;

use crate::error::{CheckError, CheckResult};
use crate::harness::Settings;

/// Runs `case` on generated sequences of up to `settings.max_steps` steps. If a sequence fails, the
/// error contains the shortest one that still fails.
///
/// The sequences are the same in every run unless `PROPTEST_CASES` or `PROPTEST_RNG_SEED` is set.
pub(crate) fn run_sequences<S, C, F>(settings: &Settings, step: S, mut case: C) -> CheckResult
where
    S: Strategy,
    S::Value: Clone,
    C: FnMut(Vec<S::Value>) -> F,
    F: Future<Output = CheckResult>,
{
    let sequence = proptest::collection::vec(step, 1..=settings.max_steps.max(1));
    let case = RefCell::new(&mut case);
    // Proptest is synchronous and the store is not: this worker blocks, the others continue.
    let outcome = tokio::task::block_in_place(|| {
        TestRunner::new(config(settings)).run(&sequence, |steps| {
            let future = (case.borrow_mut())(steps);
            let result = Handle::current().block_on(future);
            result.map_err(|error| TestCaseError::fail(error.to_string()))
        })
    });
    outcome.map_err(|error| match error {
        TestError::Abort(reason) => {
            CheckError::new(format!("failed to generate a sequence: {reason}"))
        }
        TestError::Fail(reason, steps) => with_steps(&reason.to_string(), &steps),
    })
}

fn with_steps<T: Debug>(reason: &str, steps: &[T]) -> CheckError {
    let steps: String = steps.iter().map(|step| format!("\n  {step:?}")).collect();
    CheckError::new(format!("{reason}\nafter this sequence on an empty store:{steps}"))
}

/// The number of cases that `proptest` runs unless `PROPTEST_CASES` is set.
const PROPTEST_DEFAULT_CASES: u32 = 256;

fn config(settings: &Settings) -> Config {
    // The default configuration already includes the environment variables.
    let default = Config::default();
    let is_set = default.cases != PROPTEST_DEFAULT_CASES;
    Config {
        cases: if is_set { default.cases } else { settings.sequences },
        rng_seed: match default.rng_seed {
            RngSeed::Random => RngSeed::Fixed(0),
            fixed @ RngSeed::Fixed(_) => fixed,
        },
        failure_persistence: None,
        max_shrink_iters: 2048,
        ..default
    }
}
