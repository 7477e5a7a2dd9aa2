//! The interface between the kit and a store under test: how to open a store, reopen it, connect to
//! it a second time, and corrupt one of its records.

use aquaware_core::id::{SessionId, Subject};
use async_trait::async_trait;

/// Opens and corrupts stores of one type for the kit.
///
/// `Store` implements [`SessionStore`](aquaware_core::store::SessionStore),
/// [`AccountStore`](aquaware_core::store::AccountStore) or
/// [`Outbox`](aquaware_core::store::Outbox), as the macros in use require. A method that fails must panic: a test that needs an unreachable server has failed and must not be
/// skipped. A store that cannot support an operation by design returns `None` or `false`; the checks
/// that need it then pass.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The type of store.
    type Store: Send + Sync + 'static;

    /// An empty store that is ready for use and shares no records with any other.
    async fn fresh(&self) -> Self::Store;

    /// A second connection to the records of `store`, as another replica of a service has one. It
    /// shares no memory with `store`. `None` for a store inside one process.
    async fn replica(&self, store: &Self::Store) -> Option<Self::Store>;

    /// Closes `store` and opens the same records again. `None` for a store without persistence.
    async fn reopen(&self, store: Self::Store) -> Option<Self::Store>;

    /// Corrupts the stored record of the session, bypassing the store, so that it cannot be read as
    /// a session. `false` if that is not possible.
    async fn corrupt_session(&self, store: &Self::Store, id: &SessionId) -> bool;

    /// Corrupts the stored record of the account in the same way.
    async fn corrupt_account(&self, store: &Self::Store, id: &Subject) -> bool;

    /// How thorough the checks are, and what kind of store this is.
    fn settings(&self) -> Settings {
        Settings::default()
    }
}

/// How thorough the checks are, and what kind of store they test. The defaults suit a local server.
///
/// Construct it with `Settings { purges: false, ..Settings::default() }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether records stay until [`purge`](aquaware_core::store::SessionStore::purge) removes
    /// them. `false` for a store with automatic expiry: its purge must remove nothing, and no check
    /// uses a record that expired in the past.
    pub purges: bool,
    /// Number of generated sequences. The variable `PROPTEST_CASES` overrides it.
    pub sequences: u32,
    /// Maximum number of steps in a generated sequence.
    pub max_steps: usize,
    /// Number of concurrent tasks in a check of concurrency.
    pub concurrency: usize,
    /// Number of repetitions of each check of concurrency.
    pub rounds: usize,
    /// Number of refreshes after which a session must still be one record.
    pub generations: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            purges: true,
            sequences: 64,
            max_steps: 40,
            concurrency: 64,
            rounds: 4,
            generations: 10_000,
        }
    }
}
