//! How often callers may ask: the settings.

use std::num::NonZeroU32;
use std::time::Duration;

pub use aquaware_core::limits::Rate;

/// Request limits. `None` means unlimited. Each is counted in this process, or, with
/// [`Builder::shared_counters`](crate::Builder::shared_counters), by all replicas together; only
/// refreshes are always counted in this process.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Logins per client address. By default 30 per minute.
    pub login_per_address: Option<Rate>,
    /// Sign-ups per client address. By default 10 per hour.
    pub signup_per_address: Option<Rate>,
    /// Refreshes per session. By default 60 per minute.
    pub refresh_per_session: Option<Rate>,
    /// Wrong passwords per account, after which the account is locked for the rest of the period.
    /// By default 10 per 15 minutes.
    pub failed_logins_per_account: Option<Rate>,
    /// Messages to one mailbox, and messages that one account requests. Beyond it, requests succeed
    /// and send nothing. By default 5 per hour.
    pub messages_per_account: Option<Rate>,
    /// Failed authentications of OAuth clients per address, after which further ones are rejected
    /// unchecked for the rest of the period. By default 30 per minute.
    pub failed_clients_per_address: Option<Rate>,
}

impl Limits {
    /// No limits at all.
    pub const UNLIMITED: Self = Self {
        login_per_address: None,
        signup_per_address: None,
        refresh_per_session: None,
        failed_logins_per_account: None,
        messages_per_account: None,
        failed_clients_per_address: None,
    };
}

impl Default for Limits {
    fn default() -> Self {
        let rate = |count, seconds| {
            NonZeroU32::new(count).map(|count| Rate::new(count, Duration::from_secs(seconds)))
        };
        Self {
            login_per_address: rate(30, 60),
            signup_per_address: rate(10, 3600),
            refresh_per_session: rate(60, 60),
            failed_logins_per_account: rate(10, 900),
            messages_per_account: rate(5, 3600),
            failed_clients_per_address: rate(30, 60),
        }
    }
}
