//! Several senders and requests at once.

use std::collections::BTreeSet;

use aquaware_core::outbox::OutboxEntry;

use super::steps::{claim, claims_only, entry};
use crate::concurrent::run_concurrently;
use crate::error::{CheckError, CheckResult, ensure, same};
use crate::fixture::OutboxFixture;

fn ids(entries: &[OutboxEntry]) -> BTreeSet<String> {
    entries.iter().map(|entry| entry.id.to_string()).collect()
}

/// Fails unless every entry is there once.
fn each_once(expected: usize, found: &[OutboxEntry]) -> CheckResult {
    same("the number of claimed entries", &expected, &found.len())?;
    same("the number of different entries", &expected, &ids(found).len())
}

pub(super) async fn concurrent_claims_return_each_entry_once(
    fixture: OutboxFixture,
) -> CheckResult {
    let count = 100;
    for number in 0..count {
        fixture.store().append(&entry(&format!("q{number}"), number)).await?;
    }
    let found = run_concurrently(fixture.handles(8).await, |position, store| async move {
        let mut found = Vec::new();
        // The senders' clocks differ, and so do the ends of their leases.
        for _ in 0..20 {
            found.extend(claim(&*store, position as u64, 7).await?);
        }
        Ok(found)
    })
    .await?;
    let mut found = found.concat();
    found.extend(claim(fixture.store(), 0, 100).await?);
    each_once(usize::try_from(count).unwrap_or_default(), &found)
}

pub(super) async fn concurrent_removals_succeed_once(fixture: OutboxFixture) -> CheckResult {
    for round in 0..fixture.settings().rounds as u64 {
        fixture.store().append(&entry("ann", round)).await?;
        let claimed = claims_only(fixture.store(), 0, &entry("ann", round)).await?;
        let done = run_concurrently(fixture.all_handles().await, |_, store| {
            let claimed = claimed.clone();
            async move { Ok(store.remove(&claimed).await?) }
        })
        .await?;
        let done = done.into_iter().filter(|done| *done).count();
        same("the number of removals that succeeded", &1, &done)?;
    }
    Ok(())
}

/// The last entry of a queue is removed while others are appended.
pub(super) async fn no_entry_is_lost_while_its_queue_is_emptied(
    fixture: OutboxFixture,
) -> CheckResult {
    let writers = 4;
    let laps = 25;
    let sent = run_concurrently(fixture.handles(writers + 1).await, |position, store| async move {
        let mut sent = Vec::new();
        for lap in 0..laps {
            if position < writers {
                store.append(&entry("ann", position as u64 * 1_000 + lap)).await?;
            } else {
                while let Some(next) = claim(&*store, lap, 10).await?.pop() {
                    ensure(store.remove(&next).await?, || "a claim was lost".to_owned())?;
                    sent.push(next);
                }
            }
            tokio::task::yield_now().await;
        }
        Ok(sent)
    })
    .await?;
    let mut sent = sent.concat();
    while let Some(next) = claim(fixture.store(), 1_000, 10).await?.pop() {
        same("the removal", &true, &fixture.store().remove(&next).await?)?;
        sent.push(next);
    }
    each_once(writers * usize::try_from(laps).unwrap_or_default(), &sent)?;
    for writer in 0..writers as u64 {
        let numbers = (0..laps).map(|lap| entry("ann", writer * 1_000 + lap).id);
        let expected: Vec<_> = numbers.collect();
        let found = sent.iter().map(|entry| entry.id).filter(|id| expected.contains(id));
        same("the order of one writer's entries", &expected, &found.collect())?;
    }
    Ok(())
}

pub(super) async fn ten_thousand_entries_are_claimed_once(fixture: OutboxFixture) -> CheckResult {
    let handles = fixture.all_handles().await;
    let writers = handles.len() as u64;
    let total = fixture.settings().generations;
    run_concurrently(handles, |position, store| async move {
        for number in (position as u64..total).step_by(usize::try_from(writers).unwrap_or(1)) {
            // Two entries each.
            store.append(&entry(&format!("q{}", number / 2), number)).await?;
        }
        Ok(())
    })
    .await?;
    let limit = u32::try_from(total).map_err(|_| CheckError::new("too many entries"))?;
    same("the count", &limit, &fixture.store().count(u32::MAX).await?)?;
    let mut found = Vec::new();
    loop {
        let more = claim(fixture.store(), 0, 250).await?;
        if more.is_empty() {
            break;
        }
        found.extend(more);
    }
    each_once(usize::try_from(total.div_ceil(2)).unwrap_or_default(), &found)
}
