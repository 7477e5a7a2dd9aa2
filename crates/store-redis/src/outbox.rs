//! The outbox port: four keys on one node, so that each step is one script.
//!
//! The entries are a hash of records. A sorted set in byte order has one member per entry, made of its
//! queue, its position and its id, so the first entry of a queue is found without the others. A sorted
//! set of the queues has the instant when the first entry of each is due, or the end of its claim.

use aquaware_core::outbox::{EntryId, OutboxEntry};
use aquaware_core::store::{Outbox, StoreError, StoredEntry};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;
use redis::Value;

use crate::record::bytes;
use crate::scripts::{self, LuaScript};
use crate::store::{RedisStore, unexpected};

#[async_trait]
impl Outbox for RedisStore {
    async fn append(&self, entry: &OutboxEntry) -> Result<(), StoreError> {
        let record = serde_json::to_string(&StoredEntry::from(entry));
        let record = record.map_err(|error| StoreError::Rejected(error.into()))?;
        let (id, due_at) = (entry.id.to_string(), entry.due_at.millis().to_string());
        let arguments = [&id, &entry.queue, &record, &due_at];
        self.on_outbox(&scripts::OUTBOX_APPEND, &arguments).await.map(drop)
    }

    async fn claim(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        at_most: u32,
    ) -> Result<Vec<OutboxEntry>, StoreError> {
        let arguments = [now.millis(), lease_until.millis(), at_most.into()];
        let [now, until, at_most] = arguments.map(|number: i64| number.to_string());
        let claimed = self.on_outbox(&scripts::OUTBOX_CLAIM, &[&now, &until, &at_most]).await?;
        let Value::Array(claimed) = claimed else { return Err(unexpected()) };
        let mut fields = claimed.into_iter().map(text);
        let mut entries = Vec::new();
        while let (Some(id), Some(record), Some(attempts)) =
            (fields.next(), fields.next(), fields.next())
        {
            entries.push(claimed_entry(&id?, &record?, &attempts?, lease_until)?);
        }
        Ok(entries)
    }

    async fn retry_at(
        &self,
        claimed: &OutboxEntry,
        at: Timestamp,
        attempts: u32,
    ) -> Result<bool, StoreError> {
        let (id, claim) = (claimed.id.to_string(), claimed.due_at.millis().to_string());
        let (at, attempts) = (at.millis().to_string(), attempts.to_string());
        let arguments = [&id, &claimed.queue, &claim, &at, &attempts];
        is_one(&self.on_outbox(&scripts::OUTBOX_RETRY, &arguments).await?)
    }

    async fn remove(&self, claimed: &OutboxEntry) -> Result<bool, StoreError> {
        let (id, claim) = (claimed.id.to_string(), claimed.due_at.millis().to_string());
        let arguments = [&id, &claimed.queue, &claim];
        is_one(&self.on_outbox(&scripts::OUTBOX_REMOVE, &arguments).await?)
    }

    async fn count(&self, at_most: u32) -> Result<u32, StoreError> {
        let [_, order, ..] = self.keys.outbox();
        match self.send(redis::cmd("ZCARD").arg(&order), &order, self.deadline()).await? {
            Value::Int(count) => Ok(u32::try_from(count).unwrap_or(u32::MAX).min(at_most)),
            _ => Err(unexpected()),
        }
    }
}

impl RedisStore {
    async fn on_outbox(
        &self,
        script: &LuaScript,
        arguments: &[&String],
    ) -> Result<Value, StoreError> {
        let keys = self.keys.outbox();
        let arguments: Vec<&[u8]> = arguments.iter().map(|text| text.as_bytes()).collect();
        self.run_on(script, &keys.each_ref().map(String::as_str), &arguments, self.deadline()).await
    }
}

fn claimed_entry(
    id: &str,
    record: &str,
    attempts: &str,
    lease_until: Timestamp,
) -> Result<OutboxEntry, StoreError> {
    let corrupt = |what| {
        let key = format!("outbox entry {}", id.escape_debug());
        StoreError::corrupt(key, what)
    };
    let _: EntryId = id.parse().map_err(|_| corrupt("id: not a UUID"))?;
    let stored: StoredEntry =
        serde_json::from_str(record).map_err(|_| corrupt("not a stored record in JSON"))?;
    let attempts = attempts.parse().map_err(|_| corrupt("attempts: not a number"))?;
    StoredEntry { due_at: lease_until.millis(), attempts, ..stored }.into_entry()
}

fn text(value: Value) -> Result<String, StoreError> {
    let text = bytes(value).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| StoreError::corrupt("outbox entry", "not text"))
}

fn is_one(value: &Value) -> Result<bool, StoreError> {
    match value {
        Value::Int(number) => Ok(*number == 1),
        _ => Err(unexpected()),
    }
}
