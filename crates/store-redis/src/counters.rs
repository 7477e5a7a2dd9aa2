//! The port for counters: one key per counter, which expires with its period by the server's clock.
//! The clocks of the replicas do not matter.

use std::time::Duration;

use aquaware_core::limits::{CounterKey, Rate, Window};
use aquaware_core::store::{Counters, StoreError};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;
use redis::Value;

use crate::scripts::{self, LuaScript};
use crate::store::{RedisStore, unexpected};

#[async_trait]
impl Counters for RedisStore {
    async fn request(
        &self,
        key: &CounterKey,
        rate: Rate,
        _: Timestamp,
    ) -> Result<Option<Duration>, StoreError> {
        let interval = rate.interval_micros();
        if interval == 0 {
            return Ok(None);
        }
        let arguments = [interval.to_string(), rate.refill_micros().to_string()];
        let [wait] = self.count(&scripts::COUNTER_REQUEST, key, &arguments).await?;
        Ok((wait > 0).then(|| Duration::from_micros(wait)))
    }

    async fn failures(
        &self,
        key: &CounterKey,
        rate: Rate,
        now: Timestamp,
    ) -> Result<Option<Window>, StoreError> {
        self.clear(key, 0, rate, now).await
    }

    async fn fail(
        &self,
        key: &CounterKey,
        rate: Rate,
        _: Timestamp,
    ) -> Result<(bool, Window), StoreError> {
        let arguments = [rate.count.to_string(), millis(rate)];
        let [counted, failures, left] = self.count(&scripts::COUNTER_FAIL, key, &arguments).await?;
        Ok((counted == 1, window(failures, left)))
    }

    async fn take_back(&self, key: &CounterKey, at_most: u32) -> Result<(), StoreError> {
        let [_] = self.count(&scripts::COUNTER_TAKE_BACK, key, &[at_most.to_string()]).await?;
        Ok(())
    }

    async fn clear(
        &self,
        key: &CounterKey,
        below: u32,
        rate: Rate,
        _: Timestamp,
    ) -> Result<Option<Window>, StoreError> {
        let arguments = [below.to_string(), millis(rate)];
        let [failures, left] = self.count(&scripts::COUNTER_CLEAR, key, &arguments).await?;
        Ok((failures > 0).then(|| window(failures, left)))
    }
}

impl RedisStore {
    /// Runs a script on a counter. Its result is a number, or as many as are expected.
    async fn count<const N: usize>(
        &self,
        script: &LuaScript,
        key: &CounterKey,
        arguments: &[String],
    ) -> Result<[u64; N], StoreError> {
        let arguments: Vec<&[u8]> = arguments.iter().map(String::as_bytes).collect();
        let key = self.keys.counter(key);
        let number = |value| match value {
            Value::Int(number) => u64::try_from(number).ok(),
            _ => None,
        };
        let numbers: Option<Vec<u64>> =
            match self.run(script, &key, &arguments, self.deadline()).await? {
                Value::Array(values) => values.into_iter().map(number).collect(),
                value => number(value).map(|number| vec![number]),
            };
        numbers.and_then(|numbers| numbers.try_into().ok()).ok_or_else(unexpected)
    }
}

/// The period in whole milliseconds, at least one.
fn millis(rate: Rate) -> String {
    const MAX_MILLIS: u128 = 100 * 366 * 86_400 * 1000;
    rate.per.as_millis().clamp(1, MAX_MILLIS).to_string()
}

fn window(failures: u64, left: u64) -> Window {
    let failures = u32::try_from(failures).unwrap_or(u32::MAX);
    Window { failures, ends_in: Duration::from_millis(left) }
}
