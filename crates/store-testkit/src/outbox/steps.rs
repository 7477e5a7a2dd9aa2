//! Entries, and claims as almost every check makes and verifies them.

use aquaware_core::outbox::{EntryId, OutboxEntry};
use aquaware_core::store::Outbox;
use aquaware_core::time::Timestamp;

use crate::error::{CheckError, same};
use crate::sample::{NOON, later};

/// The entry with this number in `queue`, due at noon. Neither its id nor its creation shows the order.
pub(super) fn entry(queue: &str, number: u64) -> OutboxEntry {
    let id = u128::from(number.reverse_bits()) << 64 | 0x5A;
    OutboxEntry {
        id: EntryId::from_bytes(id.to_be_bytes()),
        queue: queue.to_owned(),
        kind: "login_succeeded".to_owned(),
        payload: format!("{{\"number\":{number}}}"),
        created_at: NOON.minus(std::time::Duration::from_millis(number)),
        due_at: NOON,
        attempts: 0,
    }
}

/// Claims at `seconds` after noon for a minute.
pub(super) async fn claim(
    store: &dyn Outbox,
    seconds: u64,
    at_most: u32,
) -> Result<Vec<OutboxEntry>, CheckError> {
    Ok(store.claim(later(seconds), later(seconds + 60), at_most).await?)
}

/// The entry after a claim until `lease_until`.
pub(super) fn claimed(entry: &OutboxEntry, lease_until: Timestamp) -> OutboxEntry {
    OutboxEntry { due_at: lease_until, ..entry.clone() }
}

/// Claims at `seconds` after noon and expects this entry alone.
pub(super) async fn claims_only(
    store: &dyn Outbox,
    seconds: u64,
    expected: &OutboxEntry,
) -> Result<OutboxEntry, CheckError> {
    let found = claim(store, seconds, 10).await?;
    same("the claim", &vec![claimed(expected, later(seconds + 60))], &found)?;
    found.into_iter().next().ok_or_else(|| CheckError::new("no entry was claimed"))
}
