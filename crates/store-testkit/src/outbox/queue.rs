//! The order of a queue, and its independence of others.

use aquaware_core::outbox::OutboxEntry;

use super::steps::{claim, claims_only, entry};
use crate::error::{CheckResult, same, same_items};
use crate::fixture::OutboxFixture;
use crate::sample::later;

fn payloads(entries: &[OutboxEntry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.payload.as_str()).collect()
}

pub(super) async fn a_queue_is_claimed_in_the_order_of_appending(
    fixture: OutboxFixture,
) -> CheckResult {
    let store = fixture.store();
    let order = [5, 1, 12, 7, 2, 30, 0];
    for number in order {
        store.append(&entry("ann", number)).await?;
    }
    for number in order {
        let first = claims_only(store, 0, &entry("ann", number)).await?;
        same("a claim of the same queue", &vec![], &claim(store, 1, 10).await?)?;
        same("the removal", &true, &store.remove(&first).await?)?;
    }
    same("the count", &0, &store.count(10).await?)
}

pub(super) async fn a_queue_that_waits_does_not_delay_others(
    fixture: OutboxFixture,
) -> CheckResult {
    let store = fixture.store();
    for number in 0..3 {
        store.append(&entry("ann", number)).await?;
    }
    let first = claims_only(store, 0, &entry("ann", 0)).await?;
    same("the retry", &true, &store.retry_at(&first, later(3_600), 1).await?)?;
    store.append(&entry("bob", 10)).await?;
    store.append(&entry("ann", 3)).await?;
    let other = claims_only(store, 1, &entry("bob", 10)).await?;
    same("the removal", &true, &store.remove(&other).await?)?;
    same("a claim before the retry", &vec![], &claim(store, 3_599, 10).await?)?;
    let again = OutboxEntry { attempts: 1, ..entry("ann", 0) };
    let again = claims_only(store, 3_600, &again).await?;
    same("the removal", &true, &store.remove(&again).await?)?;
    for number in 1..4 {
        let next = claims_only(store, 3_600, &entry("ann", number)).await?;
        same("the removal", &true, &store.remove(&next).await?)?;
    }
    Ok(())
}

/// Among them are names of which one begins with another.
pub(super) async fn similar_queues_are_different(fixture: OutboxFixture) -> CheckResult {
    let store = fixture.store();
    let names = ["a", "A", "a ", "ab", "\u{e4}", "a\u{308}", "1", "1:a", "1:a:0", "3:1:a"];
    for (number, name) in (0..).zip(names) {
        store.append(&entry(name, number)).await?;
    }
    let found = claim(store, 0, 100).await?;
    let found: Vec<&str> = found.iter().map(|entry| entry.queue.as_str()).collect();
    same_items("the claimed queues", names.to_vec(), found)
}

pub(super) async fn acknowledged_entries_survive_reopening(fixture: OutboxFixture) -> CheckResult {
    let store = fixture.store();
    for number in 0..4 {
        store.append(&entry("ann", number)).await?;
    }
    let first = claims_only(store, 0, &entry("ann", 0)).await?;
    store.remove(&first).await?;
    let second = claims_only(store, 0, &entry("ann", 1)).await?;
    store.retry_at(&second, later(9), 1).await?;
    let Some(fixture) = fixture.reopen().await? else { return Ok(()) };
    let store = fixture.store();
    same("an early claim", &vec![], &claim(store, 8, 10).await?)?;
    let mut sent = Vec::new();
    while let Some(next) = claim(store, 9, 10).await?.pop() {
        store.remove(&next).await?;
        sent.push(next);
    }
    let expected = [1, 2, 3].map(|number| entry("ann", number));
    same("the payloads", &payloads(&expected), &payloads(&sent))
}
