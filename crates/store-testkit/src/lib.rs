//! What every store must pass, and stores that fail on purpose.
//!
//! A team with a database of its own implements
//! [`SessionStore`](aquaware_core::store::SessionStore) or
//! [`AccountStore`](aquaware_core::store::AccountStore), writes a [`Harness`], and proves the
//! adapter with one line: [`conformance!`], [`session_conformance!`] or [`account_conformance!`].
//! Each check is a test with a name that says what holds. `docs/storage-adapters.md` explains the
//! contract in plain words.
//!
//! No check looks at a clock, sleeps, or depends on another. Generated sequences are the same at
//! each run unless the environment variables of `proptest` say otherwise.
//!
//! [`FaultyStore`] wraps a store and breaks the calls that its [`FaultPlan`] names; it also counts
//! them. It is for the tests of whoever uses a store.
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
mod bench;
mod check;
mod compare;
mod failure;
mod faulty;
mod harness;
mod macros;
mod race;
mod sample;
mod seed;
mod sequence;
mod sessions;

pub use crate::accounts::ACCOUNT_CHECKS;
pub use crate::bench::Bench;
pub use crate::check::{Check, prove_accounts, prove_sessions};
pub use crate::failure::{Failure, Verdict};
pub use crate::faulty::{Call, Calls, Fault, FaultPlan, FaultyStore, Odds};
pub use crate::harness::{Harness, Settings};
pub use crate::sessions::SESSION_CHECKS;

// Compiles the samples of the page.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/storage-adapters.md")]
struct StorageAdapters;
