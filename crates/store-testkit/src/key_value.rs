//! Both ports over any engine that supports compare-and-swap.
//!
//! Implement [`Engine`] for the client of your database: six methods over keys and text values.
//! [`KeyValueStore`] then is a complete [`SessionStore`](aquaware_core::store::SessionStore) and
//! [`AccountStore`](aquaware_core::store::AccountStore). The example `key_value` in the repository
//! shows an engine and runs the conformance checks on it.
//!
//! | key | value |
//! | --- | --- |
//! | `s:SESSION` | a session, in JSON |
//! | `x:INDEX` | the id of the session that owns a status index |
//! | `c:ID` | an account, in JSON |
//! | `l:LOGIN` | the id of the account with this login |
//!
//! Every operation on one session reads and rewrites one value. The operations on many sessions
//! (`list`, `end_all`, `set_claims`, `revoked`, `purge`, `release`) and the list of accounts scan all
//! records, which is adequate up to some ten thousand of them. A larger store needs indexes by subject and by end,
//! which compare-and-swap on single keys cannot keep in step with the records; see the source of
//! `aquaware-store-redis` for what that takes.
//!
//! A crash between two writes never leaves a record that cannot be found. It can leave a status index
//! without a session, which is not used again, or the reference of a login without an account, which is
//! ignored.

mod accounts;
mod record;
mod sessions;

use std::fmt;

use aquaware_core::store::StoreError;
use async_trait::async_trait;

/// A database that stores text values by key and replaces a value atomically if it has not changed
/// since it was read.
///
/// Errors follow the rules of the ports: [`StoreError::Unreachable`] only if the operation certainly
/// had no effect, [`StoreError::UnknownOutcome`] if it may have had one. An operation with an
/// unknown outcome must not be repeated by the engine or by the client library below it.
#[async_trait]
pub trait Engine: Send + Sync + fmt::Debug {
    /// What distinguishes two writes of one key: a revision, a sequence number, or the value itself.
    /// A number must not be reused when a key is removed and inserted again.
    type Version: Send + Sync + fmt::Debug;

    /// The current value of `key`.
    async fn get(&self, key: &str) -> Result<Option<Entry<Self::Version>>, StoreError>;

    /// Inserts a value if `key` has none. Returns whether it did.
    async fn insert(&self, key: &str, value: String) -> Result<bool, StoreError>;

    /// Replaces the value of `key` if it still has this version. Returns whether it did.
    async fn replace(
        &self,
        key: &str,
        version: &Self::Version,
        value: String,
    ) -> Result<bool, StoreError>;

    /// Removes `key` if it still has this version. Returns whether it did.
    async fn remove(&self, key: &str, version: &Self::Version) -> Result<bool, StoreError>;

    /// All keys that start with `prefix`, in any order, with their values.
    async fn scan(&self, prefix: &str) -> Result<Vec<(String, Entry<Self::Version>)>, StoreError>;

    /// Whether the database answers.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// The value of a key and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<V> {
    /// The value, as it was written.
    pub value: String,
    /// The version of the value.
    pub version: V,
}

/// Sessions and accounts in an [`Engine`].
#[derive(Clone, Debug)]
pub struct KeyValueStore<E> {
    engine: E,
}

impl<E: Engine> KeyValueStore<E> {
    /// A store that keeps its records in `engine`.
    #[must_use]
    pub const fn new(engine: E) -> Self {
        Self { engine }
    }

    /// The engine.
    #[must_use]
    pub const fn engine(&self) -> &E {
        &self.engine
    }
}
