//! Facts about a store for its operator, the same for every engine.

use std::time::Duration;

use crate::time::Timestamp;

/// Facts that a store reports about itself, without a judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreFacts {
    /// The name of the engine, such as `PostgreSQL`.
    pub engine: &'static str,
    /// The version that the engine reports.
    pub version: String,
    /// Whether the schema is the one that this program needs.
    pub migrated: bool,
    /// Whether the store rejects changes because it is a replica or set to read-only.
    pub read_only: bool,
    /// Whether the connection is encrypted. `None` if the store has no connection.
    pub encrypted: Option<bool>,
    /// The settings that decide whether an acknowledged step survives a crash.
    pub durability: Vec<Setting>,
    /// The clock of the store's host, read last and therefore no older than
    /// [`round_trip`](Self::round_trip). `None` if the store is on this host.
    pub clock: Option<Timestamp>,
    /// The time between a request and its response.
    pub round_trip: Duration,
}

/// One setting of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The name of the setting in the engine.
    pub name: &'static str,
    /// The value of the setting in the engine.
    pub value: String,
    /// Whether acknowledged steps survive a power failure with this value.
    pub durable: bool,
}

impl Setting {
    /// A setting that is durable with any of the values in `durable`.
    #[must_use]
    pub fn new(name: &'static str, value: String, durable: &[&str]) -> Self {
        let durable = durable.iter().any(|durable| value.eq_ignore_ascii_case(durable));
        Self { name, value, durable }
    }
}
