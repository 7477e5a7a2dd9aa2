//! Claims, failed attempts and removals of one entry.

use aquaware_core::outbox::OutboxEntry;

use super::steps::{claim, claimed, claims_only, entry};
use crate::error::{CheckResult, ensure, same};
use crate::fixture::OutboxFixture;
use crate::sample::{FIRST_INSTANT, later};

pub(super) async fn an_entry_is_claimed_unchanged(fixture: OutboxFixture) -> CheckResult {
    let store = fixture.store();
    let full = OutboxEntry {
        queue: "q".repeat(255),
        kind: "k".repeat(64),
        payload: format!("{{\"text\":\"\u{1F41F} \\u0000 ' \\\" {}\"}}", "x".repeat(60_000)),
        created_at: FIRST_INSTANT,
        ..entry("", 1)
    };
    store.append(&full).await?;
    claims_only(store, 0, &full).await.map(drop)
}

pub(super) async fn an_entry_is_not_claimed_before_it_is_due(
    fixture: OutboxFixture,
) -> CheckResult {
    let store = fixture.store();
    let entry = OutboxEntry { due_at: later(5), ..entry("ann", 1) };
    store.append(&entry).await?;
    same("an early claim", &vec![], &claim(store, 4, 10).await?)?;
    claims_only(store, 5, &entry).await.map(drop)
}

pub(super) async fn a_claimed_entry_is_claimed_again_when_its_lease_ends(
    fixture: OutboxFixture,
) -> CheckResult {
    let store = fixture.store();
    store.append(&entry("ann", 1)).await?;
    claims_only(store, 0, &entry("ann", 1)).await?;
    same("a claim during the lease", &vec![], &claim(store, 59, 10).await?)?;
    claims_only(store, 60, &entry("ann", 1)).await.map(drop)
}

pub(super) async fn a_sender_whose_lease_ended_changes_nothing(
    fixture: OutboxFixture,
) -> CheckResult {
    let store = fixture.store();
    store.append(&entry("ann", 1)).await?;
    let old = claims_only(store, 0, &entry("ann", 1)).await?;
    let new = claims_only(store, 60, &entry("ann", 1)).await?;
    same("the removal by the old claim", &false, &store.remove(&old).await?)?;
    same("the retry by the old claim", &false, &store.retry_at(&old, later(1), 7).await?)?;
    same("a claim during the lease", &vec![], &claim(store, 70, 10).await?)?;
    same("the removal by the new claim", &true, &store.remove(&new).await?)?;
    same("the retry of a removed entry", &false, &store.retry_at(&new, later(1), 7).await?)?;
    same("the count", &0, &store.count(10).await?)
}

pub(super) async fn a_failed_attempt_is_counted_and_postponed(
    fixture: OutboxFixture,
) -> CheckResult {
    let store = fixture.store();
    store.append(&entry("ann", 1)).await?;
    let first = claims_only(store, 0, &entry("ann", 1)).await?;
    same("the retry", &true, &store.retry_at(&first, later(30), 1).await?)?;
    same("an early claim", &vec![], &claim(store, 29, 10).await?)?;
    let expected = OutboxEntry { attempts: 1, ..entry("ann", 1) };
    let second = claims_only(store, 30, &expected).await?;
    same("the second retry", &true, &store.retry_at(&second, later(95), 2).await?)?;
    claims_only(store, 95, &OutboxEntry { attempts: 2, ..expected }).await.map(drop)
}

pub(super) async fn a_removed_entry_is_gone(fixture: OutboxFixture) -> CheckResult {
    let store = fixture.store();
    store.append(&entry("ann", 1)).await?;
    let first = claims_only(store, 0, &entry("ann", 1)).await?;
    same("the removal", &true, &store.remove(&first).await?)?;
    same("a second removal", &false, &store.remove(&first).await?)?;
    same("a later claim", &vec![], &claim(store, 600, 10).await?)
}

pub(super) async fn claims_respect_their_limit(fixture: OutboxFixture) -> CheckResult {
    let store = fixture.store();
    for number in 0..5 {
        store.append(&entry(&format!("q{number}"), number)).await?;
    }
    same("a claim of none", &vec![], &claim(store, 0, 0).await?)?;
    for expected in [2, 2, 1, 0] {
        same("the number of claimed entries", &expected, &claim(store, 0, 2).await?.len())?;
    }
    Ok(())
}

pub(super) async fn appending_a_stored_entry_changes_nothing(
    fixture: OutboxFixture,
) -> CheckResult {
    let store = fixture.store();
    store.append(&entry("ann", 1)).await?;
    let first = claims_only(store, 0, &entry("ann", 1)).await?;
    store.append(&OutboxEntry { payload: "{}".to_owned(), ..entry("bob", 1) }).await?;
    same("the count", &1, &store.count(10).await?)?;
    same("a claim during the lease", &vec![], &claim(store, 1, 10).await?)?;
    let kept = claimed(&entry("ann", 1), first.due_at);
    same("the entry", &kept, &first)?;
    claims_only(store, 60, &entry("ann", 1)).await.map(drop)
}

pub(super) async fn the_count_respects_its_limit(fixture: OutboxFixture) -> CheckResult {
    let store = fixture.store();
    same("the count of an empty outbox", &0, &store.count(10).await?)?;
    for number in 0..5 {
        store.append(&entry("ann", number)).await?;
    }
    same("the count", &5, &store.count(10).await?)?;
    let limited = store.count(3).await?;
    ensure(limited == 3, || format!("the count up to 3 is {limited}"))
}
