//! Setting up a verifier. All settings are checked here, before the first token arrives.

mod live;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aquaware_token::id::{Audience, Issuer};
use aquaware_token::jwt::{AccessCheck, Algorithm, KeySet, Profile};
use aquaware_token::random::{Random, SystemRandom};
use aquaware_token::time::{Clock, Leeway, SystemClock};
use url::Url;

use crate::address;
use crate::error::BuildError;
use crate::fetch::Fetch;
use crate::health::StalePolicy;
use crate::key_source::KeySetLocation;
use crate::limits::{
    DEFAULT_CACHED_TOKENS, DEFAULT_COOLDOWN, DEFAULT_LEEWAY, DEFAULT_MAX_STALENESS,
    DEFAULT_MAX_STATUS_STALENESS, MIN_COOLDOWN, MIN_MAX_STALENESS, MIN_MAX_STATUS_STALENESS,
};
use crate::lists::fixed::FixedLists;
use crate::lists::list::{List, ListCheck};
use crate::single::{Rules, SingleVerifier, Source};
use crate::token_cache::TokenCache;
use crate::verifier::Verifier;

/// Builds a [`Verifier`]. Finish with [`discover`](Self::discover), [`jwks_uri`](Self::jwks_uri),
/// [`key_set_file`](Self::key_set_file) or [`key_set`](Self::key_set).
#[derive(Clone, Debug)]
pub struct Builder {
    issuer: String,
    audiences: Vec<String>,
    profile: Profile,
    cached_tokens: usize,
    leeway: Duration,
    algorithms: Vec<Algorithm>,
    accept_bound: bool,
    allow_http: bool,
    start_without_keys: bool,
    cooldown: Duration,
    max_staleness: Duration,
    on_stale: StalePolicy,
    status: StatusOptions,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    fetch: Option<Arc<dyn Fetch>>,
}

/// Settings of status lists.
#[derive(Clone, Debug)]
struct StatusOptions {
    ignored: bool,
    max_staleness: Duration,
    on_stale: StalePolicy,
    /// Origins allowed in addition to the issuer's.
    origins: Vec<String>,
    /// URIs and tokens of fixed lists.
    given: Vec<(String, String)>,
    /// Where fixed lists are kept; shared with a test issuer, which changes them.
    fixed: FixedLists,
}

impl Verifier {
    /// Starts building a verifier for tokens with this `iss` and this `aud`, both compared exactly.
    ///
    /// `audience` identifies the service. Issuers set it per client or per request; aquaware uses
    /// the issuer itself unless a client profile names another audience.
    #[must_use]
    pub fn builder(issuer: impl Into<String>, audience: impl Into<String>) -> Builder {
        Builder {
            issuer: issuer.into(),
            audiences: vec![audience.into()],
            profile: Profile::rfc9068(),
            cached_tokens: DEFAULT_CACHED_TOKENS,
            leeway: DEFAULT_LEEWAY,
            algorithms: vec![Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256],
            accept_bound: false,
            allow_http: false,
            start_without_keys: false,
            cooldown: DEFAULT_COOLDOWN,
            max_staleness: DEFAULT_MAX_STALENESS,
            on_stale: StalePolicy::Reject,
            status: StatusOptions {
                ignored: false,
                max_staleness: DEFAULT_MAX_STATUS_STALENESS,
                on_stale: StalePolicy::Reject,
                origins: Vec::new(),
                given: Vec::new(),
                fixed: FixedLists::default(),
            },
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            fetch: None,
        }
    }
}

impl Builder {
    /// Also accepts tokens for this audience.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Sets how the issuer writes access tokens. The default is [`Profile::rfc9068`].
    #[must_use]
    pub fn profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// Sets the number of verified tokens that are cached, rounded up; 0 switches the cache off. The
    /// default is 4096.
    ///
    /// A cached token costs a few percent of a signature check. It is rejected as soon as any other
    /// token would be: at its `exp`, when its key is dropped, and when its status changes.
    #[must_use]
    pub fn cache_tokens(self, cached_tokens: usize) -> Self {
        Self { cached_tokens, ..self }
    }

    /// Sets the leeway for clock differences. Default 5 s, maximum 60 s.
    #[must_use]
    pub fn leeway(self, leeway: Duration) -> Self {
        Self { leeway, ..self }
    }

    /// Restricts the signature algorithms. Default: EdDSA, ES256 and RS256. Both names of Ed25519
    /// mean the same here. Symmetric algorithms are never allowed.
    #[must_use]
    pub fn algorithms(self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        let one_name = |algorithm| match algorithm {
            Algorithm::Ed25519 => Algorithm::EdDsa,
            other => other,
        };
        Self { algorithms: algorithms.into_iter().map(one_name).collect(), ..self }
    }

    /// Accepts tokens that are bound to a key of their bearer (`cnf`). Only for services that check
    /// possession of that key themselves.
    #[must_use]
    pub fn accept_bound_tokens(self) -> Self {
        Self { accept_bound: true, ..self }
    }

    /// Allows plain http to hosts other than this machine. An attacker on the network can then
    /// replace the keys and forge any token.
    #[must_use]
    pub fn allow_http(self) -> Self {
        Self { allow_http: true, ..self }
    }

    /// Starts even if the issuer is unreachable. Until the keys have been fetched, all tokens are
    /// rejected and [`Health::ready`](crate::Health::ready) is false. By default, a failed first
    /// fetch is an error.
    #[must_use]
    pub fn start_without_keys(self) -> Self {
        Self { start_without_keys: true, ..self }
    }

    /// Sets the time after a fetch before an unknown key may cause another one. Default 30 s,
    /// minimum 5 s.
    #[must_use]
    pub fn cooldown(self, cooldown: Duration) -> Self {
        Self { cooldown, ..self }
    }

    /// Sets how long keys may be used without confirmation by the issuer, and what happens then.
    /// Default 24 h and [`StalePolicy::Reject`], minimum 2 min. Keys are fetched at least twice in
    /// that time.
    #[must_use]
    pub fn on_stale(self, max_staleness: Duration, policy: StalePolicy) -> Self {
        Self { max_staleness, on_stale: policy, ..self }
    }

    /// Sets how long a status list may be used without confirmation by the issuer, and what happens
    /// then. Default 5 min and [`StalePolicy::Reject`], minimum 30 s. A list that has expired by
    /// its own `exp` is never used.
    ///
    /// With [`StalePolicy::KeepUsing`], a token with an unavailable list is treated like one
    /// without a status.
    #[must_use]
    pub fn on_stale_status(mut self, max_staleness: Duration, policy: StalePolicy) -> Self {
        self.status.max_staleness = max_staleness;
        self.status.on_stale = policy;
        self
    }

    /// Ignores the `status` claim: revoked tokens are accepted until their `exp`.
    #[must_use]
    pub fn ignore_status(mut self) -> Self {
        self.status.ignored = true;
        self
    }

    /// Allows status lists from this origin, for example `https://status.example.com`, in addition
    /// to the issuer's origin. A path in the URL has no effect.
    #[must_use]
    pub fn status_lists_at(mut self, origin: impl Into<String>) -> Self {
        self.status.origins.push(origin.into());
        self
    }

    /// Adds the status list `token` for tokens that name `uri`. For use with
    /// [`key_set`](Self::key_set), which fetches nothing. The list is used until its `exp`.
    #[must_use]
    pub fn status_list(mut self, uri: impl Into<String>, token: impl Into<String>) -> Self {
        self.status.given.push((uri.into(), token.into()));
        self
    }

    /// Uses lists that a test issuer changes.
    #[cfg(feature = "testing")]
    pub(crate) fn fixed_lists(mut self, lists: FixedLists) -> Self {
        self.status.fixed = lists;
        self
    }

    /// Replaces the system clock.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Replaces the source of randomness for jitter.
    #[must_use]
    pub fn random(self, random: Arc<dyn Random>) -> Self {
        Self { random, ..self }
    }

    /// Replaces the built-in HTTP client.
    #[must_use]
    pub fn fetch(self, fetch: Arc<dyn Fetch>) -> Self {
        Self { fetch: Some(fetch), ..self }
    }

    /// Finds the keys through the issuer's metadata (RFC 8414, or OpenID Connect Discovery 1.0 if the
    /// issuer has no other), fetches them and keeps them fresh.
    ///
    /// If the metadata names a status list aggregation, all its lists are fetched too, for at most
    /// 20 s. A list that cannot be fetched is not an error.
    ///
    /// # Errors
    /// [`BuildError`] if a setting is invalid or the keys cannot be fetched.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn discover(self) -> Result<Verifier, BuildError> {
        let issuer = Issuer::new(&*self.issuer)?;
        let metadata = address::metadata(&issuer, self.allow_http)
            .ok_or_else(|| BuildError::InsecureUrl(self.issuer.clone()))?;
        let aggregation = Arc::default();
        let found = Arc::clone(&aggregation);
        let metadata = Box::new(metadata);
        let location = KeySetLocation::Discovered { metadata, issuer, last: None, aggregation };
        self.live(location, Some(found)).await
    }

    /// Fetches the keys from `uri` and keeps them fresh. A status list is fetched when a token
    /// first names it.
    ///
    /// # Errors
    /// As [`discover`](Self::discover).
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn jwks_uri(self, uri: &str) -> Result<Verifier, BuildError> {
        let url: Url = address::safe(uri, self.allow_http)
            .ok_or_else(|| BuildError::InsecureUrl(uri.to_owned()))?;
        self.live(KeySetLocation::Fixed(url), None).await
    }

    /// Reads the keys from a file that contains a JWK set, and reads it again every minute, and when
    /// a token has an unknown key. Replace the file as a whole, by renaming another one to its name.
    /// Status lists are fetched from the issuer, unless they are ignored.
    ///
    /// # Errors
    /// As [`discover`](Self::discover).
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn key_set_file(self, path: impl Into<PathBuf>) -> Result<Verifier, BuildError> {
        self.live(KeySetLocation::File(path.into()), None).await
    }

    /// Uses the keys of this JWK set only and fetches nothing. Needs no runtime. A token that names
    /// a status list which was not given is rejected, unless status is ignored.
    ///
    /// # Errors
    /// [`BuildError`] if a setting or a status list is invalid, or the set has no usable key.
    pub fn key_set(self, json: &[u8]) -> Result<Verifier, BuildError> {
        let rules = self.rules()?;
        let keys = KeySet::from_json(json).map_err(|_| BuildError::NoUsableKey)?;
        if !keys.supports_any(&rules.algorithms) {
            return Err(BuildError::NoUsableKey);
        }
        let StatusOptions { ignored, given, fixed, .. } = self.status;
        let check =
            ListCheck { keys: &keys, algorithms: &rules.algorithms, leeway: rules.check.leeway };
        for (uri, token) in given {
            match List::read(&token, &uri, check, rules.clock.now()) {
                Ok(list) => fixed.insert(&uri, list),
                Err(source) => return Err(BuildError::StatusList { uri, source }),
            }
        }
        let lists = (!ignored).then_some(fixed);
        let source = Source::Fixed { keys: Arc::new(keys), lists };
        let cache = TokenCache::new(self.cached_tokens);
        Ok(Verifier::new(SingleVerifier { rules, source, cache }))
    }

    fn rules(&self) -> Result<Rules, BuildError> {
        let audiences = self.audiences.iter().map(|audience| Audience::new(&**audience));
        let audiences = audiences.collect::<Result<Vec<_>, _>>()?;
        if self.algorithms.is_empty() || self.algorithms.iter().any(|it| it.is_symmetric()) {
            return Err(BuildError::Algorithms);
        }
        if self.cooldown < MIN_COOLDOWN {
            return Err(BuildError::Cooldown);
        }
        if self.max_staleness < MIN_MAX_STALENESS {
            return Err(BuildError::Staleness);
        }
        if self.status.max_staleness < MIN_MAX_STATUS_STALENESS {
            return Err(BuildError::StatusStaleness);
        }
        Ok(Rules {
            check: AccessCheck {
                issuer: Issuer::new(&*self.issuer)?,
                audiences,
                leeway: Leeway::new(self.leeway).ok_or(BuildError::Leeway)?,
            },
            profile: self.profile.clone(),
            algorithms: self.algorithms.clone(),
            accept_bound: self.accept_bound,
            clock: Arc::clone(&self.clock),
            max_staleness: self.max_staleness,
            on_stale: self.on_stale,
            on_stale_status: self.status.on_stale,
        })
    }
}
