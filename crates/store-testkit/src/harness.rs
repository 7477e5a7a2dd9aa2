//! What a team writes once for its tests: how a store of its kind is opened, opened again, opened
//! twice and damaged. The kit does the rest.

use aquaware_core::id::{SessionId, Subject};
use async_trait::async_trait;

/// How the kit gets hold of stores of one kind.
///
/// `Store` implements [`SessionStore`](aquaware_core::store::SessionStore),
/// [`AccountStore`](aquaware_core::store::AccountStore) or both; the macro in use says which it
/// must be. A method that can't do its work panics: an asked-for server that isn't there is a
/// failure, never a check left out. What a store by its nature can't do is answered with `None` or
/// `false`, and the checks that need it are content.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The kind of store.
    type Store: Send + Sync + 'static;

    /// An empty store that shares no record with any other, ready for use.
    async fn fresh(&self) -> Self::Store;

    /// A second handle on the records of `store`, as another replica of a service would have: a
    /// connection of its own, and no memory in common. `None` for a store inside one process.
    async fn replica(&self, store: &Self::Store) -> Option<Self::Store>;

    /// Closes `store` and opens its records again. `None` for a store that keeps nothing.
    async fn reopen(&self, store: Self::Store) -> Option<Self::Store>;

    /// Damages the stored record of `id`, behind the store's back, so that no session can be made
    /// of it. `false` for a store whose records can't be reached otherwise.
    async fn corrupt_session(&self, store: &Self::Store, id: &SessionId) -> bool;

    /// Damages the stored record of the account `id` likewise.
    async fn corrupt_account(&self, store: &Self::Store, id: &Subject) -> bool;

    /// What to ask of this kind of store.
    fn settings(&self) -> Settings {
        Settings::default()
    }
}

/// How much the checks ask, and of what kind of store. The defaults suit a local server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether records stay until [`purge`](aquaware_core::store::SessionStore::purge) drops them.
    /// `false` for a store that forgets by itself: there a purge must drop nothing, and no check
    /// uses a record whose last token died in the past.
    pub purges: bool,
    /// How many generated sequences are tried. The variable `PROPTEST_CASES` overrides it.
    pub sequences: u32,
    /// How many steps the longest of them has.
    pub steps: usize,
    /// How many tasks a race has.
    pub racers: usize,
    /// How often a race is run.
    pub rounds: usize,
    /// How often the session that must stay one record is refreshed.
    pub generations: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { purges: true, sequences: 64, steps: 40, racers: 64, rounds: 4, generations: 10_000 }
    }
}
