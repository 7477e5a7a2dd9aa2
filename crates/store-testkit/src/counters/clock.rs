//! Periods that change, and clocks that differ.

use std::time::Duration;

use aquaware_core::limits::Rate;

use super::fixture::{ANN, CounterFixture, FAILED_ANN, HOUR, about, hourly};
use crate::error::{CheckResult, ensure, same};

pub(super) async fn a_shorter_period_applies_to_windows_that_have_begun(
    fixture: CounterFixture,
) -> CheckResult {
    let long = Rate { per: HOUR * 24, ..hourly(1) };
    fixture.fail(FAILED_ANN, long).await?;
    let window = fixture.counters.failures(&FAILED_ANN, hourly(1), fixture.now).await?;
    about("the rest of the window", HOUR, window.map_or(Duration::ZERO, |it| it.ends_in))
}

pub(super) async fn a_caller_with_a_wrong_clock_changes_nothing(
    mut fixture: CounterFixture,
) -> CheckResult {
    if !fixture.has_clock() {
        return Ok(());
    }
    let (rate, right) = (hourly(1), fixture.now);
    fixture.request(ANN, rate).await?;
    fixture.fail(FAILED_ANN, rate).await?;
    for wrong in [right.plus(HOUR * 48), right.minus(HOUR * 48)] {
        fixture.now = wrong;
        let wait = fixture.request(ANN, rate).await?;
        ensure(wait.is_some(), || "a wrong clock refills a budget".to_owned())?;
        same("whether a failure counts", &false, &fixture.fail(FAILED_ANN, rate).await?.0)?;
        same("the failures", &1, &fixture.failures(FAILED_ANN, rate).await?)?;
    }
    fixture.now = right;
    about("the wait", HOUR, fixture.request(ANN, rate).await?.unwrap_or_default())?;
    about("the rest of the window", HOUR, fixture.fail(FAILED_ANN, rate).await?.1.ends_in)
}
