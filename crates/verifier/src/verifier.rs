//! The verifier: tokens in, claims or a rejection out, without I/O.
//!
//! The rules of tokens are the core's. Here it is decided which keys are asked, and what happens
//! when they are missing or old.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use aquaware_core::claims::BearerClaims;
use aquaware_core::jwt::{AccessCheck, Algorithm, KeySet, TokenError, Verified};
use aquaware_core::session::ExtraClaims;
use aquaware_core::time::{Clock, Timestamp};
use serde::de::DeserializeOwned;
use tokio::task::AbortHandle;

use crate::builder::Builder;
use crate::error::RefreshError;
use crate::health::{Health, Stale};
use crate::refresh::{Known, Refresher};
use crate::rejection::Rejection;

/// Checks access tokens of one issuer for one service. Cheap to clone; clones share their keys.
///
/// Made by [`Verifier::builder`]. The task that keeps its keys fresh runs on the runtime that it
/// was made on, and ends with its last clone.
#[derive(Clone, Debug)]
pub struct Verifier(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) rules: Rules,
    pub(crate) keys: Source,
}

/// What makes a token good here.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) check: AccessCheck,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) accept_bound: bool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) max_staleness: Duration,
    pub(crate) on_stale: Stale,
}

#[derive(Debug)]
pub(crate) enum Source {
    Fixed(KeySet),
    Live(Live),
}

/// Keys with the task that keeps them fresh, which ends with this.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) refresher: Arc<Refresher>,
    pub(crate) task: AbortHandle,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Verifier {
    /// Begins a verifier. What it needs: an issuer, an audience, and where keys come from.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(rules: Rules, keys: Source) -> Self {
        Self(Arc::new(Inner { rules, keys }))
    }

    /// Checks `token` with the keys that are there. Never waits.
    ///
    /// # Errors
    /// [`Rejection`]. A token of an unknown key is refused at once, and keys are fetched in the
    /// background; [`verify_waiting`](Self::verify_waiting) waits for them.
    pub fn verify(&self, token: &str) -> Result<Verified<BearerClaims>, Rejection> {
        self.verify_as::<ExtraClaims>(token)
    }

    /// As [`verify`](Self::verify), with the claims that RFC 9068 doesn't name read as an `E`.
    ///
    /// # Errors
    /// As [`verify`](Self::verify); a token without an `E` in it is
    /// [`TokenError::Claims`](aquaware_core::jwt::TokenError::Claims).
    pub fn verify_as<E: DeserializeOwned>(
        &self,
        token: &str,
    ) -> Result<Verified<BearerClaims<E>>, Rejection> {
        match &self.0.keys {
            Source::Fixed(keys) => self.0.rules.judge(token, keys, self.0.rules.clock.now()),
            Source::Live(Live { refresher, .. }) => {
                let verdict = self.judge_live(token, refresher);
                if matches!(&verdict, Err(rejection) if rejection.may_pass_later()) {
                    refresher.ask();
                }
                verdict
            }
        }
    }

    /// As [`verify`](Self::verify), but when keys are missing it waits for the fetch that is in
    /// flight, or about to begin, and checks again.
    ///
    /// Waits for `up_to` at most, and not at all when the cooldown lets no fetch begin by then.
    /// For services whose issuer signs with a key as soon as it publishes it. Requests with
    /// made-up keys wait too, so keep `up_to` near a second.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub async fn verify_waiting(
        &self,
        token: &str,
        up_to: Duration,
    ) -> Result<Verified<BearerClaims>, Rejection> {
        self.verify_waiting_as::<ExtraClaims>(token, up_to).await
    }

    /// As [`verify_waiting`](Self::verify_waiting), with other claims read as an `E`.
    ///
    /// # Errors
    /// As [`verify_as`](Self::verify_as).
    pub async fn verify_waiting_as<E: DeserializeOwned>(
        &self,
        token: &str,
        up_to: Duration,
    ) -> Result<Verified<BearerClaims<E>>, Rejection> {
        let Source::Live(Live { refresher, .. }) = &self.0.keys else {
            return self.verify_as(token);
        };
        let finished = refresher.progress().finished;
        match self.verify_as(token) {
            Err(rejection) if rejection.may_pass_later() => {
                match refresher.next(finished, up_to).await {
                    true => self.verify_as(token),
                    false => Err(rejection),
                }
            }
            verdict => verdict,
        }
    }

    /// Fetches the keys now, whatever the cooldown says, after a fetch that may be in flight: for
    /// an operator whose issuer just dropped a key. Does nothing for a fixed set.
    ///
    /// # Errors
    /// Why they could not be fetched. The old ones stay.
    pub async fn refresh(&self) -> Result<(), Arc<RefreshError>> {
        match &self.0.keys {
            Source::Fixed(_) => Ok(()),
            Source::Live(Live { refresher, .. }) => refresher.refresh().await,
        }
    }

    /// How the keys are.
    #[must_use]
    pub fn health(&self) -> Health {
        let Inner { rules, keys } = &*self.0;
        let refresher = match keys {
            Source::Fixed(keys) => return fixed_health(keys),
            Source::Live(Live { refresher, .. }) => refresher,
        };
        let known = refresher.known();
        let progress = refresher.progress();
        let now = rules.clock.now();
        let stale = known.as_ref().is_some_and(|known| rules.is_stale(known, now));
        let confirmed_at = known.as_ref().map(|known| known.confirmed_at);
        Health {
            ready: known.is_some() && !(stale && rules.on_stale == Stale::Refuse),
            keys: known.as_ref().map_or(0, |known| known.keys.len()),
            confirmed_at,
            age: confirmed_at.map(|at| between(at, now)),
            stale,
            failures: progress.failures,
            last_error: progress.last_error,
        }
    }

    fn judge_live<E: DeserializeOwned>(
        &self,
        token: &str,
        refresher: &Refresher,
    ) -> Result<Verified<BearerClaims<E>>, Rejection> {
        let rules = &self.0.rules;
        let now = rules.clock.now();
        let known = refresher.known();
        let known = known.as_ref().ok_or(Rejection::NoKeys)?;
        if !rules.is_stale(known, now) {
            return rules.judge(token, &known.keys, now);
        }
        match rules.on_stale {
            Stale::Refuse => Err(Rejection::StaleKeys),
            Stale::GoOn => rules.judge(token, &known.keys, now),
        }
    }
}

impl Rules {
    fn judge<E: DeserializeOwned>(
        &self,
        token: &str,
        keys: &KeySet,
        now: Timestamp,
    ) -> Result<Verified<BearerClaims<E>>, Rejection> {
        let unknown = Cell::new(false);
        let find = |kid: &str| match keys.named(kid) {
            Some(key) if self.algorithms.contains(&key.algorithm()) => Ok(key),
            Some(_) => Err(TokenError::Algorithm),
            None => {
                unknown.set(true);
                Err(TokenError::UnknownKey)
            }
        };
        let claims = match self.check.check_bearer::<E>(token, find, now) {
            Err(_) if unknown.get() => return Err(Rejection::UnknownKey),
            verdict => verdict?,
        };
        if claims.cnf.is_some() && !self.accept_bound {
            return Err(Rejection::Bound);
        }
        Ok(claims)
    }

    fn is_stale(&self, known: &Known, now: Timestamp) -> bool {
        between(known.confirmed_at, now) > self.max_staleness
    }
}

fn fixed_health(keys: &KeySet) -> Health {
    Health {
        ready: true,
        keys: keys.len(),
        confirmed_at: None,
        age: None,
        stale: false,
        failures: 0,
        last_error: None,
    }
}

/// How long after `start` it is; nothing when the clock went back.
fn between(start: Timestamp, now: Timestamp) -> Duration {
    let millis = now.millis().saturating_sub(start.millis());
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
