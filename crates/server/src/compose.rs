//! Builds a running server from a checked configuration, and shuts it down again.

#[cfg(feature = "demo")]
mod background;
mod error;
mod maintenance;
mod parts;
mod running;
mod store_clock;
mod stores;
mod watchdog;

#[cfg(feature = "demo")]
pub(crate) use self::background::{Running, start};
#[cfg(feature = "demo")]
pub(crate) use self::error::StartError;
pub(crate) use self::parts::{
    UseCases, client as webhook_client, snapshot, use_cases_for_commands,
};
pub(crate) use self::running::serve;
pub(crate) use self::stores::{Facts, StoreReport, check_stores, migrate_stores, probe_stores};
