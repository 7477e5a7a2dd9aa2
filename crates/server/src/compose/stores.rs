//! The stores, opened as their URLs say: one store for both ports where both URLs are the same.

use std::sync::Arc;

use aquaware_core::store::{AccountStore, MemoryStore, SessionStore};
use aquaware_store_redis::{ConnectError, InvalidUrl, RedisOptions, RedisStore};
use aquaware_store_sql::{OpenError, SqliteOptions, SqliteStore};
use thiserror::Error;

use crate::config::{Engine, StoreUrl, Stores};

/// More threads than these don't make SQLite read faster.
const MOST_READERS: usize = 16;

/// A store that can't be opened.
#[derive(Debug, Error)]
#[error("can't open the store that {key} names")]
pub(crate) struct StoreOpenError {
    /// The setting with its URL.
    key: &'static str,
    /// Why.
    #[source]
    source: Cause,
}

/// Why a store can't be opened.
#[derive(Debug, Error)]
enum Cause {
    /// An SQL store says so.
    #[error(transparent)]
    Sql(#[from] OpenError),
    /// A Redis store says so.
    #[error(transparent)]
    Redis(#[from] ConnectError),
    /// A URL that the store's crate doesn't take.
    #[error(transparent)]
    Url(#[from] InvalidUrl),
    /// An engine that isn't built in.
    #[error("this engine isn't available")]
    NoSuchEngine,
}

/// The two ports, filled.
pub(super) type Ports = (Arc<dyn SessionStore>, Arc<dyn AccountStore>);

/// Opens the session store and the account store.
///
/// # Errors
/// [`StoreOpenError`] of the first that can't be opened.
pub(super) async fn open(stores: &Stores) -> Result<Ports, StoreOpenError> {
    let named = |key| move |source| StoreOpenError { key, source };
    let (sessions, accounts) =
        open_one(&stores.sessions, stores).await.map_err(named("store.sessions"))?;
    if stores.sessions == stores.accounts {
        return Ok((sessions, accounts));
    }
    let (_, accounts) =
        open_one(&stores.accounts, stores).await.map_err(named("store.accounts"))?;
    Ok((sessions, accounts))
}

async fn open_one(url: &StoreUrl, stores: &Stores) -> Result<Ports, Cause> {
    Ok(match url {
        StoreUrl::Memory => both(MemoryStore::new()),
        StoreUrl::Sqlite(path) => {
            // One connection writes, the others read.
            let readers = usize::try_from(stores.pool_size.get()).unwrap_or(usize::MAX) - 1;
            let readers = readers.clamp(1, MOST_READERS);
            let timeout = stores.timeout;
            both(SqliteStore::open(SqliteOptions { timeout, readers, ..SqliteOptions::new(path) })?)
        }
        StoreUrl::Server(Engine::Redis, url) => {
            let mut options = RedisOptions::from_url(url.expose())?;
            options.timeout = stores.timeout;
            both(RedisStore::connect(options).await?)
        }
        StoreUrl::Server(Engine::Postgres | Engine::Mysql, _) => {
            return Err(Cause::NoSuchEngine);
        }
    })
}

fn both<S: SessionStore + AccountStore + 'static>(store: S) -> Ports {
    let store = Arc::new(store);
    (store.clone(), store)
}
