//! Generated sequences of steps, tried on a store and on the reference in lock-step.

use std::fmt::Debug;
use std::future::Future;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use tokio::runtime::Handle;

use crate::failure::{Failure, Verdict};
use crate::harness::Settings;

/// Runs `case` on generated sequences of up to `settings.steps` steps. Of a sequence that fails,
/// the shortest that still does is told.
///
/// The sequences are the same each time, but for the variables `PROPTEST_CASES` and
/// `PROPTEST_RNG_SEED`.
pub(crate) fn sequences<S, C, F>(settings: &Settings, step: S, mut case: C) -> Verdict
where
    S: Strategy,
    S::Value: Clone,
    C: FnMut(Vec<S::Value>) -> F,
    F: Future<Output = Verdict>,
{
    let sequence = proptest::collection::vec(step, 1..=settings.steps.max(1));
    let case = std::cell::RefCell::new(&mut case);
    // The strategy is synchronous and the store isn't: this worker waits, the others go on.
    let outcome = tokio::task::block_in_place(|| {
        TestRunner::new(config(settings)).run(&sequence, |steps| {
            let future = (case.borrow_mut())(steps);
            let verdict = Handle::current().block_on(future);
            verdict.map_err(|failure| TestCaseError::fail(failure.to_string()))
        })
    });
    outcome.map_err(|error| match error {
        TestError::Abort(reason) => Failure::new(format!("no sequence could be made: {reason}")),
        TestError::Fail(reason, steps) => told(&reason.to_string(), &steps),
    })
}

fn told<T: Debug>(reason: &str, steps: &[T]) -> Failure {
    let steps: String = steps.iter().map(|step| format!("\n  {step:?}")).collect();
    Failure::new(format!("{reason}\nafter this sequence on an empty store:{steps}"))
}

/// How many cases `proptest` tries where nobody says otherwise.
const PROPTEST_DEFAULT: u32 = 256;

fn config(settings: &Settings) -> Config {
    // What the environment says is in the default already; what it doesn't say is ours.
    let said = Config::default();
    Config {
        cases: if said.cases == PROPTEST_DEFAULT { settings.sequences } else { said.cases },
        rng_seed: match said.rng_seed {
            RngSeed::Random => RngSeed::Fixed(0),
            fixed @ RngSeed::Fixed(_) => fixed,
        },
        failure_persistence: None,
        max_shrink_iters: 2048,
        ..said
    }
}
