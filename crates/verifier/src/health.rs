//! How the keys are, for a readiness check.

use std::sync::Arc;
use std::time::Duration;

use aquaware_core::time::Timestamp;

use crate::error::RefreshError;

/// What happens when the keys haven't been confirmed for longer than the staleness allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stale {
    /// Every token is refused (with 503, as nothing is wrong with it) until keys arrive: a key that
    /// the issuer dropped may be among the old ones.
    #[default]
    Refuse,
    /// The old keys stay in use: for services that must not stop because their issuer has.
    GoOn,
}

/// How the keys are at one instant.
#[derive(Clone, Debug)]
pub struct Health {
    /// Whether tokens can be checked: there are keys, and they aren't too old to use.
    pub ready: bool,
    /// How many keys there are.
    pub keys: usize,
    /// When the issuer last confirmed them; `None` before the first time, and for a fixed set.
    pub confirmed_at: Option<Timestamp>,
    /// How long ago that was.
    pub age: Option<Duration>,
    /// Whether that is longer ago than the staleness allowed.
    pub stale: bool,
    /// How many fetches have failed since the last that didn't.
    pub failures: u32,
    /// What the last of them met.
    pub last_error: Option<Arc<RefreshError>>,
}
