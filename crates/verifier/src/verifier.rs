//! The verifier: checks tokens against the cached keys and status lists, without I/O.
//!
//! The rules for tokens are in `aquaware-token`. This module chooses the keys, and decides what to
//! do when they are missing or stale; `lists/cache.rs` does the same for status lists.

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

use crate::error::{RefreshError, VerifyError};
use crate::health::{Health, StalePolicy, StatusHealth};
use crate::key_source::{KeySource, find_key};
use crate::lists::aggregation::Aggregation;
use crate::lists::cache::{CheckError, StatusLists};
use crate::lists::entry::ListEntry;
use crate::lists::fixed::FixedLists;
use crate::refresh::{Cached, RefreshTask, Refresher};

/// Maximum wait. Any duration may be requested, but not every one can be added to an `Instant`.
const MAX_WAIT: Duration = Duration::from_secs(86_400);

/// Verifies access tokens of one issuer for one service.
///
/// Created by [`Verifier::builder`]. Clones are cheap and share their keys and status lists. The
/// background tasks run on the runtime on which the verifier was created, and end when its last
/// clone is dropped.
#[derive(Clone, Debug)]
pub struct Verifier(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rules: Rules,
    source: Source,
}

/// Which tokens are accepted.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) check: AccessCheck,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) accept_bound: bool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) max_staleness: Duration,
    pub(crate) on_stale: StalePolicy,
    pub(crate) on_stale_status: StalePolicy,
}

/// Where keys and status lists come from. Without `lists`, the status of tokens is ignored.
#[derive(Debug)]
pub(crate) enum Source {
    Fixed { keys: KeySet, lists: Option<FixedLists> },
    Live(Live),
}

/// Keys and lists with the tasks that keep them fresh, which end when this is dropped.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) keys: RefreshTask<KeySource>,
    pub(crate) lists: Option<Arc<StatusLists>>,
    pub(crate) aggregation: Option<RefreshTask<Aggregation>>,
}

impl Verifier {
    pub(crate) fn new(rules: Rules, source: Source) -> Self {
        Self(Arc::new(Inner { rules, source }))
    }

    /// Verifies `token` with the cached keys and status lists. Never waits.
    ///
    /// # Errors
    /// [`VerifyError`]. If the token's key or status list is unknown, the token is rejected
    /// immediately and they are fetched in the background;
    /// [`verify_waiting`](Self::verify_waiting) waits for them.
    pub fn verify(&self, token: &str) -> Result<Verified<BearerClaims>, VerifyError> {
        self.verify_as::<ExtraClaims>(token)
    }

    /// Like [`verify`](Self::verify), and deserializes the claims beyond RFC 9068 as an `E`.
    ///
    /// # Errors
    /// As [`verify`](Self::verify). If the claims are not an `E`:
    /// [`TokenError::UnexpectedClaims`](aquaware_token::jwt::TokenError::UnexpectedClaims).
    pub fn verify_as<E: DeserializeOwned>(
        &self,
        token: &str,
    ) -> Result<Verified<BearerClaims<E>>, VerifyError> {
        self.check(token).map_err(|failed| failed.error)
    }

    /// Like [`verify`](Self::verify), but if the token's key or status list is missing, waits for
    /// the fetch that is in flight or about to begin, and checks again.
    ///
    /// Waits for at most `up_to`, and not at all if the cooldown forbids a fetch in that time. For
    /// issuers that sign with a key as soon as they publish it. Requests with made-up key ids wait
    /// as well, so `up_to` should be about a second.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub async fn verify_waiting(
        &self,
        token: &str,
        up_to: Duration,
    ) -> Result<Verified<BearerClaims>, VerifyError> {
        self.verify_waiting_as::<ExtraClaims>(token, up_to).await
    }

    /// Like [`verify_waiting`](Self::verify_waiting), and deserializes the claims beyond RFC 9068
    /// as an `E`.
    ///
    /// # Errors
    /// As [`verify_as`](Self::verify_as).
    pub async fn verify_waiting_as<E: DeserializeOwned>(
        &self,
        token: &str,
        up_to: Duration,
    ) -> Result<Verified<BearerClaims<E>>, VerifyError> {
        let Source::Live(Live { keys, .. }) = &self.0.source else {
            return self.verify_as(token);
        };
        let deadline = Instant::now() + up_to.min(MAX_WAIT);
        let mut list: Option<Arc<ListEntry>> = None;
        loop {
            // The counts are read before the check, so that a fetch that finishes during the check
            // is not missed.
            let keys_seen = keys.refresher.progress().finished;
            let list_seen = list.as_ref().map(|list| list.refresher().progress().finished);
            let CheckError { error, list: wanted } = match self.check(token) {
                Ok(claims) => return Ok(claims),
                Err(failed) => failed,
            };
            if !error.is_retryable() {
                return Err(error);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let fetched = match (wanted, list_seen) {
                (Some(wanted), Some(seen)) if is_same(&wanted, list.as_ref()) => {
                    wanted.refresher().wait_for_next(seen, left).await
                }
                // The list is only known after the first check: read its count and check again.
                (Some(wanted), _) => {
                    list = Some(wanted);
                    true
                }
                // The cache of lists is full, so no fetch will follow.
                (None, _) if error == VerifyError::NoStatusList => false,
                (None, _) => keys.refresher.wait_for_next(keys_seen, left).await,
            };
            if !fetched {
                return Err(error);
            }
        }
    }

    /// Fetches the keys now, regardless of the cooldown and after any fetch in flight: for use after
    /// the issuer has dropped a key. Does nothing for a fixed key set.
    ///
    /// # Errors
    /// If the keys could not be fetched. The current keys stay in use.
    pub async fn refresh(&self) -> Result<(), Arc<RefreshError>> {
        match &self.0.source {
            Source::Fixed { .. } => Ok(()),
            Source::Live(Live { keys, .. }) => keys.refresher.refresh().await,
        }
    }

    /// The state of the keys and the status lists.
    #[must_use]
    pub fn health(&self) -> Health {
        let Inner { rules, source } = &*self.0;
        let now = rules.clock.now();
        match source {
            Source::Fixed { keys, lists } => {
                let status = lists.as_ref().map(|lists| lists.health(rules.check.leeway, now));
                Health {
                    ready: true,
                    keys: keys.len(),
                    confirmed_at: None,
                    age: None,
                    stale: false,
                    failures: 0,
                    last_error: None,
                    status: status.unwrap_or(StatusHealth::EMPTY),
                }
            }
            Source::Live(live) => live.health(rules, now),
        }
    }

    /// Checks the token first and its status last (draft-ietf-oauth-status-list-20 §8.3), so that
    /// only valid tokens can cause fetches of status lists.
    fn check<E: DeserializeOwned>(
        &self,
        token: &str,
    ) -> Result<Verified<BearerClaims<E>>, CheckError> {
        let Inner { rules, source } = &*self.0;
        let now = rules.clock.now();
        let claims = match source {
            Source::Fixed { keys, .. } => rules.check(token, keys, now)?,
            Source::Live(Live { keys, .. }) => {
                let result = rules.check_live(token, &keys.refresher, now);
                if matches!(&result, Err(error) if error.is_retryable()) {
                    keys.refresher.request();
                }
                result?
            }
        };
        match source {
            Source::Fixed { lists: None, .. } | Source::Live(Live { lists: None, .. }) => {}
            Source::Fixed { lists: Some(lists), .. } => {
                if let Some(status) = status_reference(&claims)? {
                    lists.check(&status, rules.on_stale_status, rules.check.leeway, now)?;
                }
            }
            Source::Live(Live { lists: Some(lists), .. }) => {
                if let Some(status) = status_reference(&claims)? {
                    lists.check(&status, now)?;
                }
            }
        }
        Ok(claims)
    }
}

impl Live {
    fn health(&self, rules: &Rules, now: Timestamp) -> Health {
        let current = self.keys.refresher.current();
        let progress = self.keys.refresher.progress();
        let stale = current.as_ref().is_some_and(|cached| rules.is_stale(cached, now));
        let mut status = self.lists.as_ref().map_or(StatusHealth::EMPTY, |lists| lists.health(now));
        if let Some(aggregation) = &self.aggregation {
            let progress = aggregation.refresher.progress();
            status.record_failures(progress.failures, progress.last_error.as_ref());
        }
        Health {
            ready: current.is_some() && !(stale && rules.on_stale == StalePolicy::Reject),
            keys: current.as_ref().map_or(0, |cached| cached.document.len()),
            confirmed_at: current.as_ref().map(|cached| cached.confirmed_at),
            age: current.as_ref().map(|cached| cached.age(now)),
            stale,
            failures: progress.failures,
            last_error: progress.last_error.clone(),
            status,
        }
    }
}

impl Rules {
    fn check_live<E: DeserializeOwned>(
        &self,
        token: &str,
        keys: &Refresher<KeySource>,
        now: Timestamp,
    ) -> Result<Verified<BearerClaims<E>>, VerifyError> {
        let current = keys.current();
        let cached = current.as_ref().ok_or(VerifyError::NoKeys)?;
        if self.is_stale(cached, now) && self.on_stale == StalePolicy::Reject {
            return Err(VerifyError::StaleKeys);
        }
        self.check(token, &cached.document, now)
    }

    fn check<E: DeserializeOwned>(
        &self,
        token: &str,
        keys: &KeySet,
        now: Timestamp,
    ) -> Result<Verified<BearerClaims<E>>, VerifyError> {
        let unknown = Cell::new(false);
        let find = |kid: &str| {
            let key = find_key(keys, &self.algorithms, kid);
            unknown.set(matches!(key, Err(TokenError::UnknownKey)));
            key
        };
        let claims = match self.check.check_bearer::<E>(token, find, now) {
            // Distinct from a token without a `kid`: only for a `kid` is it worth fetching keys.
            Err(_) if unknown.get() => return Err(VerifyError::UnknownKey),
            result => result?,
        };
        if claims.cnf.is_some() && !self.accept_bound {
            return Err(VerifyError::BoundToken);
        }
        Ok(claims)
    }

    fn is_stale(&self, cached: &Cached<KeySet>, now: Timestamp) -> bool {
        cached.age(now) > self.max_staleness
    }
}

/// The status list entry that a token names. Other status mechanisms are ignored. Not called by a
/// service that ignores status, so that a `status` claim of another shape is not an error there.
fn status_reference<E>(claims: &BearerClaims<E>) -> Result<Option<StatusReference>, VerifyError> {
    Ok(claims.status_claim()?.and_then(|status| status.status_list))
}

/// Whether the count that was read belongs to this entry: the entry may have been abandoned and
/// replaced since.
fn is_same(wanted: &Arc<ListEntry>, counted: Option<&Arc<ListEntry>>) -> bool {
    counted.is_some_and(|counted| Arc::ptr_eq(wanted, counted))
}
