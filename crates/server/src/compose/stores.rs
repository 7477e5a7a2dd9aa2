//! Opens the stores. If both URLs are equal, one store serves sessions and accounts.

use std::sync::Arc;

use aquaware_core::account::Account;
use aquaware_core::service::colliding_accounts;
use aquaware_core::store::{AccountStore, Counters, MemoryStore, Outbox, SessionStore, StoreFacts};
use aquaware_store_redis::{RedisOptions, RedisStore};
use aquaware_store_sql::{
    MysqlOptions, MysqlStore, PostgresOptions, PostgresStore, SqliteOptions, SqliteStore,
};

use super::error::{OpenStoreError, StartError, StoreCause, WriteCheckError};
use crate::config::{Config, Engine, StoreUrl, Stores};
use aquaware_core::error_chain;

/// More reader threads do not make SQLite faster.
const MAX_READERS: usize = 16;

/// The ports of the stores. The outbox is in the store of the accounts.
pub(super) struct Ports {
    pub(super) sessions: Arc<dyn SessionStore>,
    pub(super) accounts: Arc<dyn AccountStore>,
    pub(super) outbox: Arc<dyn Outbox>,
    /// The counters of limits, if the store of the sessions keeps them for all replicas.
    pub(super) counters: Option<Arc<dyn Counters>>,
}

/// Opens the stores.
///
/// # Errors
/// [`OpenStoreError`] for the first store that cannot be opened.
pub(super) async fn open(stores: &Stores) -> Result<Ports, OpenStoreError> {
    let named = |key| move |source| OpenStoreError { key, source };
    let first = open_one(&stores.sessions, stores).await.map_err(named("store.sessions"))?;
    if stores.sessions == stores.accounts {
        return Ok(first);
    }
    let second = open_one(&stores.accounts, stores).await.map_err(named("store.accounts"))?;
    Ok(Ports { sessions: first.sessions, counters: first.counters, ..second })
}

async fn open_one(url: &StoreUrl, stores: &Stores) -> Result<Ports, StoreCause> {
    Ok(Engines::open(url, stores).await?.into_ports())
}

/// Checks that both stores accept writes.
///
/// # Errors
/// [`WriteCheckError`] for the first store that does not.
pub(super) async fn check_writable(ports: &Ports) -> Result<(), WriteCheckError> {
    let failed = |key| move |source| WriteCheckError { key, source };
    ports.sessions.ping().await.map_err(failed("store.sessions"))?;
    ports.accounts.ping().await.map_err(failed("store.accounts"))
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
    fn into_ports(self) -> Ports {
        match self {
            Self::Memory(store) => all(store),
            Self::Sqlite(store) => all(store),
            Self::Postgres(store) => all(store),
            Self::Mysql(store) => all(store),
            Self::Redis(store) => {
                let counters: Option<Arc<dyn Counters>> = Some(Arc::new(store.clone()));
                Ports { counters, ..all(store) }
            }
        }
    }

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

/// The ports of one store.
fn all<S: SessionStore + AccountStore + Outbox + 'static>(store: S) -> Ports {
    let store = Arc::new(store);
    Ports { sessions: store.clone(), accounts: store.clone(), outbox: store, counters: None }
}

/// The state of one store.
#[derive(Debug)]
pub(crate) struct StoreReport {
    pub(crate) settings: Vec<&'static str>,
    /// What the store reports, `None` for a store in memory, or why it cannot be used.
    pub(crate) outcome: Result<Option<Facts>, String>,
    /// The accounts that share a mailbox, by address and id, or why they could not be compared.
    pub(crate) collisions: Result<Vec<Vec<String>>, String>,
}

/// What a store reports, and whether it accepts writes.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) facts: StoreFacts,
    /// The cause if a write fails.
    pub(crate) write: Result<(), String>,
}

/// Checks the stores. Leaves them unchanged.
///
/// # Errors
/// When the runtime cannot be started.
pub(crate) fn check_stores(config: &Config) -> Result<Vec<StoreReport>, StartError> {
    check(&Stores { migrate: false, ..config.store.clone() }, Accounts::Compared)
}

/// As [`check_stores`], without reading every account, so that it takes a bounded time.
///
/// # Errors
/// As [`check_stores`].
pub(crate) fn probe_stores(config: &Config) -> Result<Vec<StoreReport>, StartError> {
    check(&Stores { migrate: false, ..config.store.clone() }, Accounts::Unread)
}

/// Whether all accounts are read to find those that share a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accounts {
    Compared,
    Unread,
}

/// Migrates the stores and checks them. Creates the file of an SQLite store, but no directory: a
/// directory that does not exist is more likely to be mistyped.
///
/// # Errors
/// When the runtime cannot be started.
pub(crate) fn migrate_stores(config: &Config) -> Result<Vec<StoreReport>, StartError> {
    check(&Stores { migrate: true, ..config.store.clone() }, Accounts::Compared)
}

fn check(stores: &Stores, accounts: Accounts) -> Result<Vec<StoreReport>, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(StartError::System)?;
    Ok(runtime.block_on(async {
        let both = vec!["store.sessions", "store.accounts"];
        if stores.sessions == stores.accounts {
            return vec![check_one(both, &stores.sessions, stores, accounts).await];
        }
        vec![
            check_one(vec!["store.sessions"], &stores.sessions, stores, accounts).await,
            check_one(vec!["store.accounts"], &stores.accounts, stores, accounts).await,
        ]
    }))
}

async fn check_one(
    settings: Vec<&'static str>,
    url: &StoreUrl,
    stores: &Stores,
    accounts: Accounts,
) -> StoreReport {
    let outcome = facts(url, stores).await;
    let usable = matches!(&outcome, Ok(Some(found)) if found.facts.migrated);
    let compares = accounts == Accounts::Compared && settings.contains(&"store.accounts");
    let collisions = match usable && compares {
        true => collisions(url, stores).await,
        false => Ok(Vec::new()),
    };
    StoreReport { settings, outcome, collisions }
}

async fn collisions(url: &StoreUrl, stores: &Stores) -> Result<Vec<Vec<String>>, String> {
    let ports = open_one(url, stores).await.map_err(|error| error_chain(&error))?;
    let groups = colliding_accounts(&*ports.accounts).await.map_err(|error| error_chain(&error))?;
    let name = |account: &Account| format!("{} ({})", account.email, account.id);
    Ok(groups.iter().map(|group| group.iter().map(name).collect()).collect())
}

/// What a store reports, `None` for a store in memory.
///
/// # Errors
/// Why it cannot be used.
pub(super) async fn facts(url: &StoreUrl, stores: &Stores) -> Result<Option<Facts>, String> {
    let opened = Engines::open(url, stores).await.map_err(|error| error_chain(&error))?;
    let facts = match &opened {
        Engines::Memory(_) => return Ok(None),
        Engines::Sqlite(store) => store.facts().await.map_err(|error| error_chain(&error)),
        Engines::Postgres(store) => store.facts().await.map_err(|error| error_chain(&error)),
        Engines::Mysql(store) => store.facts().await.map_err(|error| error_chain(&error)),
        Engines::Redis(store) => store.facts().await.map_err(|error| error_chain(&error)),
    }?;
    let write = check_writable(&opened.into_ports()).await.map_err(|error| error_chain(&error));
    Ok(Some(Facts { facts, write }))
}
