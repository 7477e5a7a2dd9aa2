//! What a store is like, for whoever runs it: the same questions to every engine.

use std::time::Duration;

use crate::time::Timestamp;

/// What a store says of itself. Facts only: whether they are good is for the reader to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreFacts {
    /// `SQLite`, `PostgreSQL`, `Redis`, say.
    pub engine: &'static str,
    /// The engine's version, in its own words.
    pub version: String,
    /// Whether the tables are those of this program.
    pub migrated: bool,
    /// Whether changes are refused: a replica, or a setting.
    pub read_only: bool,
    /// Whether nobody on the way can read along. `None` where there is no way.
    pub encrypted: Option<bool>,
    /// The settings on which it depends whether a step that was acknowledged survives a crash.
    pub durability: Vec<Setting>,
    /// The clock of the store's host as the last thing that was asked, so it is no older than
    /// [`round_trip`](Self::round_trip). `None` where the host is this one.
    pub clock: Option<Timestamp>,
    /// How long one question and its answer took.
    pub round_trip: Duration,
}

/// One setting of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name, as the engine has it.
    pub name: &'static str,
    /// Its value, as the engine has it.
    pub value: String,
    /// Whether, with this value, what was acknowledged survives a power cut.
    pub durable: bool,
}

impl Setting {
    /// A setting that is good with one of `good`.
    #[must_use]
    pub fn new(name: &'static str, value: String, good: &[&str]) -> Self {
        let durable = good.iter().any(|good| value.eq_ignore_ascii_case(good));
        Self { name, value, durable }
    }
}
