//! Counters that replicas share, measured.

use std::time::Duration;

use aquaware_core::limits::{CounterKey, Rate, Window};
use aquaware_core::store::{Counters, StoreError};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;

use super::Observed;

#[async_trait]
impl<S: Counters + ?Sized> Counters for Observed<S> {
    async fn request(
        &self,
        key: &CounterKey,
        rate: Rate,
        now: Timestamp,
    ) -> Result<Option<Duration>, StoreError> {
        self.measure("request", self.store.request(key, rate, now)).await
    }

    async fn failures(
        &self,
        key: &CounterKey,
        rate: Rate,
        now: Timestamp,
    ) -> Result<Option<Window>, StoreError> {
        self.measure("failures", self.store.failures(key, rate, now)).await
    }

    async fn fail(
        &self,
        key: &CounterKey,
        rate: Rate,
        now: Timestamp,
    ) -> Result<(bool, Window), StoreError> {
        self.measure("fail", self.store.fail(key, rate, now)).await
    }

    async fn take_back(&self, key: &CounterKey, at_most: u32) -> Result<(), StoreError> {
        self.measure("take_back", self.store.take_back(key, at_most)).await
    }

    async fn clear(
        &self,
        key: &CounterKey,
        below: u32,
        rate: Rate,
        now: Timestamp,
    ) -> Result<Option<Window>, StoreError> {
        self.measure("clear", self.store.clear(key, below, rate, now)).await
    }
}
