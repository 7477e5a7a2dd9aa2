//! What commands use: the stores of a configuration, and no listener.

use std::sync::Arc;

use aquaware_core::jwt::Algorithm;
use aquaware_core::keys::{KeyRecord, missing};
use aquaware_core::random::SystemRandom;
use aquaware_core::service::{Accounts, Sessions, Snapshot};
use aquaware_core::store::SessionStore;
use aquaware_core::time::Timestamp;
use aquaware_key_directory::KeyDirectoryError;

use super::parts::{StartError, UseCases, snapshot_of, use_cases};
use crate::config::Config;

/// Accounts and sessions in the hands of an operator, beside whatever server runs on them.
pub(crate) struct Administration {
    /// Accounts, their passwords and their ends.
    pub(crate) accounts: Accounts,
    /// Sessions.
    pub(crate) sessions: Arc<Sessions>,
    /// Where the sessions are.
    pub(crate) session_store: Arc<dyn SessionStore>,
}

/// Opens the stores of `config`.
///
/// Who administers issues no tokens, so this has keys of its own that never leave the memory: it
/// works without the key directory, and never fills one.
///
/// # Errors
/// [`StartError`].
pub(crate) async fn administer(
    config: &Config,
    now: Timestamp,
) -> Result<Administration, StartError> {
    let data_dir = &config.data_dir;
    std::fs::create_dir_all(data_dir)
        .map_err(|source| StartError::DataDirectory { path: data_dir.clone(), source })?;
    let made = missing(&[], Algorithm::EdDsa, now, &SystemRandom);
    let throwaway = made.map_err(|_| KeyDirectoryError::Generate)?;
    let snapshot = issuer(config, &throwaway, now)?;
    let UseCases { accounts, sessions, session_store, .. } = use_cases(config, snapshot).await?;
    Ok(Administration { accounts, sessions, session_store })
}

/// The issuer that a server with this configuration and these keys is.
///
/// # Errors
/// [`StartError`] where the keys make no ring, or the public address no issuer.
pub(crate) fn issuer(
    config: &Config,
    keys: &[KeyRecord],
    now: Timestamp,
) -> Result<Snapshot, StartError> {
    snapshot_of(config, config.listen.public, keys, now)
}
