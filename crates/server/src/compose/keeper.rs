//! What a running server does by itself: look after its keys, drop what is dead, and, when told,
//! read keys and client profiles again.
//!
//! All of it on the main thread, between requests of nobody: what fails is logged, leaves things as
//! they are, and is tried again.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aquaware_core::id::KeyId;
use aquaware_core::keys::KeyRing;
use aquaware_core::service::{Sessions, Snapshot};
use aquaware_core::time::{Clock as _, SystemClock, Timestamp};
use tokio::time::{interval, sleep};

use super::parts::{self, KEEP_KEYS_EVERY, Occasion, StartError};
use crate::causes::chain;
use crate::config::{Config, Request, load};

/// How often it is asked whether anything in the key directory changed: two rotations by hand must
/// be further apart than that, or a replica meets tokens of a key it has never seen.
const GLANCE_EVERY: Duration = Duration::from_secs(1);
/// How long a server runs before it deletes the files of keys that are long gone: a machine whose
/// clock is far ahead after its start must not, and by then somebody has noticed.
const TIDY_AFTER: Duration = Duration::from_secs(24 * 3600);
/// How often dead sessions are looked for.
const PURGE_EVERY: Duration = Duration::from_secs(3600);
/// How many of them go at once.
const PURGE_AT_MOST: u32 = 1000;

/// Looks after a server's keys and sessions.
#[derive(Debug)]
pub(super) struct Keeper {
    config: RefCell<Config>,
    public: SocketAddr,
    sessions: Arc<Sessions>,
    seen: RefCell<Option<Keys>>,
    /// When the key directory last changed, as far as is known.
    changed: Cell<Option<SystemTime>>,
    /// What was wrong with it when it was last looked at.
    trouble: RefCell<Option<String>>,
    /// Since when this server runs.
    started: Instant,
}

/// Which keys there are, and from when on each of them signs.
type Keys = Vec<(KeyId, Option<Timestamp>)>;

impl Keeper {
    /// The keeper of a server with this configuration, whose public listener is bound to `public`.
    pub(super) fn new(config: Config, public: SocketAddr, sessions: Arc<Sessions>) -> Self {
        let (seen, changed, trouble) = Default::default();
        let (config, started) = (RefCell::new(config), Instant::now());
        Self { config, public, sessions, seen, changed, trouble, started }
    }

    /// Who issues.
    pub(super) fn issuer(&self) -> String {
        self.sessions.snapshot().policy().issuer().to_string()
    }

    /// Reads the configuration again and puts its keys and client profiles in force. The rest of
    /// it needs a restart.
    pub(super) fn reload(&self, request: &Request) {
        let config = match load(request) {
            Ok(loaded) => loaded.config,
            Err(problems) => {
                tracing::error!(cause = %problems, "not reloaded: the configuration is wrong");
                return;
            }
        };
        let before = self.config.replace(config);
        self.seen.replace(None);
        match self.look_at_keys(Occasion::Start) {
            Ok(_) => tracing::info!("reloaded keys and client profiles"),
            Err(error) => {
                self.config.replace(before);
                tracing::error!(cause = %chain(&error), "not reloaded");
            }
        }
    }

    /// Follows the key directory, where other replicas and commands change things too, and rotates
    /// on schedule.
    pub(super) async fn keep_keys(self: Rc<Self>) {
        let mut glances = 0;
        loop {
            sleep(GLANCE_EVERY).await;
            glances += 1;
            if !self.has_directory_changed() && GLANCE_EVERY * glances < KEEP_KEYS_EVERY {
                continue;
            }
            glances = 0;
            match self.look_at_keys(Occasion::Look) {
                Ok(changed) => {
                    self.trouble.replace(None);
                    if changed {
                        tracing::info!("keys changed");
                    }
                }
                Err(error) => self.look_again(&chain(&error)),
            }
        }
    }

    /// What is wrong with a file may be mended without the directory telling: a mode, or the rest
    /// of what was copied. So the next glance is a look; said is what is new.
    fn look_again(&self, cause: &str) {
        self.changed.set(None);
        if self.trouble.replace(Some(cause.to_owned())).as_deref() != Some(cause) {
            tracing::error!(cause, "keys stay as they are");
        }
    }

    /// Whether files came, went or were replaced in the key directory since this was last asked.
    fn has_directory_changed(&self) -> bool {
        let metadata = std::fs::metadata(&self.config.borrow().keys.directory);
        let changed = metadata.and_then(|it| it.modified()).ok();
        self.changed.replace(changed) != changed
    }

    /// Puts the keys on the disk in force if they aren't those seen before.
    fn look_at_keys(&self, occasion: Occasion) -> Result<bool, StartError> {
        let config = self.config.borrow();
        let now = SystemClock.now();
        let tidies = self.started.elapsed() >= TIDY_AFTER;
        let records = parts::keys(&config, self.public, occasion, tidies, now)?.records;
        let mut keys: Keys = records.iter().map(|it| (it.kid.clone(), it.active_from)).collect();
        keys.sort();
        if self.seen.borrow().as_ref() == Some(&keys) {
            return Ok(false);
        }
        let policy = config.policy(self.public).ok_or(StartError::Issuer(self.public))?;
        let ring = KeyRing::new(&records, &policy, now)?;
        self.sessions.replace_snapshot(Arc::new(Snapshot::new(policy, ring)));
        self.seen.replace(Some(keys));
        Ok(true)
    }

    /// Drops sessions that no token can need any more, and status indices that no verifier can,
    /// now and then.
    pub(super) async fn keep_sessions(self: Rc<Self>) {
        let mut every = interval(PURGE_EVERY);
        loop {
            every.tick().await;
            self.purge().await;
            self.release().await;
        }
    }

    async fn release(&self) {
        loop {
            match self.sessions.release_indices(PURGE_AT_MOST, SystemClock.now()).await {
                Ok(0) => return,
                Ok(released) => tracing::info!(released, "released status indices"),
                Err(error) => {
                    tracing::warn!(cause = %chain(&error), "status indices stay for now");
                    return;
                }
            }
        }
    }

    async fn purge(&self) {
        loop {
            match self.sessions.purge(PURGE_AT_MOST, SystemClock.now()).await {
                Ok(0) => return,
                Ok(purged) => tracing::info!(purged, "dropped dead sessions"),
                Err(error) => {
                    tracing::warn!(cause = %chain(&error), "dead sessions stay for now");
                    return;
                }
            }
        }
    }
}
