//! Fetching one status list, and deciding whether it may replace the cached one.

use std::sync::Arc;
use std::time::Duration;

use aquaware_token::jwt::{Algorithm, KeySet, TokenError};
use aquaware_token::time::{Leeway, Timestamp};

use super::allowed::AllowedUrl;
use super::list::{List, ListCheck};
use crate::document::{body, failed, get, is_unchanged};
use crate::error::{DocumentError, RefreshError};
use crate::fetch::{Fetch, Request};
use crate::key_source::KeySource;
use crate::refresh::{Cached, Fetched, Refresher, Source};
use crate::schedule::{elapsed, status_list_lifetime};

/// What all lists of a verifier share.
#[derive(Debug)]
pub(crate) struct ListContext {
    pub(crate) fetch: Arc<dyn Fetch>,
    pub(crate) keys: Arc<Refresher<KeySource>>,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) leeway: Leeway,
    pub(crate) max_staleness: Duration,
}

/// One status list of the issuer.
#[derive(Debug)]
pub(crate) struct ListSource {
    pub(crate) context: Arc<ListContext>,
    /// The URI as written in tokens, which must equal the `sub` of the list.
    pub(crate) uri: String,
    /// The same URI, parsed.
    pub(crate) allowed: AllowedUrl,
    /// The `ETag` of the cached list.
    pub(crate) etag: Option<String>,
}

impl Source for ListSource {
    type Document = List;

    async fn fetch(
        &mut self,
        cached: Option<&Cached<List>>,
        now: Timestamp,
    ) -> Result<Fetched<List>, RefreshError> {
        // The semaphore is never closed. If it were, only the limit on fetches would be lost.
        let _permit = self.allowed.permits.acquire().await;
        // A 304 must not confirm a list that has expired, or that was signed with a dropped key.
        // Such a list is fetched unconditionally.
        let cached = cached.filter(|cached| !cached.document.is_expired(self.context.leeway, now));
        let confirmable = cached.is_some_and(|cached| self.has_key(&cached.document.kid));
        let etag = self.etag.clone().filter(|_| confirmable);
        let request = Request::status_list(self.allowed.url.to_string()).if_none_match(etag);
        let mut response = get(&*self.context.fetch, &request).await?;
        let (etag, cache_control) = (response.etag.take(), response.cache_control.take());
        let (age_header, age) = (response.age, Duration::from_secs(response.age.unwrap_or(0)));
        let lifetime = |list: &List| {
            let until_exp = list.exp.map(|exp| elapsed(now, exp));
            status_list_lifetime(list.ttl, cache_control.as_deref(), age_header, until_exp)
        };
        if let (true, Some(cached)) = (is_unchanged(&request, &response), cached) {
            return Ok(Fetched { document: None, lifetime: lifetime(&cached.document), age });
        }
        let body = body(&request, response)?;
        let mut list = self
            .read(&body, now)
            .map_err(|error| failed(&request, DocumentError::StatusList(error)))?;
        // A list from a machine with a fast clock counts as signed now. Otherwise no list of the
        // other machines could replace it until their clocks have caught up.
        list.iat = list.iat.min(now);
        // Keys are checked again, as they may have changed during the fetch.
        if let Some(cached) = cached.filter(|cached| self.has_key(&cached.document.kid)) {
            self.compare(cached, &mut list, now).map_err(|error| failed(&request, error))?;
        }
        self.etag = etag;
        let lifetime = lifetime(&list);
        Ok(Fetched { document: Some(list), lifetime, age })
    }
}

impl ListSource {
    fn read(&self, body: &[u8], now: Timestamp) -> Result<List, TokenError> {
        let token = std::str::from_utf8(body).map_err(|_| TokenError::Malformed)?;
        // The keys after the fetch: a rotation may have added one in the meantime.
        let keys = self.keys();
        let Some(keys) = &keys else { return Err(self.unknown_key()) };
        let ListContext { algorithms, leeway, .. } = &*self.context;
        let check = ListCheck { keys, algorithms, leeway: *leeway };
        match List::read(token.trim_ascii(), &self.uri, check, now) {
            Err(TokenError::UnknownKey) => Err(self.unknown_key()),
            result => result,
        }
    }

    /// Requests the keys, as a token with an unknown key does, and under the same cooldown. When
    /// they arrive, the list is fetched again: see [`waits_for_key`].
    fn unknown_key(&self) -> TokenError {
        self.context.keys.request();
        TokenError::UnknownKey
    }

    fn keys(&self) -> Option<Arc<KeySet>> {
        self.context.keys.current().as_ref().map(|cached| Arc::clone(&cached.document))
    }

    fn has_key(&self, kid: &str) -> bool {
        self.keys().is_some_and(|keys| keys.get(kid).is_some())
    }

    /// Rejects a `list` that would undo revocations in the cached one.
    ///
    /// An older list is accepted if it has the same entries: each machine of an issuer signs its
    /// own copy, and signs again only after a change. It is also accepted if it is older by no more
    /// than the clocks of those machines may differ. In both cases the newest `iat` seen so far is
    /// kept for later comparisons; otherwise lists could go back step by step.
    ///
    /// A cached list that has not been confirmed for half of the maximum staleness does not count,
    /// so that the issuer recovers from setting its clock back before the cached list becomes stale.
    fn compare(
        &self,
        cached: &Cached<List>,
        list: &mut List,
        now: Timestamp,
    ) -> Result<(), DocumentError> {
        let before = &cached.document;
        if list.iat >= before.iat || cached.age(now) > self.context.max_staleness / 2 {
            return Ok(());
        }
        let much_older = list.iat.plus(Leeway::MAX.span()) < before.iat;
        if much_older && list.entries != before.entries {
            return Err(DocumentError::OlderStatusList);
        }
        list.iat = before.iat;
        Ok(())
    }
}

/// Whether the last fetch of a list failed because the key that signed it was unknown.
pub(crate) fn waits_for_key(list: &Refresher<ListSource>) -> bool {
    list.progress().last_error.as_ref().is_some_and(|error| {
        matches!(error.source, DocumentError::StatusList(TokenError::UnknownKey))
    })
}
