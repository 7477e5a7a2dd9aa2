//! Conformance tests for session and account stores, a store adapter for key-value engines, and
//! fault injection.
//!
//! A team that keeps sessions or accounts in its own database implements
//! [`SessionStore`](aquaware_core::store::SessionStore) or
//! [`AccountStore`](aquaware_core::store::AccountStore), writes a [`Harness`], and tests the adapter
//! with one line: [`conformance!`], [`session_conformance!`] or [`account_conformance!`]. A store
//! that keeps the outbox too, [`Outbox`](aquaware_core::store::Outbox), is tested with
//! [`outbox_conformance!`], and one that keeps the counts of limits,
//! [`Counters`](aquaware_core::store::Counters), with [`counter_conformance!`]. Every check becomes a test, named after a property. `docs/storage-adapters.md` in the repository
//! describes the contract.
//!
//! - Checks do not depend on the clock or on each other, and never sleep. Generated sequences are
//!   the same in every run unless the environment variables of `proptest` are set.
//! - A failing check prints at most one screen.
//! - [`key_value`] implements both ports over any engine that supports compare-and-swap.
//! - [`sample`] contains the records that the checks use, for a store's own tests.
//! - [`FaultyStore`] wraps a store, makes the calls fail that its [`FaultPlan`] selects, and counts
//!   all calls. It is meant for testing code that uses a store.
//!
//! ```
//! use aquaware_core::id::{SessionId, Subject};
//! use aquaware_core::store::MemoryStore;
//! use aquaware_store_testkit::Harness;
//!
//! struct Memory;
//!
//! #[async_trait::async_trait]
//! impl Harness for Memory {
//!     type Store = MemoryStore;
//!
//!     async fn fresh(&self) -> MemoryStore {
//!         MemoryStore::new()
//!     }
//!
//!     async fn replica(&self, _: &MemoryStore) -> Option<MemoryStore> {
//!         None
//!     }
//!
//!     async fn reopen(&self, _: MemoryStore) -> Option<MemoryStore> {
//!         None
//!     }
//!
//!     async fn corrupt_session(&self, _: &MemoryStore, _: &SessionId) -> bool {
//!         false
//!     }
//!
//!     async fn corrupt_account(&self, _: &MemoryStore, _: &Subject) -> bool {
//!         false
//!     }
//! }
//!
//! aquaware_store_testkit::conformance!(Memory);
//! # fn main() {}
//! ```

mod accounts;
mod check;
mod compare;
mod concurrent;
mod counters;
mod error;
mod faulty;
mod fixture;
mod harness;
pub mod key_value;
mod macros;
mod outbox;
pub mod sample;
mod sequence;
mod sessions;
mod split_mix;

pub use crate::accounts::{ACCOUNT_CHECKS, run_account_check};
pub use crate::check::Check;
pub use crate::counters::{COUNTER_CHECKS, CounterCheck, CounterHarness, run_counter_check};
pub use crate::error::{CheckError, CheckResult};
pub use crate::faulty::{Call, Calls, Fault, FaultPlan, FaultRates, FaultyStore};
pub use crate::fixture::Fixture;
pub use crate::harness::{Harness, Settings};
pub use crate::outbox::{OUTBOX_CHECKS, run_outbox_check};
pub use crate::sessions::{SESSION_CHECKS, run_session_check};

// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
