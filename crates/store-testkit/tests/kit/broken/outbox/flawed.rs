//! An outbox with one flaw.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use aquaware_core::outbox::OutboxEntry;
use aquaware_core::store::{Outbox, StoreError};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    PayloadsAreCut,
    ClaimIgnoresTheInstant,
    LeasesNeverEnd,
    ClaimsAreNotCompared,
    AttemptsAreForgotten,
    RemovedEntriesStay,
    LimitIsIgnored,
    AppendOverwrites,
    CountIgnoresItsLimit,
    OrderIsThatOfIds,
    OneQueueForAll,
    QueuesIgnoreCase,
    ForgetsOnReopening,
    ClaimIsNotAtomic,
    RemoveIsNotAtomic,
    AppendIsNotAtomic,
    OldEntriesAreDropped,
}

#[derive(Debug)]
pub(super) struct Flawed {
    flaw: Flaw,
    pub(super) entries: Arc<Mutex<Vec<OutboxEntry>>>,
}

impl Flawed {
    pub(super) fn over(flaw: Flaw, entries: Arc<Mutex<Vec<OutboxEntry>>>) -> Self {
        Self { flaw, entries }
    }

    fn queue(&self, entry: &OutboxEntry) -> String {
        match self.flaw {
            Flaw::OneQueueForAll => String::new(),
            Flaw::QueuesIgnoreCase => entry.queue.to_lowercase(),
            _ => entry.queue.clone(),
        }
    }

    fn change(&self, claimed: &OutboxEntry, change: impl FnOnce(&mut OutboxEntry)) -> bool {
        let mut entries = self.entries.lock().unwrap();
        let any_claim = self.flaw == Flaw::ClaimsAreNotCompared;
        let found = entries
            .iter_mut()
            .find(|it| it.id == claimed.id && (any_claim || it.due_at == claimed.due_at));
        found.map(change).is_some()
    }

    /// Reads the entries and lets another task run before they are written back.
    async fn read_early(&self, flaw: Flaw) -> Option<Vec<OutboxEntry>> {
        let entries = (self.flaw == flaw).then(|| self.entries.lock().unwrap().clone());
        if entries.is_some() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        entries
    }
}

#[async_trait]
impl Outbox for Flawed {
    async fn append(&self, entry: &OutboxEntry) -> Result<(), StoreError> {
        let mut entry = entry.clone();
        if self.flaw == Flaw::PayloadsAreCut {
            entry.payload.truncate(4096);
        }
        let before = self.read_early(Flaw::AppendIsNotAtomic).await;
        let mut stored = self.entries.lock().unwrap();
        let mut entries = before.unwrap_or_else(|| std::mem::take(&mut stored));
        match entries.iter_mut().find(|other| other.id == entry.id) {
            Some(other) if self.flaw == Flaw::AppendOverwrites => *other = entry,
            Some(_) => {}
            None => entries.push(entry),
        }
        if self.flaw == Flaw::OrderIsThatOfIds {
            entries.sort_by_key(|entry| entry.id);
        }
        if self.flaw == Flaw::OldEntriesAreDropped && entries.len() > 5_000 {
            entries.remove(0);
        }
        *stored = entries;
        Ok(())
    }

    async fn claim(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        at_most: u32,
    ) -> Result<Vec<OutboxEntry>, StoreError> {
        let due = |entry: &&mut OutboxEntry| {
            entry.due_at <= now || self.flaw == Flaw::ClaimIgnoresTheInstant
        };
        let lease_until = match self.flaw {
            Flaw::LeasesNeverEnd => Timestamp::from_millis(i64::MAX),
            _ => lease_until,
        };
        let limit = if self.flaw == Flaw::LimitIsIgnored { u32::MAX } else { at_most };
        let before = self.read_early(Flaw::ClaimIsNotAtomic).await;
        let mut stored = self.entries.lock().unwrap();
        let mut entries = before.unwrap_or_else(|| std::mem::take(&mut stored));
        let mut queues = HashSet::new();
        let first = entries.iter_mut().filter(|entry| queues.insert(self.queue(entry)));
        let claimed: Vec<OutboxEntry> = first
            .filter(due)
            .take(limit as usize)
            .map(|entry| {
                entry.due_at = lease_until;
                entry.clone()
            })
            .collect();
        *stored = entries;
        Ok(claimed)
    }

    async fn retry_at(
        &self,
        claimed: &OutboxEntry,
        at: Timestamp,
        attempts: u32,
    ) -> Result<bool, StoreError> {
        Ok(self.change(claimed, |entry| {
            entry.due_at = at;
            if self.flaw != Flaw::AttemptsAreForgotten {
                entry.attempts = attempts;
            }
        }))
    }

    async fn remove(&self, claimed: &OutboxEntry) -> Result<bool, StoreError> {
        let found = self.change(claimed, |_| {});
        self.read_early(Flaw::RemoveIsNotAtomic).await;
        if found && self.flaw != Flaw::RemovedEntriesStay {
            self.entries.lock().unwrap().retain(|entry| entry.id != claimed.id);
        }
        Ok(found)
    }

    async fn count(&self, at_most: u32) -> Result<u32, StoreError> {
        let count = u32::try_from(self.entries.lock().unwrap().len()).unwrap();
        Ok(if self.flaw == Flaw::CountIgnoresItsLimit { count } else { count.min(at_most) })
    }
}
