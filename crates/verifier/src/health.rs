//! The state of the keys and status lists, for readiness checks.

use std::sync::Arc;
use std::time::Duration;

use aquaware_token::time::Timestamp;

use crate::error::RefreshError;

/// What to do with keys or a status list that the issuer has not confirmed for longer than the
/// maximum staleness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StalePolicy {
    /// Rejects every token that depends on them, with 503, until they have been refreshed. Stale
    /// keys may include one that the issuer has dropped; a stale list may miss a revocation.
    #[default]
    Reject,
    /// Continues to use them: for services that must survive an outage of the issuer. Without any
    /// usable status list, tokens are treated as if they named none.
    KeepUsing,
}

/// A snapshot of the verifier's state.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Health {
    /// Whether tokens can be verified: keys are present and may be used. Status lists do not count,
    /// as tokens without a status do not need them.
    pub ready: bool,
    /// The number of keys.
    pub keys: usize,
    /// When the issuer last confirmed the keys; `None` before the first fetch and for a fixed set.
    pub confirmed_at: Option<Timestamp>,
    /// The time since then.
    pub age: Option<Duration>,
    /// Whether that exceeds the maximum staleness.
    pub stale: bool,
    /// The number of consecutive failed fetches.
    pub failures: u32,
    /// The last failure, until a fetch succeeds.
    pub last_error: Option<Arc<RefreshError>>,
    /// The state of the status lists.
    pub status: StatusHealth,
}

impl Health {
    /// The state without keys.
    pub(crate) const EMPTY: Self = Self {
        ready: false,
        keys: 0,
        confirmed_at: None,
        age: None,
        stale: false,
        failures: 0,
        last_error: None,
        status: StatusHealth::EMPTY,
    };

    /// The state of two issuers: the worse of each.
    pub(crate) fn combine(mut self, other: Self) -> Self {
        let Self { ready, keys, confirmed_at, age, stale, failures, last_error, status } = other;
        self.ready &= ready;
        self.keys += keys;
        self.confirmed_at = oldest(self.confirmed_at, confirmed_at);
        self.age = self.age.max(age);
        self.stale |= stale;
        if failures > self.failures {
            (self.failures, self.last_error) = (failures, last_error);
        }
        self.status.ready &= status.ready;
        self.status.lists += status.lists;
        self.status.unusable += status.unusable;
        self.status.confirmed_at = oldest(self.status.confirmed_at, status.confirmed_at);
        self.status.age = self.status.age.max(status.age);
        if self.status.last_error.is_none() || status.failures > self.status.failures {
            self.status.failures = self.status.failures.max(status.failures);
            self.status.last_error = status.last_error.or(self.status.last_error);
        }
        self
    }
}

fn oldest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The state of the status lists that recent tokens or the issuer's metadata named.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StatusHealth {
    /// Whether all of them are cached, fresh and unexpired, and none was turned away because the
    /// cache is full. [`StalePolicy::KeepUsing`] does not change this value.
    pub ready: bool,
    /// The number of lists.
    pub lists: usize,
    /// The number of lists that are missing, expired or stale.
    pub unusable: usize,
    /// The oldest of the times at which the issuer last confirmed each list.
    pub confirmed_at: Option<Timestamp>,
    /// The time since then.
    pub age: Option<Duration>,
    /// The highest number of consecutive failures, of any list or of the aggregation.
    pub failures: u32,
    /// An error of that list; or the first list that did not fit into the cache, as long as it is
    /// full; or the first status list at an untrusted origin since the start.
    pub last_error: Option<Arc<RefreshError>>,
}

impl StatusHealth {
    /// The state without any list.
    pub(crate) const EMPTY: Self = Self {
        ready: true,
        lists: 0,
        unusable: 0,
        confirmed_at: None,
        age: None,
        failures: 0,
        last_error: None,
    };

    /// Adds the failures of one document.
    pub(crate) fn record_failures(&mut self, failures: u32, error: Option<&Arc<RefreshError>>) {
        if failures >= self.failures.max(1) {
            self.failures = failures;
            self.last_error = error.cloned();
        }
    }
}
