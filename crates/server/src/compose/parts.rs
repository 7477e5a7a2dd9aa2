//! The parts of a server, made from its configuration: stores, keys, hashing, limits.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use aquaware_core::keys::{KeyRecord, KeyRing, RingError};
use aquaware_core::password::{HashCost, InvalidCost};
use aquaware_core::random::{Random, SystemRandom};
use aquaware_core::service::{Accounts, Sessions, Snapshot};
use aquaware_core::store::SessionStore;
use aquaware_core::time::{Clock as _, SystemClock, Timestamp};
use aquaware_http::{Aquaware, BuildError, HashingPool, KEY_SET_MAX_AGE, PoolSize};
use aquaware_key_directory::{KeyDirectory, KeyDirectoryError};
use thiserror::Error;

use super::stores::{self, StoreOpenError};
use crate::config::{self, Config, Origin, Signup};
use crate::tls::TlsError;

/// Why a server can't start.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    /// A listener can't have its address.
    #[error("can't listen on {address} ({key})")]
    Listen {
        /// Which setting.
        key: &'static str,
        /// What it says.
        address: SocketAddr,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// The data directory can't be made.
    #[error("can't make the data directory {}", path.display())]
    DataDirectory {
        /// Which.
        path: std::path::PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// The address can't stand in an issuer.
    #[error("the address {0} can't be an issuer: set issuer in the configuration")]
    Issuer(SocketAddr),
    /// The keys can't be used.
    #[error(transparent)]
    Keys(#[from] KeyDirectoryError),
    /// The keys don't make a ring.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// A store can't be opened.
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    /// TLS can't be had with these files.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The routes can't be had with these settings.
    #[error(transparent)]
    Routes(#[from] BuildError),
    /// The hashing can't be had.
    #[error(transparent)]
    HashCost(#[from] InvalidCost),
    /// The operating system gives no thread, runtime or signal.
    #[error("the operating system refuses a thread or a signal")]
    System(#[source] io::Error),
}

/// The key directory of a configuration.
pub(super) fn key_directory(config: &Config) -> KeyDirectory {
    let directory = KeyDirectory::new(&config.keys.directory, config.keys.algorithm)
        .key_set_max_age(KEY_SET_MAX_AGE);
    match config.keys.rotate_every {
        Some(interval) => directory.rotate_every(interval),
        None => directory,
    }
}

/// Policy and these keys.
pub(super) fn snapshot_of(
    config: &Config,
    public: SocketAddr,
    keys: &[KeyRecord],
    now: Timestamp,
) -> Result<Snapshot, StartError> {
    let policy = config.policy(public).ok_or(StartError::Issuer(public))?;
    let ring = KeyRing::new(keys, &policy, now)?;
    Ok(Snapshot::new(policy, ring))
}

/// The routes of a server with these keys whose public listener is bound to `public`.
pub(super) async fn routes(
    config: &Config,
    public: SocketAddr,
    keys: &[KeyRecord],
) -> Result<Aquaware, StartError> {
    let snapshot = snapshot_of(config, public, keys, SystemClock.now())?;
    let UseCases { accounts, sessions, hasher, .. } = use_cases(config, snapshot).await?;
    Ok(Aquaware::builder(sessions)
        .password_hasher(hasher)
        .accounts(accounts)
        .signup_open(config.accounts.signup == Signup::Open)
        .insecure_cookies(config.insecure_cookies)
        .limits(config.limits)
        .allow_origins(config.allow_origins.iter().map(Origin::as_str))
        .trusted_proxies(config.listen.trusted_proxies.iter().map(ToString::to_string))
        .build()?)
}

/// What can be done with accounts and sessions, whoever asks for it.
pub(super) struct UseCases {
    /// Accounts, their passwords and their ends.
    pub(super) accounts: Accounts,
    /// Sessions.
    pub(super) sessions: Arc<Sessions>,
    /// Where the sessions are.
    pub(super) session_store: Arc<dyn SessionStore>,
    hasher: Arc<HashingPool>,
}

/// Opens the stores and puts the use cases over them. `snapshot` is whose tokens they issue.
pub(super) async fn use_cases(config: &Config, snapshot: Snapshot) -> Result<UseCases, StartError> {
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let (session_store, account_store) = stores::open(&config.store).await?;
    let sessions =
        Arc::new(Sessions::new(session_store.clone(), random.clone(), Arc::new(snapshot)));
    let hasher = Arc::new(hashing(&config.accounts)?);
    let accounts = Accounts::new(account_store, hasher.clone(), random, Arc::clone(&sessions));
    Ok(UseCases { accounts, sessions, session_store, hasher })
}

fn hashing(accounts: &config::Accounts) -> Result<HashingPool, StartError> {
    let argon2 = &accounts.argon2;
    let cost = HashCost::new(argon2.memory_kib, argon2.iterations, argon2.parallelism)?;
    let size = PoolSize { threads: argon2.max_concurrent.get(), waiting: argon2.max_waiting };
    HashingPool::start(&cost, accounts.password_min_length, &size).map_err(StartError::System)
}
