//! The verifier: tokens in, claims or a rejection out, without I/O.
//!
//! The rules of tokens are the core's. Here it is decided which keys are asked, and what happens
//! when they are missing or old; of status lists the same is decided in `lists.rs`.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use aquaware_token::claims::BearerClaims;
use aquaware_token::claims::ExtraClaims;
use aquaware_token::jwt::{AccessCheck, Algorithm, KeySet, TokenError, Verified};
use aquaware_token::status::StatusReference;
use aquaware_token::time::{Clock, Timestamp};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::builder::Builder;
use crate::error::RefreshError;
use crate::health::{Health, Stale, StatusHealth};
use crate::lists::{Aggregation, Denied, Entry, FixedLists, Lists};
use crate::origin::{Origin, key_named};
use crate::refresh::{Kept, Known, Refresher};
use crate::rejection::Rejection;

/// Nobody waits longer, whatever they said: so much can be added to any instant.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// Checks access tokens of one issuer for one service. Cheap to clone; clones share their keys
/// and status lists.
///
/// Made by [`Verifier::builder`]. The tasks that keep these fresh run on the runtime that it was
/// made on, and end with its last clone.
#[derive(Clone, Debug)]
pub struct Verifier(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rules: Rules,
    source: Source,
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
    pub(crate) on_stale_status: Stale,
}

/// Where keys and status lists come from. No lists at all: nobody asks for a token's status.
#[derive(Debug)]
pub(crate) enum Source {
    Fixed { keys: KeySet, lists: Option<FixedLists> },
    Live(Live),
}

/// Keys and lists with the tasks that keep them fresh, which end with this.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) keys: Kept<Origin>,
    pub(crate) lists: Option<Arc<Lists>>,
    pub(crate) aggregation: Option<Kept<Aggregation>>,
}

impl Verifier {
    /// Begins a verifier. What it needs: an issuer, an audience, and where keys come from.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(rules: Rules, source: Source) -> Self {
        Self(Arc::new(Inner { rules, source }))
    }

    /// Checks `token` with the keys and status lists that are there. Never waits.
    ///
    /// # Errors
    /// [`Rejection`]. A token of an unknown key or status list is refused at once, and these are
    /// fetched in the background; [`verify_waiting`](Self::verify_waiting) waits for them.
    pub fn verify(&self, token: &str) -> Result<Verified<BearerClaims>, Rejection> {
        self.verify_as::<ExtraClaims>(token)
    }

    /// As [`verify`](Self::verify), with the claims that RFC 9068 doesn't name read as an `E`.
    ///
    /// # Errors
    /// As [`verify`](Self::verify); a token without an `E` in it is
    /// [`TokenError::Claims`](aquaware_token::jwt::TokenError::Claims).
    pub fn verify_as<E: DeserializeOwned>(
        &self,
        token: &str,
    ) -> Result<Verified<BearerClaims<E>>, Rejection> {
        self.judge(token).map_err(|denied| denied.rejection)
    }

    /// As [`verify`](Self::verify), but when keys or the token's status list are missing it waits
    /// for the fetch that is in flight, or about to begin, and checks again.
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
        let Source::Live(Live { keys, .. }) = &self.0.source else {
            return self.verify_as(token);
        };
        let deadline = Instant::now() + up_to.min(LONGEST_WAIT);
        let mut list: Option<Arc<Entry>> = None;
        loop {
            // Counted before each look, so that no fetch that ends right after it is missed.
            let keys_seen = keys.refresher.finished();
            let list_seen = list.as_ref().map(|list| list.refresher().finished());
            let Denied { rejection, list: wanted } = match self.judge(token) {
                Ok(claims) => return Ok(claims),
                Err(denied) => denied,
            };
            if !rejection.may_pass_later() {
                return Err(rejection);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let ended = match (wanted, list_seen) {
                (Some(wanted), Some(seen)) if is(&wanted, list.as_ref()) => {
                    wanted.refresher().next(seen, left).await
                }
                // Which list it is, is known only now: count, and look once more.
                (Some(wanted), _) => {
                    list = Some(wanted);
                    true
                }
                (None, _) if rejection == Rejection::UnknownStatus => false,
                (None, _) => keys.refresher.next(keys_seen, left).await,
            };
            if !ended {
                return Err(rejection);
            }
        }
    }

    /// Fetches the keys now, whatever the cooldown says, after a fetch that may be in flight: for
    /// an operator whose issuer just dropped a key. Does nothing for a fixed set.
    ///
    /// # Errors
    /// Why they could not be fetched. The old ones stay.
    pub async fn refresh(&self) -> Result<(), Arc<RefreshError>> {
        match &self.0.source {
            Source::Fixed { .. } => Ok(()),
            Source::Live(Live { keys, .. }) => keys.refresher.refresh().await,
        }
    }

    /// How the keys and the status lists are.
    #[must_use]
    pub fn health(&self) -> Health {
        let Inner { rules, source } = &*self.0;
        let now = rules.clock.now();
        match source {
            Source::Fixed { keys, lists } => {
                let status = lists.as_ref().map(|lists| lists.health(rules.check.leeway, now));
                fixed_health(keys, status.unwrap_or(StatusHealth::none()))
            }
            Source::Live(live) => live.health(rules, now),
        }
    }

    /// The token first, its status last (draft-ietf-oauth-status-list-20 §8.3).
    fn judge<E: DeserializeOwned>(&self, token: &str) -> Result<Verified<BearerClaims<E>>, Denied> {
        let Inner { rules, source } = &*self.0;
        let now = rules.clock.now();
        let claims = match source {
            Source::Fixed { keys, .. } => rules.judge(token, keys, now)?,
            Source::Live(Live { keys, .. }) => {
                let verdict = rules.judge_live(token, &keys.refresher, now);
                if matches!(&verdict, Err(rejection) if rejection.may_pass_later()) {
                    keys.refresher.ask();
                }
                verdict?
            }
        };
        match source {
            Source::Fixed { lists: None, .. } | Source::Live(Live { lists: None, .. }) => {}
            Source::Fixed { lists: Some(lists), .. } => {
                if let Some(at) = status_list(&claims)? {
                    lists.judge(&at, rules.on_stale_status, rules.check.leeway, now)?;
                }
            }
            Source::Live(Live { lists: Some(lists), .. }) => {
                if let Some(at) = status_list(&claims)? {
                    lists.judge(&at, now)?;
                }
            }
        }
        Ok(claims)
    }
}

impl Live {
    fn health(&self, rules: &Rules, now: Timestamp) -> Health {
        let known = self.keys.refresher.known();
        let progress = self.keys.refresher.progress();
        let stale = known.as_ref().is_some_and(|known| rules.is_stale(known, now));
        let confirmed_at = known.as_ref().map(|known| known.confirmed_at);
        let mut status =
            self.lists.as_ref().map_or(StatusHealth::none(), |lists| lists.health(now));
        if let Some(aggregation) = &self.aggregation {
            let progress = aggregation.refresher.progress();
            status.count(progress.failures, progress.last_error);
        }
        Health {
            ready: known.is_some() && !(stale && rules.on_stale == Stale::Refuse),
            keys: known.as_ref().map_or(0, |known| known.document.len()),
            confirmed_at,
            age: confirmed_at.map(|at| between(at, now)),
            stale,
            failures: progress.failures,
            last_error: progress.last_error,
            status,
        }
    }
}

impl Rules {
    fn judge_live<E: DeserializeOwned>(
        &self,
        token: &str,
        keys: &Refresher<Origin>,
        now: Timestamp,
    ) -> Result<Verified<BearerClaims<E>>, Rejection> {
        let known = keys.known();
        let known = known.as_ref().ok_or(Rejection::NoKeys)?;
        if self.is_stale(known, now) && self.on_stale == Stale::Refuse {
            return Err(Rejection::StaleKeys);
        }
        self.judge(token, &known.document, now)
    }

    fn judge<E: DeserializeOwned>(
        &self,
        token: &str,
        keys: &KeySet,
        now: Timestamp,
    ) -> Result<Verified<BearerClaims<E>>, Rejection> {
        let unknown = Cell::new(false);
        let find = |kid: &str| {
            let key = key_named(keys, &self.algorithms, kid);
            unknown.set(matches!(key, Err(TokenError::UnknownKey)));
            key
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

    fn is_stale(&self, known: &Known<KeySet>, now: Timestamp) -> bool {
        between(known.confirmed_at, now) > self.max_staleness
    }
}

/// The entry that a token names. Other mechanisms than status lists are passed over: nothing here
/// knows them. A service that ignores status never asks, so that one of another shape is no error.
fn status_list<E>(claims: &BearerClaims<E>) -> Result<Option<StatusReference>, Rejection> {
    Ok(claims.status_claim()?.and_then(|status| status.status_list))
}

/// Whether the list that was counted is still this one: it may have been let go and begun anew.
fn is(wanted: &Arc<Entry>, counted: Option<&Arc<Entry>>) -> bool {
    counted.is_some_and(|counted| Arc::ptr_eq(wanted, counted))
}

fn fixed_health(keys: &KeySet, status: StatusHealth) -> Health {
    Health {
        ready: true,
        keys: keys.len(),
        confirmed_at: None,
        age: None,
        stale: false,
        failures: 0,
        last_error: None,
        status,
    }
}

/// How long after `start` it is; nothing when the clock went back.
pub(crate) fn between(start: Timestamp, now: Timestamp) -> Duration {
    let millis = now.millis().saturating_sub(start.millis());
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
