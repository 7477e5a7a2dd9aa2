//! Where one status list comes from, and whether it may replace the one in hand.

use std::sync::Arc;
use std::time::Duration;

use aquaware_token::jwt::{Algorithm, KeySet, TokenError};
use aquaware_token::time::{Leeway, Timestamp};

use super::list::{Check, List};
use super::places::Found;
use crate::document::{at, body, get, is_unchanged};
use crate::error::{Problem, RefreshError};
use crate::fetch::{Fetch, Request, Response};
use crate::freshness::list_lifetime;
use crate::origin::Origin;
use crate::refresh::{Fetched, Known, Refresher, Source};
use crate::verifier::between;

/// What fetching any list needs.
#[derive(Debug)]
pub(crate) struct Kit {
    pub(crate) fetch: Arc<dyn Fetch>,
    pub(crate) keys: Arc<Refresher<Origin>>,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) leeway: Leeway,
    pub(crate) max_staleness: Duration,
}

/// One list at its issuer's.
#[derive(Debug)]
pub(crate) struct ListSource {
    pub(crate) kit: Arc<Kit>,
    /// As tokens write it, and its `sub`.
    pub(crate) uri: String,
    /// As it is asked for, and how many may be at the same time.
    pub(crate) place: Found,
    /// The `ETag` of the list in hand.
    pub(crate) etag: Option<String>,
}

impl Source for ListSource {
    type Document = List;

    async fn fetch(
        &mut self,
        known: Option<&Known<List>>,
        now: Timestamp,
    ) -> Result<Fetched<List>, RefreshError> {
        // Never closed; and if it were, nothing but the number of fetches would depend on it.
        let _permit = self.place.permits.acquire().await;
        // An expired list is nothing that can be confirmed, nor is one of a key that was dropped.
        let known = known.filter(|known| !known.document.is_expired(self.kit.leeway, now));
        let confirmable = known.is_some_and(|known| self.has_key(&known.document.kid));
        let etag = self.etag.clone().filter(|_| confirmable);
        let request = Request::status_list(self.place.address.to_string()).unless(etag);
        let mut answer = get(&*self.kit.fetch, &request).await?;
        let headers = Headers::of(&mut answer);
        if let (true, Some(known)) = (is_unchanged(&request, &answer), known) {
            let lifetime = headers.lifetime(&known.document, now);
            return Ok(Fetched { document: None, lifetime, age: headers.age() });
        }
        let body = body(&request, answer)?;
        let mut list =
            self.read(&body, now).map_err(|error| at(&request, Problem::StatusList(error)))?;
        // A fast clock may have signed it: what the future says is no measure for other lists.
        list.iat = list.iat.min(now);
        // The keys may have changed during the fetch: nothing of a dropped one counts.
        if let Some(known) = known.filter(|known| self.has_key(&known.document.kid)) {
            self.weigh(known, &mut list, now).map_err(|problem| at(&request, problem))?;
        }
        let (lifetime, age) = (headers.lifetime(&list, now), headers.age());
        self.etag = headers.etag;
        Ok(Fetched { document: Some(list), lifetime, age })
    }
}

impl ListSource {
    fn read(&self, body: &[u8], now: Timestamp) -> Result<List, TokenError> {
        let token = std::str::from_utf8(body).map_err(|_| TokenError::Malformed)?;
        // The keys as they are after the fetch: those of a rotation may have come meanwhile.
        let keys = self.keys();
        let Some(keys) = &keys else { return Err(self.unknown_key()) };
        let Kit { algorithms, leeway, .. } = &*self.kit;
        let check = Check { keys, algorithms, leeway: *leeway };
        match List::read(token.trim_ascii(), &self.uri, check, now) {
            Err(TokenError::UnknownKey) => Err(self.unknown_key()),
            verdict => verdict,
        }
    }

    /// Asks for keys, as a token of an unknown key does, under the same cooldown. When they come
    /// the list is fetched again: see [`waits_for_key`].
    fn unknown_key(&self) -> TokenError {
        self.kit.keys.ask();
        TokenError::UnknownKey
    }

    fn keys(&self) -> Option<Arc<KeySet>> {
        self.kit.keys.known().as_ref().map(|known| Arc::clone(&known.document))
    }

    fn has_key(&self, kid: &str) -> bool {
        self.keys().is_some_and(|keys| keys.named(kid).is_some())
    }

    /// Refuses a `list` that would undo what is known.
    ///
    /// An older list that says the same does not: each machine of an issuer signs for itself, and
    /// again only when something changed. Nor does one that is older by no more than the clocks of
    /// those machines may differ. Either way the newest `iat` that was seen stays the measure, or
    /// lists could go back step by step. What nobody has confirmed for half of the staleness
    /// allowed is nothing to hold against another: an issuer whose clock was set back is believed
    /// again before the list in hand is too old.
    fn weigh(&self, known: &Known<List>, list: &mut List, now: Timestamp) -> Result<(), Problem> {
        let Known { document: before, confirmed_at } = known;
        if list.iat >= before.iat || between(*confirmed_at, now) > self.kit.max_staleness / 2 {
            return Ok(());
        }
        let much = list.iat.plus(Leeway::MAX.span()) < before.iat;
        if much && list.entries != before.entries {
            return Err(Problem::Older);
        }
        list.iat = before.iat;
        Ok(())
    }
}

/// Whether the last fetch of a list failed for want of a key.
pub(crate) fn waits_for_key(list: &Refresher<ListSource>) -> bool {
    list.progress()
        .last_error
        .is_some_and(|error| matches!(error.problem, Problem::StatusList(TokenError::UnknownKey)))
}

/// What HTTP says beside the list.
struct Headers {
    etag: Option<String>,
    cache_control: Option<String>,
    age: Option<u64>,
}

impl Headers {
    fn of(answer: &mut Response) -> Self {
        let Response { etag, cache_control, age, .. } = answer;
        Self { etag: etag.take(), cache_control: cache_control.take(), age: *age }
    }

    fn lifetime(&self, list: &List, now: Timestamp) -> Duration {
        let left = list.exp.map(|exp| between(now, exp));
        list_lifetime(list.ttl, self.cache_control.as_deref(), self.age, left)
    }

    fn age(&self) -> Duration {
        Duration::from_secs(self.age.unwrap_or(0))
    }
}
