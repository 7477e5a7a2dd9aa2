//! Settings of the sessions beside the policy. They do not change while a server runs.

use std::num::NonZeroU32;

use super::budget::StoreTimeout;
use crate::origin::OriginRecord;

/// Settings of [`Sessions`](super::Sessions) that a reload of the policy does not change.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    /// What is stored about the origin of logins and refreshes. By default masked.
    pub record: OriginRecord,
    /// How many sessions an account may have with one client; `None` for any number. By default 1000.
    /// A login beyond it ends the least recently used ones.
    pub sessions_per_account: Option<NonZeroU32>,
    /// The bound on the time that a request waits for stores; `None`, the default, for no bound beyond
    /// that of each operation.
    pub store_timeout: Option<StoreTimeout>,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            record: OriginRecord::default(),
            sessions_per_account: NonZeroU32::new(1000),
            store_timeout: None,
        }
    }
}
