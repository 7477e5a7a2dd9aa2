//! Counters for tests.

use std::time::Duration;

use aquaware_core::limits::{CounterKey, Rate, Window};
use aquaware_core::store::{Counters, StoreError};
use aquaware_core::time::Timestamp;
use async_trait::async_trait;

/// Counters in a store that does not answer.
#[derive(Debug)]
pub(crate) struct Unreachable;

fn away<T>() -> Result<T, StoreError> {
    Err(StoreError::Unreachable("away".into()))
}

#[async_trait]
impl Counters for Unreachable {
    async fn request(
        &self,
        _: &CounterKey,
        _: Rate,
        _: Timestamp,
    ) -> Result<Option<Duration>, StoreError> {
        away()
    }

    async fn failures(
        &self,
        _: &CounterKey,
        _: Rate,
        _: Timestamp,
    ) -> Result<Option<Window>, StoreError> {
        away()
    }

    async fn fail(
        &self,
        _: &CounterKey,
        _: Rate,
        _: Timestamp,
    ) -> Result<(bool, Window), StoreError> {
        away()
    }

    async fn take_back(&self, _: &CounterKey, _: u32) -> Result<(), StoreError> {
        away()
    }

    async fn clear(
        &self,
        _: &CounterKey,
        _: u32,
        _: Rate,
        _: Timestamp,
    ) -> Result<Option<Window>, StoreError> {
        away()
    }
}
