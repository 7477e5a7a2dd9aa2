//! The store: connecting, and the ways in which both ports ask.

use std::fmt;
use std::time::Duration;

use aquaware_core::store::{StoreError, StoreFacts};
use redis::{Cmd, Value};
use tokio::time::{Instant, timeout};

use crate::checks::{self, Standing};
use crate::error::{Answer, ConnectError, Failure};
use crate::keys::Keys;
use crate::link::{AskError, Link, Open, Opener};
use crate::options::{Place, RedisOptions};
use crate::scripts::Step;

/// Sessions and accounts in Redis or Valkey. Cheap to clone; clones share one connection.
///
/// Every call of a port ends within the timeout of its options, connecting included. A caller that
/// is dropped before its answer came leaves its step to be done or not, as one whose connection
/// broke. Nothing that changes something is ever repeated after it may have been carried out, but
/// for telling of an end, which comes to the same however often it is done.
#[derive(Clone)]
pub struct RedisStore {
    pub(crate) link: Link,
    pub(crate) keys: Keys,
    timeout: Duration,
    tls: bool,
}

impl RedisStore {
    /// Connects, and checks that the server keeps what it acknowledges: version, role, eviction.
    ///
    /// Call it in a tokio runtime that lives as long as the store: the connection lives there,
    /// wherever the store is used. For TLS the process-wide provider of rustls is set to aws-lc-rs
    /// if there is none.
    ///
    /// # Errors
    /// [`ConnectError`], whose text tells an operator what to do;
    /// [`ConnectError::is_configuration`] says whether trying again may help.
    pub async fn connect(options: RedisOptions) -> Result<Self, ConnectError> {
        if options.timeout.is_zero() {
            return Err(ConnectError::Option("the timeout of a store must be more than zero"));
        }
        if options.tls && rustls::crypto::CryptoProvider::get_default().is_none() {
            // Fails only if somebody else was quicker, which is as good.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        let opener = Opener::new(&options)?;
        // Beside connecting there are a few questions to be asked.
        let patience = options.timeout * 3;
        let late = ConnectError::Unreachable(Failure::ConnectElapsed);
        timeout(patience, check(&opener, &options)).await.unwrap_or(Err(late))?;
        let RedisOptions { timeout, prefix, tls, .. } = options;
        let link = Link::new(opener, timeout);
        let store = Self { link, keys: Keys::new(prefix), timeout, tls };
        let opened = store.link.connection(store.deadline()).await;
        opened.map_err(ConnectError::Unreachable)?;
        Ok(store)
    }

    /// What the server is like, in its own words; the first master, in a Cluster.
    ///
    /// # Errors
    /// As [`connect`](Self::connect)'s, where the server doesn't answer.
    pub async fn facts(&self) -> Result<StoreFacts, ConnectError> {
        let opened = self.link.connection(self.deadline()).await;
        let open = opened.map_err(ConnectError::Unreachable)?;
        let late = ConnectError::Unreachable(Failure::ConnectElapsed);
        timeout(self.timeout, checks::facts(&open, self.tls)).await.unwrap_or(Err(late))
    }

    /// When a call that begins now must have ended.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// Carries out a script on `key`. `what` names the record, should it be corrupt.
    pub(crate) async fn step(
        &self,
        step: &Step,
        key: &str,
        arguments: &[&[u8]],
        deadline: Instant,
    ) -> Result<Value, StoreError> {
        let first = self.link.ask(&step.by_hash(key, arguments), deadline).await;
        let answer = match first {
            Err(AskError::Declined(Answer::NoScript)) => {
                self.link.ask(&step.whole(key, arguments), deadline).await
            }
            other => other,
        };
        answer.map_err(|error| store_error(error, key))
    }

    /// Asks for a single command on `key`.
    pub(crate) async fn ask(
        &self,
        request: &Cmd,
        key: &str,
        deadline: Instant,
    ) -> Result<Value, StoreError> {
        self.link.ask(request, deadline).await.map_err(|error| store_error(error, key))
    }

    /// All fields of `key`.
    pub(crate) async fn fields(&self, key: &str, deadline: Instant) -> Result<Value, StoreError> {
        self.ask(redis::cmd("HGETALL").arg(key), key, deadline).await
    }

    /// Whether the store answers.
    pub(crate) async fn answers(&self) -> Result<(), StoreError> {
        // A key's own node: in a Cluster a node that answers is not yet one that serves.
        let key = self.keys.logins();
        self.ask(redis::cmd("EXISTS").arg(&key), &key, self.deadline()).await.map(drop)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("keys", &self.keys).finish_non_exhaustive()
    }
}

fn store_error(error: AskError, key: &str) -> StoreError {
    match error {
        AskError::NotSent(failure) | AskError::Declined(Answer::Failed(failure)) => {
            failure.before()
        }
        AskError::Unanswered(failure) => failure.unknown(),
        AskError::Declined(Answer::WrongType) => {
            StoreError::corrupt(key.escape_debug().to_string(), "the key is of another type")
        }
        AskError::Declined(Answer::NoScript) => Failure::Unexpected("NOSCRIPT".to_owned()).before(),
    }
}

/// An answer of a kind that no script of ours gives.
pub(crate) fn unexpected() -> StoreError {
    Failure::Unexpected("an answer of another kind".to_owned()).before()
}

async fn check(opener: &Opener, options: &RedisOptions) -> Result<(), ConnectError> {
    let Opener::Cluster { seeds, .. } = opener else {
        let open = opener.open().await.map_err(|failure| why(failure, options))?;
        return checks::check(&open, Standing::Alone).await;
    };
    // The library's connection to a Cluster doesn't tell why it can't be made; a seed does.
    let mut failure = Failure::NoNode;
    for seed in seeds {
        match seed.open().await {
            Ok(open) => {
                checks::check_seed(&open).await?;
                let open: Open = opener.open().await.map_err(|failure| why(failure, options))?;
                return checks::check(&open, Standing::InCluster).await;
            }
            Err(found) => failure = found,
        }
    }
    Err(why(failure, options))
}

fn why(failure: Failure, options: &RedisOptions) -> ConnectError {
    match (failure, &options.place) {
        (Failure::NotAllowed, _) => ConnectError::NotAllowed,
        (Failure::NoDatabase, _) => ConnectError::NoDatabase(options.database),
        (Failure::Loading, _) => ConnectError::Loading,
        (Failure::UnknownMaster, Place::Sentinel { master, .. }) => {
            ConnectError::UnknownMaster(master.clone())
        }
        (failure, _) if failure.passes() => ConnectError::Unreachable(failure),
        (failure, _) => ConnectError::Refused(failure),
    }
}
