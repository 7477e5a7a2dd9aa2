//! An entry of the outbox as plain values.

use serde::{Deserialize, Serialize};

use super::base64url;
use crate::outbox::{EntryId, OutboxEntry};
use crate::store::StoreError;
use crate::time::Timestamp;

/// An entry of the outbox as a store keeps it. Times are milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredEntry {
    /// [`OutboxEntry::id`], 16 bytes.
    #[serde(with = "base64url")]
    pub id: Vec<u8>,
    /// [`OutboxEntry::queue`].
    pub queue: String,
    /// [`OutboxEntry::kind`].
    pub kind: String,
    /// [`OutboxEntry::payload`].
    pub payload: String,
    /// [`OutboxEntry::created_at`].
    pub created_at: i64,
    /// [`OutboxEntry::due_at`].
    pub due_at: i64,
    /// [`OutboxEntry::attempts`].
    pub attempts: i64,
}

impl From<&OutboxEntry> for StoredEntry {
    fn from(entry: &OutboxEntry) -> Self {
        let OutboxEntry { id, queue, kind, payload, created_at, due_at, attempts } = entry;
        Self {
            id: id.as_bytes().to_vec(),
            queue: queue.clone(),
            kind: kind.clone(),
            payload: payload.clone(),
            created_at: created_at.millis(),
            due_at: due_at.millis(),
            attempts: i64::from(*attempts),
        }
    }
}

impl StoredEntry {
    /// The entry these values stand for.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], naming the first invalid field.
    pub fn into_entry(self) -> Result<OutboxEntry, StoreError> {
        let Self { id, queue, kind, payload, created_at, due_at, attempts } = self;
        let id: [u8; 16] =
            id.try_into().map_err(|_| StoreError::corrupt("outbox entry", "id: not 16 bytes"))?;
        let id = EntryId::from_bytes(id);
        let attempts = u32::try_from(attempts).map_err(|_| {
            StoreError::corrupt(format!("outbox entry {id}"), "attempts: out of range")
        })?;
        Ok(OutboxEntry {
            id,
            queue,
            kind,
            payload,
            created_at: Timestamp::from_millis(created_at),
            due_at: Timestamp::from_millis(due_at),
            attempts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> OutboxEntry {
        OutboxEntry {
            id: EntryId::from_bytes([7; 16]),
            queue: "a-1".to_owned(),
            kind: "login_succeeded".to_owned(),
            payload: "{}".to_owned(),
            created_at: Timestamp::from_millis(-1),
            due_at: Timestamp::from_millis(i64::MAX),
            attempts: u32::MAX,
        }
    }

    #[test]
    fn entries_round_trip() {
        let stored = StoredEntry::from(&entry());
        let json = serde_json::to_string(&stored).unwrap();
        assert_eq!(serde_json::from_str::<StoredEntry>(&json).unwrap(), stored, "{json}");
        assert_eq!(stored.into_entry().unwrap(), entry());
    }

    #[test]
    fn invalid_values_of_an_entry_are_reported_by_field() {
        let stored = StoredEntry::from(&entry());
        for (field, damaged) in [
            ("id", StoredEntry { id: vec![7; 15], ..stored.clone() }),
            ("attempts", StoredEntry { attempts: -1, ..stored }),
        ] {
            let error = damaged.into_entry().unwrap_err().to_string();
            assert!(error.contains(field), "{error}");
        }
    }
}
