//! The ports: what a store must do, and the only results it may return.
//!
//! Every method is one atomic step with a typed outcome. Transactions do not exist: if the
//! condition of a step does not hold, the step changes nothing and returns the current record.
//! Stores compare and advance; what it means that a generation is behind or ahead is decided by
//! [`judge`](crate::succession::judge) alone.

#[cfg(feature = "accounts")]
mod account_change;
#[cfg(feature = "accounts")]
mod accounts;
mod counters;
mod error;
mod facts;
mod memory;
#[cfg(feature = "accounts")]
mod outbox;
mod sessions;
mod stored;

#[cfg(feature = "accounts")]
pub use self::account_change::{AccountChange, Current, EmailChange, NameChange, NewEmail};
#[cfg(feature = "accounts")]
pub use self::accounts::AccountStore;
pub use self::counters::Counters;
pub use self::error::{Cause, StoreError};
pub use self::facts::{Setting, StoreFacts};
pub use self::memory::MemoryStore;
#[cfg(feature = "accounts")]
pub use self::outbox::Outbox;
pub use self::sessions::{Advance, Outcome, Revoked, SessionStore, Touch};
pub use self::stored::StoredSession;
#[cfg(feature = "accounts")]
pub use self::stored::{StoredAccount, StoredEntry};
