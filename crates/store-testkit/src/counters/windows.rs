//! Windows of failures.

use super::fixture::{
    ANN, CounterFixture, FAILED_ANN, FAILED_BOB, FAILED_CLIENT, HOUR, about, hourly,
};
use crate::concurrent::run_concurrently;
use crate::error::{CheckResult, same};

pub(super) async fn failures_fill_a_window_and_no_more(fixture: CounterFixture) -> CheckResult {
    let rate = hourly(3);
    same("the failures at first", &0, &fixture.failures(FAILED_ANN, rate).await?)?;
    for (expected, number) in [(true, 1), (true, 2), (true, 3), (false, 3), (false, 3)] {
        let (counted, window) = fixture.fail(FAILED_ANN, rate).await?;
        same("whether a failure was counted", &expected, &counted)?;
        same("the failures", &number, &window.failures)?;
        about("the rest of the window", HOUR, window.ends_in)?;
        same("the failures of the window", &number, &fixture.failures(FAILED_ANN, rate).await?)?;
    }
    Ok(())
}

pub(super) async fn a_window_ends_after_its_period(mut fixture: CounterFixture) -> CheckResult {
    let rate = hourly(2);
    fixture.fail(FAILED_ANN, rate).await?;
    fixture.pass(HOUR / 2).await;
    let (_, window) = fixture.fail(FAILED_ANN, rate).await?;
    about("the rest of the window after its half", HOUR / 2, window.ends_in)?;
    fixture.pass(HOUR / 2).await;
    same("the failures after the period", &0, &fixture.failures(FAILED_ANN, rate).await?)?;
    let (counted, window) = fixture.fail(FAILED_ANN, rate).await?;
    same("whether the next failure counts", &(true, 1), &(counted, window.failures))?;
    about("the rest of the next window", HOUR, window.ends_in)
}

pub(super) async fn windows_of_different_keys_are_separate(fixture: CounterFixture) -> CheckResult {
    let rate = hourly(1);
    // A budget of the same caller is no window.
    fixture.request(ANN, rate).await?;
    for key in [FAILED_ANN, FAILED_BOB, FAILED_CLIENT] {
        same("the first failure of a key counts", &true, &fixture.fail(key, rate).await?.0)?;
    }
    Ok(())
}

pub(super) async fn taking_back_respects_its_limit(fixture: CounterFixture) -> CheckResult {
    let (rate, counters) = (hourly(5), &fixture.counters);
    counters.take_back(&FAILED_ANN, u32::MAX).await?;
    same("the failures of no window", &0, &fixture.failures(FAILED_ANN, rate).await?)?;
    for _ in 0..2 {
        fixture.fail(FAILED_ANN, rate).await?;
    }
    counters.take_back(&FAILED_ANN, 1).await?;
    same("the failures above the limit", &2, &fixture.failures(FAILED_ANN, rate).await?)?;
    counters.take_back(&FAILED_ANN, 2).await?;
    same("the failures at the limit", &1, &fixture.failures(FAILED_ANN, rate).await?)?;
    counters.take_back(&FAILED_ANN, u32::MAX).await?;
    same("the failures afterwards", &0, &fixture.failures(FAILED_ANN, rate).await?)?;
    about("the next window", HOUR, fixture.fail(FAILED_ANN, rate).await?.1.ends_in)
}

pub(super) async fn clearing_keeps_a_full_window(fixture: CounterFixture) -> CheckResult {
    let (rate, counters, now) = (hourly(2), &fixture.counters, fixture.now);
    same("clearing nothing", &None, &counters.clear(&FAILED_ANN, 2, rate, now).await?)?;
    fixture.fail(FAILED_ANN, rate).await?;
    same("clearing one failure", &None, &counters.clear(&FAILED_ANN, 2, rate, now).await?)?;
    same("the failures", &0, &fixture.failures(FAILED_ANN, rate).await?)?;
    for _ in 0..2 {
        fixture.fail(FAILED_ANN, rate).await?;
    }
    let kept = counters.clear(&FAILED_ANN, 2, rate, now).await?;
    same("the full window", &Some(2), &kept.map(|window| window.failures))?;
    same("the failures that stay", &2, &fixture.failures(FAILED_ANN, rate).await?)?;
    same("clearing at will", &None, &counters.clear(&FAILED_ANN, u32::MAX, rate, now).await?)?;
    same("the failures afterwards", &0, &fixture.failures(FAILED_ANN, rate).await?)
}

pub(super) async fn concurrent_failures_fill_a_window_and_no_more(
    fixture: CounterFixture,
) -> CheckResult {
    let now = fixture.now;
    let counted = run_concurrently(fixture.handles(32).await, |_, counters| async move {
        Ok(counters.fail(&FAILED_ANN, hourly(10), now).await?.0)
    })
    .await?;
    let counted = counted.into_iter().filter(|counted| *counted).count();
    same("the number of failures that were counted", &10, &counted)?;
    same("the failures", &10, &fixture.failures(FAILED_ANN, hourly(10)).await?)
}
