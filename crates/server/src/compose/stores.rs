//! Opens the stores. If both URLs are equal, one store serves sessions and accounts.

use std::sync::Arc;

use aquaware_core::account::Account;
use aquaware_core::service::colliding_accounts;
use aquaware_core::store::{AccountStore, MemoryStore, SessionStore, StoreFacts};
use aquaware_store_redis::{RedisOptions, RedisStore};
use aquaware_store_sql::{
    MysqlOptions, MysqlStore, PostgresOptions, PostgresStore, SqliteOptions, SqliteStore,
};

use super::error::{OpenStoreError, StartError, StoreCause};
use crate::config::{Config, Engine, StoreUrl, Stores};
use aquaware_core::error_chain;

/// More reader threads do not make SQLite faster.
const MAX_READERS: usize = 16;

/// The session store and the account store.
pub(super) type Ports = (Arc<dyn SessionStore>, Arc<dyn AccountStore>);

/// Opens the session store and the account store.
///
/// # Errors
/// [`OpenStoreError`] for the first store that cannot be opened.
pub(super) async fn open(stores: &Stores) -> Result<Ports, OpenStoreError> {
    let named = |key| move |source| OpenStoreError { key, source };
    let (sessions, accounts) =
        open_one(&stores.sessions, stores).await.map_err(named("store.sessions"))?;
    if stores.sessions == stores.accounts {
        return Ok((sessions, accounts));
    }
    let (_, accounts) =
        open_one(&stores.accounts, stores).await.map_err(named("store.accounts"))?;
    Ok((sessions, accounts))
}

async fn open_one(url: &StoreUrl, stores: &Stores) -> Result<Ports, StoreCause> {
    Ok(match Engines::open(url, stores).await? {
        Engines::Memory(store) => both(store),
        Engines::Sqlite(store) => both(store),
        Engines::Postgres(store) => both(store),
        Engines::Mysql(store) => both(store),
        Engines::Redis(store) => both(store),
    })
}

/// A store of any engine.
enum Engines {
    Memory(MemoryStore),
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
    Mysql(MysqlStore),
    Redis(RedisStore),
}

impl Engines {
    async fn open(url: &StoreUrl, stores: &Stores) -> Result<Self, StoreCause> {
        let Stores { timeout, migrate, .. } = *stores;
        let pool_size = usize::try_from(stores.pool_size.get()).unwrap_or(usize::MAX);
        Ok(match url {
            StoreUrl::Memory => Self::Memory(MemoryStore::new()),
            StoreUrl::Sqlite(path) => {
                // One connection writes, the others read.
                let readers = (pool_size - 1).clamp(1, MAX_READERS);
                let mut options = SqliteOptions::new(path);
                options.timeout = timeout;
                options.readers = readers;
                options.migrate = migrate;
                Self::Sqlite(SqliteStore::open(options)?)
            }
            StoreUrl::Server(Engine::Redis, url) => {
                let mut options = RedisOptions::from_url(url.expose())?;
                options.timeout = timeout;
                Self::Redis(RedisStore::connect(options).await?)
            }
            StoreUrl::Server(Engine::Postgres, url) => {
                let mut options = PostgresOptions::new(url.expose());
                options.pool_size = pool_size;
                options.timeout = timeout;
                options.migrate = migrate;
                Self::Postgres(PostgresStore::open(options)?)
            }
            StoreUrl::Server(Engine::Mysql, url) => {
                let mut options = MysqlOptions::new(url.expose());
                options.pool_size = pool_size;
                options.timeout = timeout;
                options.migrate = migrate;
                Self::Mysql(MysqlStore::open(options)?)
            }
        })
    }
}

fn both<S: SessionStore + AccountStore + 'static>(store: S) -> Ports {
    let store = Arc::new(store);
    (store.clone(), store)
}

/// The state of one store.
#[derive(Debug)]
pub(crate) struct StoreReport {
    pub(crate) settings: Vec<&'static str>,
    /// What the store reports, `None` for a store in memory, or why it cannot be used.
    pub(crate) outcome: Result<Option<StoreFacts>, String>,
    /// The accounts that share a mailbox, by address and id, or why they could not be compared.
    pub(crate) collisions: Result<Vec<Vec<String>>, String>,
}

/// Checks the stores without changing them.
///
/// # Errors
/// When the runtime cannot be started.
pub(crate) fn check_stores(config: &Config) -> Result<Vec<StoreReport>, StartError> {
    check(&Stores { migrate: false, ..config.store.clone() })
}

/// Migrates the stores and checks them.
///
/// # Errors
/// When the runtime cannot be started or the data directory cannot be created.
pub(crate) fn migrate_stores(config: &Config) -> Result<Vec<StoreReport>, StartError> {
    let directory = &config.data_dir;
    std::fs::create_dir_all(directory).map_err(StartError::data_directory(directory))?;
    check(&Stores { migrate: true, ..config.store.clone() })
}

fn check(stores: &Stores) -> Result<Vec<StoreReport>, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(StartError::System)?;
    Ok(runtime.block_on(async {
        let both = vec!["store.sessions", "store.accounts"];
        if stores.sessions == stores.accounts {
            return vec![check_one(both, &stores.sessions, stores).await];
        }
        vec![
            check_one(vec!["store.sessions"], &stores.sessions, stores).await,
            check_one(vec!["store.accounts"], &stores.accounts, stores).await,
        ]
    }))
}

async fn check_one(settings: Vec<&'static str>, url: &StoreUrl, stores: &Stores) -> StoreReport {
    let outcome = facts(url, stores).await;
    let usable = matches!(&outcome, Ok(Some(facts)) if facts.migrated);
    let collisions = match usable && settings.contains(&"store.accounts") {
        true => collisions(url, stores).await,
        false => Ok(Vec::new()),
    };
    StoreReport { settings, outcome, collisions }
}

async fn collisions(url: &StoreUrl, stores: &Stores) -> Result<Vec<Vec<String>>, String> {
    let (_, accounts) = open_one(url, stores).await.map_err(|error| error_chain(&error))?;
    let groups = colliding_accounts(&*accounts).await.map_err(|error| error_chain(&error))?;
    let name = |account: &Account| format!("{} ({})", account.email, account.id);
    Ok(groups.iter().map(|group| group.iter().map(name).collect()).collect())
}

async fn facts(url: &StoreUrl, stores: &Stores) -> Result<Option<StoreFacts>, String> {
    let opened = Engines::open(url, stores).await.map_err(|error| error_chain(&error))?;
    let facts = match &opened {
        Engines::Memory(_) => return Ok(None),
        Engines::Sqlite(store) => store.facts().await,
        Engines::Postgres(store) => store.facts().await,
        Engines::Mysql(store) => store.facts().await,
        Engines::Redis(store) => {
            return store.facts().await.map(Some).map_err(|error| error_chain(&error));
        }
    };
    facts.map(Some).map_err(|error| error_chain(&error))
}
