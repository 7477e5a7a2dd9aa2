//! The stores, opened as their URLs say: one store for both ports where both URLs are the same.

use std::sync::Arc;

use aquaware_core::store::{AccountStore, MemoryStore, SessionStore, StoreFacts};
use aquaware_store_redis::{ConnectError, InvalidUrl, RedisOptions, RedisStore};
use aquaware_store_sql::{
    MysqlOptions, MysqlStore, OpenError, PostgresOptions, PostgresStore, SqliteOptions, SqliteStore,
};
use thiserror::Error;

use super::parts::StartError;
use crate::causes::chain;
use crate::config::{Config, Engine, StoreUrl, Stores};

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
    Ok(match Engines::open(url, stores).await? {
        Engines::Memory(store) => both(store),
        Engines::Sqlite(store) => both(store),
        Engines::Postgres(store) => both(store),
        Engines::Mysql(store) => both(store),
        Engines::Redis(store) => both(store),
    })
}

/// One store, as its engine has it.
enum Engines {
    Memory(MemoryStore),
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
    Mysql(MysqlStore),
    Redis(RedisStore),
}

impl Engines {
    async fn open(url: &StoreUrl, stores: &Stores) -> Result<Self, Cause> {
        let Stores { timeout, migrate, .. } = *stores;
        let pool_size = usize::try_from(stores.pool_size.get()).unwrap_or(usize::MAX);
        Ok(match url {
            StoreUrl::Memory => Self::Memory(MemoryStore::new()),
            StoreUrl::Sqlite(path) => {
                // One connection writes, the others read.
                let readers = (pool_size - 1).clamp(1, MOST_READERS);
                let options = SqliteOptions::new(path);
                let options = SqliteOptions { timeout, readers, migrate, ..options };
                Self::Sqlite(SqliteStore::open(options)?)
            }
            StoreUrl::Server(Engine::Redis, url) => {
                let mut options = RedisOptions::from_url(url.expose())?;
                options.timeout = timeout;
                Self::Redis(RedisStore::connect(options).await?)
            }
            StoreUrl::Server(Engine::Postgres, url) => {
                let options = PostgresOptions::new(url.expose());
                let options = PostgresOptions { pool_size, timeout, migrate, ..options };
                Self::Postgres(PostgresStore::open(options)?)
            }
            StoreUrl::Server(Engine::Mysql, url) => {
                let options = MysqlOptions::new(url.expose());
                let options = MysqlOptions { pool_size, timeout, migrate, ..options };
                Self::Mysql(MysqlStore::open(options)?)
            }
        })
    }
}

fn both<S: SessionStore + AccountStore + 'static>(store: S) -> Ports {
    let store = Arc::new(store);
    (store.clone(), store)
}

/// What was found where a store should be.
#[derive(Debug)]
pub(crate) struct StoreLook {
    /// The settings that name it.
    pub(crate) settings: Vec<&'static str>,
    /// What it says of itself, nothing for one in memory, or why it can't be used.
    pub(crate) outcome: Result<Option<StoreFacts>, String>,
}

/// Looks at the stores as they are, changing nothing.
///
/// # Errors
/// When the operating system gives no runtime.
pub(crate) fn look_at_stores(config: &Config) -> Result<Vec<StoreLook>, StartError> {
    look(&Stores { migrate: false, ..config.store.clone() })
}

/// Brings the stores up to date, and looks at them.
///
/// # Errors
/// When the operating system gives no runtime, or the data directory can't be made.
pub(crate) fn migrate_stores(config: &Config) -> Result<Vec<StoreLook>, StartError> {
    let path = config.data_dir.clone();
    std::fs::create_dir_all(&path).map_err(|source| StartError::DataDirectory { path, source })?;
    look(&Stores { migrate: true, ..config.store.clone() })
}

fn look(stores: &Stores) -> Result<Vec<StoreLook>, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(StartError::System)?;
    Ok(runtime.block_on(async {
        let both = vec!["store.sessions", "store.accounts"];
        if stores.sessions == stores.accounts {
            return vec![look_at(both, &stores.sessions, stores).await];
        }
        vec![
            look_at(vec!["store.sessions"], &stores.sessions, stores).await,
            look_at(vec!["store.accounts"], &stores.accounts, stores).await,
        ]
    }))
}

async fn look_at(settings: Vec<&'static str>, url: &StoreUrl, stores: &Stores) -> StoreLook {
    StoreLook { settings, outcome: facts(url, stores).await }
}

async fn facts(url: &StoreUrl, stores: &Stores) -> Result<Option<StoreFacts>, String> {
    let opened = Engines::open(url, stores).await.map_err(|error| chain(&error))?;
    let facts = match &opened {
        Engines::Memory(_) => return Ok(None),
        Engines::Sqlite(store) => store.facts().await,
        Engines::Postgres(store) => store.facts().await,
        Engines::Mysql(store) => store.facts().await,
        Engines::Redis(store) => {
            return store.facts().await.map(Some).map_err(|error| chain(&error));
        }
    };
    facts.map(Some).map_err(|error| chain(&error))
}
