//! The background work of a running server: following the key directory, removing expired data, and
//! reloading on SIGHUP.
//!
//! All of it runs on the main thread, apart from the threads that serve requests. A step that fails
//! is logged, changes nothing, and is tried again.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aquaware_core::id::KeyId;
use aquaware_core::jwt::TokenType;
use aquaware_core::keys::KeyRecord;
use aquaware_core::service::Sessions;
use aquaware_core::time::{Clock as _, SystemClock};
use aquaware_http::{Event, Events};
use aquaware_key_directory::{KeyDirectory, KeyFollower};
use tokio::task::spawn_blocking;
use tokio::time::{interval, sleep};

use super::error::StartError;
use super::parts;
use super::store_clock;
use crate::config::{Config, Loaded, Request, load};
use crate::tls::TlsAcceptor;
use aquaware_core::error_chain;

/// How often the key directory is checked for changes.
const FOLLOW_KEYS_EVERY: Duration = Duration::from_secs(1);
/// How long a server runs before it removes anything, unless the host of the session store confirms
/// the time: a machine that starts with a clock far ahead
/// must not, and an operator notices within a day.
const PURGE_AFTER: Duration = Duration::from_secs(24 * 3600);
/// How long the main thread, which handles signals, waits for another process that uses the keys.
const LOCK_TIMEOUT: Duration = Duration::from_millis(250);
/// How often the files of the TLS certificate are checked for changes.
const FOLLOW_CERTIFICATE_EVERY: Duration = Duration::from_secs(10);
/// How often expired sessions, status indices and keys are removed.
const PURGE_EVERY: Duration = Duration::from_secs(3600);
/// The maximum number of sessions or status indices that one store operation removes.
const MAX_PURGED: u32 = 1000;

fn key_directory(config: &Config) -> KeyDirectory {
    parts::key_directory(config).lock_timeout(LOCK_TIMEOUT)
}

/// Maintains the keys and sessions of a server.
#[derive(Debug)]
pub(super) struct Maintenance {
    loaded: RefCell<Loaded>,
    public: SocketAddr,
    sessions: Arc<Sessions>,
    events: Events,
    keys: RefCell<KeyFollower>,
    tls: Option<TlsAcceptor>,
    started: Instant,
}

impl Maintenance {
    /// The maintenance of a server with this configuration, these loaded keys, and this address of
    /// the public listener.
    pub(super) fn new(
        loaded: Loaded,
        public: SocketAddr,
        sessions: Arc<Sessions>,
        events: Events,
        keys: &[KeyRecord],
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let keys = RefCell::new(key_directory(&loaded.config).follow(keys));
        let loaded = RefCell::new(loaded);
        Self { loaded, public, sessions, events, keys, tls, started: Instant::now() }
    }

    /// The issuer of this server.
    pub(super) fn issuer(&self) -> String {
        self.sessions.context(SystemClock.now()).issuer().to_string()
    }

    /// Reloads keys, client profiles and the TLS certificate, all or nothing. Changes of other
    /// settings are named in the log and take effect after a restart.
    pub(super) fn reload(&self, request: &Request) {
        let reloaded = load(request).and_then(|new| self.loaded.borrow().reloaded(&new, request));
        let (loaded, differing) = match reloaded {
            Ok(reloaded) => reloaded,
            Err(problems) => {
                tracing::error!(cause = %problems, "reload failed: the configuration is invalid");
                return;
            }
        };
        match self.reload_with(&loaded.config) {
            Ok(keys) => {
                self.keys.replace(keys);
                self.loaded.replace(loaded);
                if differing.is_empty() {
                    tracing::info!("reloaded keys, client profiles and the TLS certificate");
                } else {
                    tracing::warn!(
                        settings = differing.join(", "),
                        "reloaded keys, client profiles and the TLS certificate; a change of these \
                         settings takes effect after a restart"
                    );
                }
            }
            Err(error) => tracing::error!(cause = %error_chain(&error), "reload failed"),
        }
    }

    fn reload_with(&self, config: &Config) -> Result<KeyFollower, StartError> {
        let certificate = self.tls.as_ref().map(TlsAcceptor::read).transpose()?;
        let directory = key_directory(config);
        let records = directory.load(SystemClock.now())?;
        self.replace_snapshot(config, &records)?;
        if let (Some(tls), Some(certificate)) = (&self.tls, certificate) {
            tls.replace(certificate);
        }
        Ok(directory.follow(&records))
    }

    fn replace_snapshot(&self, config: &Config, keys: &[KeyRecord]) -> Result<(), StartError> {
        let snapshot = parts::snapshot(config, self.public, keys, SystemClock.now())?;
        self.sessions.replace_snapshot(Arc::new(snapshot));
        Ok(())
    }

    /// Follows the key directory, which replicas and commands change too, and rotates on schedule.
    pub(super) async fn follow_keys(self: Rc<Self>) {
        let mut last_error = None;
        let mut signing = self.signing_keys();
        loop {
            sleep(FOLLOW_KEYS_EVERY).await;
            let error = match self.poll_keys() {
                Ok(false) => None,
                Ok(true) => {
                    tracing::info!("keys changed");
                    None
                }
                Err(error) => Some(error_chain(&error)),
            };
            // An error that lasts is tried again every second, and logged once.
            if let Some(cause) = error.as_ref().filter(|_| error != last_error) {
                tracing::error!(cause, "failed to reload the keys: the current keys stay in use");
            }
            last_error = error;
            let now_signing = self.signing_keys();
            let rotated = now_signing.iter().zip(&signing).filter(|(now, before)| now != before);
            for ((token_type, key), _) in rotated {
                self.events.emit(Event::key_rotated(token_type, key.as_ref())).await;
            }
            signing = now_signing;
        }
    }

    /// The keys that sign access and refresh tokens now. A key announced earlier takes over without
    /// a change in the directory.
    fn signing_keys(&self) -> [(&'static str, Option<KeyId>); 2] {
        let context = self.sessions.context(SystemClock.now());
        let kid =
            |kind| context.snapshot.ring().signing(kind, context.now).map(|it| it.kid().clone());
        [("access", kid(TokenType::Access)), ("refresh", kid(TokenType::Refresh))]
    }

    /// Follows the files of the TLS certificate, which are renewed while the server runs.
    pub(super) async fn follow_certificate(self: Rc<Self>) {
        let Some(tls) = &self.tls else { return };
        let mut current = tls.opened_versions();
        let mut every = interval(FOLLOW_CERTIFICATE_EVERY);
        loop {
            every.tick().await;
            let found = tls.file_versions();
            if found == current {
                continue;
            }
            current = found;
            match tls.read() {
                Ok(config) => {
                    tls.replace(config);
                    tracing::info!("reloaded the TLS certificate");
                }
                // The two files are replaced one after the other; the second change is read too.
                Err(error) => tracing::error!(
                    cause = %error_chain(&error),
                    "failed to reload the TLS certificate: the current one stays in use"
                ),
            }
        }
    }

    fn poll_keys(&self) -> Result<bool, StartError> {
        let loaded = self.loaded.borrow();
        let apply = |records: &[KeyRecord]| self.replace_snapshot(&loaded.config, records);
        self.keys.borrow_mut().poll(SystemClock.now(), apply)
    }

    /// Removes sessions that no token can refer to any more, status indices that no verifier can
    /// need, and keys that expired long ago.
    pub(super) async fn purge(self: Rc<Self>) {
        let mut every = interval(PURGE_EVERY);
        loop {
            every.tick().await;
            let is_settled = self.started.elapsed() >= PURGE_AFTER;
            if is_settled || self.store_clock_agrees().await {
                self.purge_sessions().await;
                self.release_indices().await;
            }
            if is_settled {
                self.remove_expired_keys();
            }
        }
    }

    /// Whether the host of the session store confirms the time, so that nothing has to wait.
    async fn store_clock_agrees(&self) -> bool {
        let stores = self.loaded.borrow().config.store.clone();
        spawn_blocking(move || store_clock::agrees(&stores)).await.unwrap_or(false)
    }

    async fn purge_sessions(&self) {
        loop {
            match self.sessions.purge(MAX_PURGED, SystemClock.now()).await {
                Ok(0) => return,
                Ok(purged) => tracing::info!(purged, "purged expired sessions"),
                Err(error) => {
                    tracing::warn!(cause = %error_chain(&error), "failed to purge expired sessions");
                    return;
                }
            }
        }
    }

    async fn release_indices(&self) {
        loop {
            match self.sessions.release_indices(MAX_PURGED, SystemClock.now()).await {
                Ok(0) => return,
                Ok(released) => tracing::info!(released, "released status indices"),
                Err(error) => {
                    tracing::warn!(cause = %error_chain(&error), "failed to release status indices");
                    return;
                }
            }
        }
    }

    fn remove_expired_keys(&self) {
        let context = self.sessions.context(SystemClock.now());
        let (keys, ring) = (self.keys.borrow(), context.snapshot.ring());
        if let Err(error) = keys.directory().remove_expired(ring, context.now) {
            tracing::warn!(cause = %error_chain(&error), "failed to remove expired keys");
        }
    }
}
