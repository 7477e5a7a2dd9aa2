//! Entries of the outbox: what a request leaves to be sent after it has been answered.
//!
//! An entry contains no secret. A message that needs a token names what the token is about, and the
//! token is signed when the message is delivered. The port is [`Outbox`](crate::store::Outbox).

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use uuid::Uuid;

use crate::random::Random;
use crate::time::Timestamp;

/// Something to send: an event for a webhook, or a message to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxEntry {
    /// The entry's id, which its receiver gets with every attempt.
    pub id: EntryId,
    /// The entries with one value are sent in the order in which they were appended. The id of an
    /// account, or another key of 1 to 255 bytes without control characters.
    pub queue: String,
    /// What it is, such as `login_succeeded`: 1 to 64 bytes.
    pub kind: String,
    /// The content in JSON, at most [`MAX_PAYLOAD_BYTES`].
    pub payload: String,
    /// When the entry was made.
    pub created_at: Timestamp,
    /// When it is to be sent next. For a claimed entry, the end of the claim.
    pub due_at: Timestamp,
    /// The number of attempts that failed.
    pub attempts: u32,
}

/// The longest payload that every store accepts.
pub const MAX_PAYLOAD_BYTES: usize = 65_535;

impl OutboxEntry {
    /// A new entry that is due at `now`.
    #[must_use]
    pub fn new(
        queue: impl Into<String>,
        kind: impl Into<String>,
        payload: impl Into<String>,
        now: Timestamp,
        random: &dyn Random,
    ) -> Self {
        Self {
            id: EntryId::new(now, random),
            queue: queue.into(),
            kind: kind.into(),
            payload: payload.into(),
            created_at: now,
            due_at: now,
            attempts: 0,
        }
    }
}

/// The id of an [`OutboxEntry`]: a UUID of version 7 (RFC 9562).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId([u8; 16]);

impl EntryId {
    /// A new id.
    #[must_use]
    pub fn new(now: Timestamp, random: &dyn Random) -> Self {
        let mut bytes = [0; 10];
        random.fill(&mut bytes);
        let millis = u64::try_from(now.millis()).unwrap_or(0);
        Self(*uuid::Builder::from_unix_timestamp_millis(millis, &bytes).as_uuid().as_bytes())
    }

    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes of the id.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).hyphenated().fmt(f)
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryId({self})")
    }
}

/// The text is not the id of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not the id of an outbox entry")]
pub struct InvalidEntryIdError;

impl FromStr for EntryId {
    type Err = InvalidEntryIdError;

    fn from_str(text: &str) -> Result<Self, InvalidEntryIdError> {
        let id = Uuid::try_parse(text).map(|uuid| Self(*uuid.as_bytes()));
        id.ok().filter(|id| id.to_string() == text).ok_or(InvalidEntryIdError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn ids_are_uuids_of_version_7_in_the_order_of_their_instants() {
        let id = |millis| EntryId::new(Timestamp::from_millis(millis), &SystemRandom);
        let text = id(1_790_000_000_000).to_string();
        assert_eq!(text.as_bytes().get(14), Some(&b'7'), "{text}");
        assert!(id(1_790_000_000_000) < id(1_790_000_000_001));
        assert_ne!(id(5), id(5));
    }

    #[test]
    fn only_the_canonical_text_is_an_id() {
        let id = EntryId::from_bytes([0xAB; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        let upper = id.to_string().to_uppercase();
        for text in ["", "1", &upper, &format!("{{{id}}}"), &id.to_string().replace('-', "")] {
            assert_eq!(text.parse::<EntryId>(), Err(InvalidEntryIdError), "{text}");
        }
    }
}
