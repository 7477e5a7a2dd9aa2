//! Builds a running server from a checked configuration, and shuts it down again.

mod error;
mod maintenance;
mod parts;
mod running;
mod stores;

pub(crate) use self::error::StartError;
pub(crate) use self::parts::{UseCases, snapshot, use_cases_for_commands};
pub(crate) use self::running::serve;
#[cfg(feature = "demo")]
pub(crate) use self::running::{Running, start};
pub(crate) use self::stores::{StoreReport, check_stores, migrate_stores};
