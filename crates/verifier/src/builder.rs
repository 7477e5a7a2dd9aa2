//! Setting a verifier up: everything is checked here, so that nothing is left to go wrong later.

mod live;

use std::sync::Arc;
use std::time::Duration;

use aquaware_token::id::{Audience, Issuer};
use aquaware_token::jwt::{AccessCheck, Algorithm, KeySet};
use aquaware_token::random::{Random, SystemRandom};
use aquaware_token::time::{Clock, Leeway, SystemClock};
use url::Url;

use crate::address;
use crate::error::StartError;
use crate::fetch::Fetch;
use crate::health::Stale;
use crate::lists::{Check, FixedLists, List};
use crate::origin::Place;
use crate::verifier::{Rules, Source, Verifier};

/// What a checker's clock may be off by unless something else is said.
pub const LEEWAY: Duration = Duration::from_secs(5);
/// How long after a fetch an unknown key may cause another, unless something else is said.
pub const COOLDOWN: Duration = Duration::from_secs(30);
/// The shortest cooldown.
pub const LEAST_COOLDOWN: Duration = Duration::from_secs(5);
/// How long keys are used without being confirmed, unless something else is said.
pub const MAX_STALENESS: Duration = Duration::from_secs(24 * 3600);
/// The shortest staleness allowed: twice the shortest time between two fetches.
pub const LEAST_STALENESS: Duration = Duration::from_secs(120);
/// How long a status list is used without being confirmed, unless something else is said: the life
/// of an access token.
pub const MAX_STATUS_STALENESS: Duration = Duration::from_secs(300);
/// The shortest staleness of status lists allowed.
pub const LEAST_STATUS_STALENESS: Duration = Duration::from_secs(30);

/// A verifier that is being set up. Ends with one of [`discover`](Self::discover),
/// [`jwks_uri`](Self::jwks_uri) and [`key_set`](Self::key_set).
#[derive(Clone, Debug)]
pub struct Builder {
    issuer: String,
    audiences: Vec<String>,
    leeway: Duration,
    algorithms: Vec<Algorithm>,
    accept_bound: bool,
    allow_http: bool,
    start_without_keys: bool,
    cooldown: Duration,
    max_staleness: Duration,
    on_stale: Stale,
    status: Status,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    fetch: Option<Arc<dyn Fetch>>,
}

/// What is said of status lists.
#[derive(Clone, Debug)]
struct Status {
    ignored: bool,
    max_staleness: Duration,
    on_stale: Stale,
    /// Other origins than the issuer's, as they were written.
    origins: Vec<String>,
    /// Addresses and tokens.
    given: Vec<(String, String)>,
    /// Where the given ones go; shared with an issuer for tests, which changes them.
    fixed: FixedLists,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            issuer: String::new(),
            audiences: Vec::new(),
            leeway: LEEWAY,
            algorithms: vec![Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256],
            accept_bound: false,
            allow_http: false,
            start_without_keys: false,
            cooldown: COOLDOWN,
            max_staleness: MAX_STALENESS,
            on_stale: Stale::Refuse,
            status: Status {
                ignored: false,
                max_staleness: MAX_STATUS_STALENESS,
                on_stale: Stale::Refuse,
                origins: Vec::new(),
                given: Vec::new(),
                fixed: FixedLists::default(),
            },
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            fetch: None,
        }
    }

    /// Who must have issued a token: exactly its `iss`.
    #[must_use]
    pub fn issuer(self, issuer: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), ..self }
    }

    /// Whom a token must be for: this service, as it is called in `aud`. Said more than once, any
    /// of the names will do.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// How far this machine's clock may be off. 5 s if not said, 60 s at most.
    #[must_use]
    pub fn leeway(self, leeway: Duration) -> Self {
        Self { leeway, ..self }
    }

    /// Only these algorithms. EdDSA, ES256 and RS256 if not said; never one with a shared secret.
    #[must_use]
    pub fn algorithms(self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        Self { algorithms: algorithms.into_iter().collect(), ..self }
    }

    /// Accepts tokens that are bound to a key of their bearer (`cnf`). Only for a service that
    /// checks possession of that key itself.
    #[must_use]
    pub fn accept_bound_tokens(self) -> Self {
        Self { accept_bound: true, ..self }
    }

    /// Allows plain http to other machines. Whoever is on the way can then replace the keys and
    /// forge every token.
    #[must_use]
    pub fn allow_http(self) -> Self {
        Self { allow_http: true, ..self }
    }

    /// Starts although the issuer can't be reached: no token is accepted until it is, and
    /// [`Health::ready`](crate::Health::ready) is false. Otherwise a failed first fetch is an
    /// error of the start.
    #[must_use]
    pub fn start_without_keys(self) -> Self {
        Self { start_without_keys: true, ..self }
    }

    /// How long after a fetch an unknown key may cause another. 30 s if not said, 5 s at least.
    #[must_use]
    pub fn cooldown(self, cooldown: Duration) -> Self {
        Self { cooldown, ..self }
    }

    /// How long keys are used without the issuer confirming them, and what happens then. 24 h and
    /// [`Stale::Refuse`] if not said, 2 min at least. Keys are fetched at least twice in that time.
    #[must_use]
    pub fn on_stale(self, max_staleness: Duration, then: Stale) -> Self {
        Self { max_staleness, on_stale: then, ..self }
    }

    /// How long a status list is used without the issuer confirming it, and what happens then. 5 min
    /// and [`Stale::Refuse`] if not said, 30 s at least. A list that has expired by its own `exp` is
    /// not used in any case.
    ///
    /// With [`Stale::GoOn`] a token whose list can't be had is as good as one without a status.
    #[must_use]
    pub fn on_stale_status(mut self, max_staleness: Duration, then: Stale) -> Self {
        self.status.max_staleness = max_staleness;
        self.status.on_stale = then;
        self
    }

    /// Never asks for a token's status, nor what its `status` claim means: a revoked token is good
    /// until its `exp`.
    #[must_use]
    pub fn ignore_status(mut self) -> Self {
        self.status.ignored = true;
        self
    }

    /// Lets status lists come from this origin too, as in `https://status.example.com`; its path
    /// doesn't matter. If not said, they come from the issuer's own and no other.
    #[must_use]
    pub fn status_lists_at(mut self, origin: impl Into<String>) -> Self {
        self.status.origins.push(origin.into());
        self
    }

    /// Judges tokens that name the status list at `uri` by this `token` of it: for
    /// [`key_set`](Self::key_set), which fetches none. It is good until its `exp`, if it has one.
    #[must_use]
    pub fn status_list(mut self, uri: impl Into<String>, token: impl Into<String>) -> Self {
        self.status.given.push((uri.into(), token.into()));
        self
    }

    /// Shares lists that somebody else changes.
    #[cfg(feature = "testing")]
    pub(crate) fn sharing(mut self, lists: FixedLists) -> Self {
        self.status.fixed = lists;
        self
    }

    /// Where the time comes from, instead of the system's clock.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Where jitter comes from, instead of the system's generator.
    #[must_use]
    pub fn random(self, random: Arc<dyn Random>) -> Self {
        Self { random, ..self }
    }

    /// How documents are fetched, instead of by the HTTP client of this crate.
    #[must_use]
    pub fn fetch(self, fetch: Arc<dyn Fetch>) -> Self {
        Self { fetch: Some(fetch), ..self }
    }

    /// Finds the keys by the issuer's metadata (RFC 8414), fetches them, and keeps them fresh. If
    /// the metadata names a list of status lists, all of those are fetched too, for 20 s at most;
    /// that one of them can't be had is no error of the start.
    ///
    /// # Errors
    /// [`StartError`] when something above makes no sense or the keys can't be fetched.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn discover(self) -> Result<Verifier, StartError> {
        let issuer = Issuer::new(&*self.issuer)?;
        let metadata = address::metadata(&issuer, self.allow_http)
            .ok_or_else(|| StartError::Insecure(self.issuer.clone()))?;
        let aggregation = Arc::default();
        let told = Arc::clone(&aggregation);
        self.live(Place::Told { metadata, issuer, last: None, aggregation }, Some(told)).await
    }

    /// Fetches the keys from `uri` and keeps them fresh. Status lists are fetched once a token
    /// names them.
    ///
    /// # Errors
    /// As [`discover`](Self::discover).
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn jwks_uri(self, uri: &str) -> Result<Verifier, StartError> {
        let address: Url = address::safe(uri, self.allow_http)
            .ok_or_else(|| StartError::Insecure(uri.to_owned()))?;
        self.live(Place::Fixed(address), None).await
    }

    /// Uses the keys of this JWK Set and no others, ever. Needs no runtime. A token that names a
    /// status list which wasn't given is refused, unless status is ignored.
    ///
    /// # Errors
    /// [`StartError`] when something above makes no sense, no key in the set is usable, or a status
    /// list isn't good.
    pub fn key_set(self, json: &[u8]) -> Result<Verifier, StartError> {
        let rules = self.rules()?;
        let keys = KeySet::from_json(json).map_err(|_| StartError::NoUsableKey)?;
        if !keys.has_any_of(&rules.algorithms) {
            return Err(StartError::NoUsableKey);
        }
        let Status { ignored, given, fixed, .. } = self.status;
        let check =
            Check { keys: &keys, algorithms: &rules.algorithms, leeway: rules.check.leeway };
        for (uri, token) in given {
            match List::read(&token, &uri, check, rules.clock.now()) {
                Ok(list) => fixed.put(&uri, list),
                Err(error) => return Err(StartError::StatusList(uri, error)),
            }
        }
        let lists = (!ignored).then_some(fixed);
        Ok(Verifier::new(rules, Source::Fixed { keys, lists }))
    }

    fn rules(&self) -> Result<Rules, StartError> {
        let audiences =
            self.audiences.iter().map(|name| Audience::new(&**name)).collect::<Result<Vec<_>, _>>();
        let audiences = audiences?;
        if audiences.is_empty() {
            return Err(StartError::NoAudience);
        }
        if self.algorithms.is_empty() || self.algorithms.iter().any(|name| name.is_symmetric()) {
            return Err(StartError::Algorithms);
        }
        if self.cooldown < LEAST_COOLDOWN {
            return Err(StartError::Cooldown);
        }
        if self.max_staleness < LEAST_STALENESS {
            return Err(StartError::Staleness);
        }
        if self.status.max_staleness < LEAST_STATUS_STALENESS {
            return Err(StartError::StatusStaleness);
        }
        Ok(Rules {
            check: AccessCheck {
                issuer: Issuer::new(&*self.issuer)?,
                audiences,
                leeway: Leeway::new(self.leeway).ok_or(StartError::Leeway)?,
            },
            algorithms: self.algorithms.clone(),
            accept_bound: self.accept_bound,
            clock: Arc::clone(&self.clock),
            max_staleness: self.max_staleness,
            on_stale: self.on_stale,
            on_stale_status: self.status.on_stale,
        })
    }
}
