//! Budgets of requests.

use std::time::Duration;

use super::fixture::{ANN, BOB, CounterFixture, HOUR, about, hourly};
use crate::concurrent::run_concurrently;
use crate::error::{CheckResult, ensure, same};

pub(super) async fn a_budget_allows_a_burst_and_refills_continuously(
    mut fixture: CounterFixture,
) -> CheckResult {
    let rate = hourly(4);
    for _ in 0..4 {
        same("a request within the budget", &None, &fixture.request(ANN, rate).await?)?;
    }
    let wait = fixture.request(ANN, rate).await?.unwrap_or_default();
    about("the wait with an empty budget", HOUR / 4, wait)?;
    fixture.pass(HOUR / 2).await;
    for _ in 0..2 {
        same("a request after half an hour", &None, &fixture.request(ANN, rate).await?)?;
    }
    let wait = fixture.request(ANN, rate).await?.unwrap_or_default();
    about("the wait after half an hour", HOUR / 4, wait)?;
    // A budget is never larger than full.
    fixture.pass(HOUR * 24).await;
    for _ in 0..4 {
        same("a request after a day", &None, &fixture.request(ANN, rate).await?)?;
    }
    ensure(fixture.request(ANN, rate).await?.is_some(), || "a budget is more than full".to_owned())
}

pub(super) async fn a_rejected_request_changes_nothing(mut fixture: CounterFixture) -> CheckResult {
    let rate = hourly(1);
    same("the first request", &None, &fixture.request(ANN, rate).await?)?;
    for _ in 0..5 {
        about("the wait", HOUR, fixture.request(ANN, rate).await?.unwrap_or_default())?;
    }
    fixture.pass(HOUR).await;
    same("a request after the wait", &None, &fixture.request(ANN, rate).await?)
}

pub(super) async fn budgets_of_different_keys_are_separate(fixture: CounterFixture) -> CheckResult {
    for key in [ANN, BOB] {
        same("the first request of a key", &None, &fixture.request(key, hourly(1)).await?)?;
    }
    Ok(())
}

pub(super) async fn concurrent_requests_get_the_budget_and_no_more(
    fixture: CounterFixture,
) -> CheckResult {
    let now = fixture.now;
    let waits: Vec<Option<Duration>> =
        run_concurrently(fixture.handles(32).await, |_, counters| async move {
            Ok(counters.request(&ANN, hourly(10), now).await?)
        })
        .await?;
    let allowed = waits.iter().filter(|wait| wait.is_none()).count();
    same("the number of requests that were allowed", &10, &allowed)
}
