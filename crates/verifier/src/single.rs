//! The verifier of one issuer. It chooses the keys, and decides what to do when they are missing or
//! stale; `lists/cache.rs` does the same for status lists.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use aquaware_token::claims::{BearerClaims, ExtraClaims};
use aquaware_token::jwt::{
    AccessCheck, Algorithm, KeySet, MAX_TOKEN_BYTES, Profile, TokenDigest, TokenError, Verified,
};
use aquaware_token::status::StatusReference;
use aquaware_token::time::{Clock, Timestamp};
use tokio::time::Instant;

use crate::error::{RefreshError, VerifyError};
use crate::health::{Health, StalePolicy, StatusHealth};
use crate::key_source::{KeySource, find_key};
use crate::lists::aggregation::Aggregation;
use crate::lists::cache::{CheckError, StatusLists};
use crate::lists::entry::ListEntry;
use crate::lists::fixed::FixedLists;
use crate::refresh::{Cached, RefreshTask};
use crate::token_cache::{Entry, TokenCache};

/// Maximum wait. Any duration may be requested, but not every one can be added to an `Instant`.
const MAX_WAIT: Duration = Duration::from_secs(86_400);

/// Verifies access tokens of one issuer.
#[derive(Debug)]
pub(crate) struct SingleVerifier {
    pub(crate) rules: Rules,
    pub(crate) source: Source,
    /// `None` if the service has switched it off.
    pub(crate) cache: Option<TokenCache>,
}

/// Which tokens are accepted.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) check: AccessCheck,
    pub(crate) profile: Profile,
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
    Fixed { keys: Arc<KeySet>, lists: Option<FixedLists> },
    Live(Live),
}

/// Keys and lists with the tasks that keep them fresh, which end when this is dropped.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) keys: RefreshTask<KeySource>,
    pub(crate) lists: Option<Arc<StatusLists>>,
    pub(crate) aggregation: Option<RefreshTask<Aggregation>>,
}

impl SingleVerifier {
    pub(crate) fn issuer(&self) -> &str {
        self.rules.check.issuer.as_str()
    }

    /// The digest by which the cache finds the token; `None` without a cache, or if the token is
    /// too long to be valid.
    pub(crate) fn digest(&self, token: &str) -> Option<TokenDigest> {
        let cached = self.cache.is_some() && token.len() <= MAX_TOKEN_BYTES;
        cached.then(|| TokenDigest::of(token))
    }

    /// Whether the token was verified before. It may no longer be valid.
    pub(crate) fn knows(&self, digest: &TokenDigest) -> bool {
        self.cache.as_ref().is_some_and(|cache| cache.get(digest).is_some())
    }

    /// Checks the token first and its status last (draft-ietf-oauth-status-list-20 §8.3), so that
    /// only valid tokens can cause fetches of status lists.
    pub(crate) fn check(
        &self,
        token: &str,
        digest: Option<&TokenDigest>,
    ) -> Result<Arc<Verified<BearerClaims>>, CheckError> {
        let now = self.rules.clock.now();
        let entry = match &self.source {
            Source::Fixed { keys, .. } => self.verified(token, digest, keys, now)?,
            Source::Live(Live { keys, .. }) => {
                let current = keys.refresher.current();
                let result = self.rules.usable(current.as_ref(), now);
                let result = result.and_then(|keys| self.verified(token, digest, keys, now));
                if matches!(&result, Err(error) if error.is_retryable()) {
                    keys.refresher.request();
                }
                result?
            }
        };
        if let Some(status) = &entry.status {
            self.check_status(status, now)?;
        }
        Ok(Arc::clone(&entry.claims))
    }

    /// The verified token, from the cache if it was verified with the same key set before.
    fn verified(
        &self,
        token: &str,
        digest: Option<&TokenDigest>,
        keys: &Arc<KeySet>,
        now: Timestamp,
    ) -> Result<Arc<Entry>, VerifyError> {
        let cache = self.cache.as_ref().zip(digest);
        if let Some((cache, digest)) = cache
            && let Some(entry) = cache.get(digest)
        {
            let in_time = self.rules.check.check_times(&entry.claims, now).is_ok();
            if in_time && Arc::ptr_eq(&entry.keys, keys) {
                return Ok(entry);
            }
            cache.remove(digest);
        }
        let claims = self.rules.check(token, keys, now)?;
        let status = if self.reads_status() { status_reference(&claims)? } else { None };
        let (claims, keys) = (Arc::new(claims), Arc::clone(keys));
        let entry = Arc::new(Entry { claims, status, keys });
        if let Some((cache, digest)) = cache {
            cache.insert(*digest, Arc::clone(&entry));
        }
        Ok(entry)
    }

    const fn reads_status(&self) -> bool {
        match &self.source {
            Source::Fixed { lists, .. } => lists.is_some(),
            Source::Live(live) => live.lists.is_some(),
        }
    }

    fn check_status(&self, status: &StatusReference, now: Timestamp) -> Result<(), CheckError> {
        match &self.source {
            Source::Fixed { lists: Some(lists), .. } => {
                let Rules { check, on_stale_status, .. } = &self.rules;
                Ok(lists.check(status, *on_stale_status, check.leeway, now)?)
            }
            Source::Live(Live { lists: Some(lists), .. }) => lists.check(status, now),
            Source::Fixed { lists: None, .. } | Source::Live(Live { lists: None, .. }) => Ok(()),
        }
    }

    pub(crate) async fn check_waiting(
        &self,
        token: &str,
        up_to: Duration,
    ) -> Result<Arc<Verified<BearerClaims>>, VerifyError> {
        let digest = self.digest(token);
        let check = || self.check(token, digest.as_ref());
        let Source::Live(Live { keys, .. }) = &self.source else {
            return check().map_err(|failed| failed.error);
        };
        let deadline = Instant::now() + up_to.min(MAX_WAIT);
        let mut list: Option<Arc<ListEntry>> = None;
        loop {
            // The counts are read before the check, so that a fetch that finishes during the check
            // is not missed.
            let keys_seen = keys.refresher.progress().finished;
            let list_seen = list.as_ref().map(|list| list.refresher().progress().finished);
            let CheckError { error, list: wanted } = match check() {
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

    pub(crate) async fn refresh(&self) -> Result<(), Arc<RefreshError>> {
        match &self.source {
            Source::Fixed { .. } => Ok(()),
            Source::Live(Live { keys, .. }) => keys.refresher.refresh().await,
        }
    }

    pub(crate) fn health(&self) -> Health {
        let Self { rules, source, .. } = self;
        let now = rules.clock.now();
        match source {
            Source::Fixed { keys, lists } => {
                let status = lists.as_ref().map(|lists| lists.health(rules.check.leeway, now));
                let status = status.unwrap_or(StatusHealth::EMPTY);
                Health { ready: true, keys: keys.len(), status, ..Health::EMPTY }
            }
            Source::Live(live) => live.health(rules, now),
        }
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
    /// The keys, if they may be used.
    fn usable<'k>(
        &self,
        current: Option<&'k Arc<Cached<KeySet>>>,
        now: Timestamp,
    ) -> Result<&'k Arc<KeySet>, VerifyError> {
        let cached = current.ok_or(VerifyError::NoKeys)?;
        if self.is_stale(cached, now) && self.on_stale == StalePolicy::Reject {
            return Err(VerifyError::StaleKeys);
        }
        Ok(&cached.document)
    }

    fn check(
        &self,
        token: &str,
        keys: &KeySet,
        now: Timestamp,
    ) -> Result<Verified<BearerClaims>, VerifyError> {
        let unknown = Cell::new(false);
        let find = |kid: &str| {
            let key = find_key(keys, &self.algorithms, kid);
            unknown.set(matches!(key, Err(TokenError::UnknownKey)));
            key
        };
        let result = self.check.check_bearer::<ExtraClaims>(&self.profile, token, find, now);
        let claims = match result {
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
fn status_reference(claims: &BearerClaims) -> Result<Option<StatusReference>, VerifyError> {
    Ok(claims.status_claim()?.and_then(|status| status.status_list))
}

/// Whether the count that was read belongs to this entry: the entry may have been abandoned and
/// replaced since.
fn is_same(wanted: &Arc<ListEntry>, counted: Option<&Arc<ListEntry>>) -> bool {
    counted.is_some_and(|counted| Arc::ptr_eq(wanted, counted))
}
