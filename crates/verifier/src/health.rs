//! How the keys and the status lists are, for a readiness check.

use std::sync::Arc;
use std::time::Duration;

use aquaware_token::time::Timestamp;

use crate::error::RefreshError;

/// What happens when the keys, or a status list, haven't been confirmed for longer than the staleness
/// allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stale {
    /// Every token that depends on them is refused (with 503, as nothing is wrong with it) until new
    /// ones arrive: a key that the issuer dropped may be among the old ones, a token that it
    /// revoked may look good in an old list.
    #[default]
    Refuse,
    /// The old ones stay in use: for services that must not stop because their issuer has. Where
    /// there is no status list to use, tokens pass as if they named none.
    GoOn,
}

/// How the keys are at one instant.
#[derive(Clone, Debug)]
pub struct Health {
    /// Whether tokens can be checked: there are keys, and they aren't too old to use. Says nothing
    /// of status lists, without which tokens that name none are as good as ever.
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
    /// How the status lists are.
    pub status: StatusHealth,
}

/// How the status lists are at one instant: those that tokens or the issuer named lately.
#[derive(Clone, Debug)]
pub struct StatusHealth {
    /// Whether every one of them can be used: each has been fetched, hasn't expired and isn't too
    /// old, and there was room for each. With [`Stale::GoOn`] the old ones are used all the same.
    pub ready: bool,
    /// How many there are.
    pub lists: usize,
    /// How many of them can't be used, or are older than the staleness allowed.
    pub unusable: usize,
    /// When the issuer confirmed the one that it has not confirmed for longest.
    pub confirmed_at: Option<Timestamp>,
    /// How long ago that was.
    pub age: Option<Duration>,
    /// The most fetches that have failed in a row, of any list or of the list of lists.
    pub failures: u32,
    /// What one of them met last; or the first list that there was no room for, as long as there is
    /// none; or a token's list at a foreign address, the first since the start.
    pub last_error: Option<Arc<RefreshError>>,
}

impl StatusHealth {
    /// Of no list at all.
    pub(crate) const fn none() -> Self {
        Self {
            ready: true,
            lists: 0,
            unusable: 0,
            confirmed_at: None,
            age: None,
            failures: 0,
            last_error: None,
        }
    }

    /// Takes in how a fetching goes.
    pub(crate) fn count(&mut self, failures: u32, last_error: Option<Arc<RefreshError>>) {
        if failures >= self.failures.max(1) {
            self.failures = failures;
            self.last_error = last_error;
        }
    }
}
