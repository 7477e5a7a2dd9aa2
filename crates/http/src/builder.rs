//! The settings of the routes, and the state that follows from them.

use std::net::IpAddr;
use std::sync::Arc;

use aquaware_core::client_secret::GeneratedSecretHash;
use aquaware_core::password::{Check, EstablishError, Overloaded, PasswordHasher};
use aquaware_core::policy::ClientProfile;
use aquaware_core::random::SystemRandom;
use aquaware_core::secret::{Password, PasswordHash};
#[cfg(feature = "passwords")]
use aquaware_core::service::SimpleJwt;
use aquaware_core::service::{Accounts, Clients, Sessions, StatusLists};
use aquaware_core::store::Counters;
use aquaware_core::time::{Clock, SystemClock, Timestamp};
use async_trait::async_trait;
use ipnet::IpNet;
use thiserror::Error;

use crate::client_address::TrustedProxies;
use crate::cookie::RefreshCookie;
use crate::events::Events;
use crate::failures::Failures;
use crate::limiter::Limiter;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::middleware::RequestTracer;
use crate::origin::{AllowedOrigins, is_origin};
use crate::state::{AccountState, State};
use crate::unfinished::UnfinishedChanges;

/// Why a [`Builder`] rejects its settings.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// An allowed origin is malformed.
    #[error("invalid origin {0:?}: expected scheme://host or scheme://host:port")]
    Origin(String),
    /// The name of the refresh cookie is malformed.
    #[error(
        "invalid cookie name {0:?}: expected 1 to 64 letters, digits, '.', '-' or '_', not starting with \"__\""
    )]
    CookieName(String),
    /// A trusted proxy is neither an address nor a network.
    #[error("invalid trusted proxy {0:?}: expected an IP address or a network such as 10.0.0.0/8")]
    TrustedProxy(String),
    /// A client is confidential, but nothing can check its secret.
    #[error("client {client:?} has a secret: set Builder::password_hasher to check it")]
    PasswordHasher {
        /// The id of the client.
        client: String,
    },
}

/// The settings of an [`Aquaware`](crate::Aquaware); see
/// [`Aquaware::builder`](crate::Aquaware::builder).
#[derive(Debug)]
pub struct Builder {
    sessions: Arc<Sessions>,
    hasher: Option<Arc<dyn PasswordHasher>>,
    clock: Arc<dyn Clock>,
    accounts: Option<Arc<Accounts>>,
    #[cfg(feature = "passwords")]
    simplejwt: Option<Arc<SimpleJwt>>,
    signup_open: bool,
    cookie_name: String,
    insecure_cookies: bool,
    limits: Limits,
    shared_counters: Option<Arc<dyn Counters>>,
    metrics: Arc<Metrics>,
    events: Events,
    tracer: Option<Arc<dyn RequestTracer>>,
    allow_origins: Vec<String>,
    trusted_proxies: Vec<String>,
}

impl Builder {
    pub(crate) fn new(sessions: Arc<Sessions>) -> Self {
        Self {
            sessions,
            hasher: None,
            clock: Arc::new(SystemClock),
            accounts: None,
            #[cfg(feature = "passwords")]
            simplejwt: None,
            signup_open: true,
            cookie_name: RefreshCookie::DEFAULT_NAME.to_owned(),
            insecure_cookies: false,
            limits: Limits::default(),
            shared_counters: None,
            metrics: Arc::default(),
            events: Events::default(),
            tracer: None,
            allow_origins: Vec::new(),
            trusted_proxies: Vec::new(),
        }
    }

    /// Checks client secrets with this hasher, except generated ones. Give it separate threads, so
    /// that a flood of secrets does not delay logins. Required as soon as a client has such a secret.
    #[must_use]
    pub fn password_hasher(mut self, hasher: Arc<dyn PasswordHasher>) -> Self {
        self.hasher = Some(hasher);
        self
    }

    /// Replaces the system clock, for tests.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Mounts sign-up, login, password change and `/auth/me` over these accounts, and allows the
    /// password grant. Without accounts, the application opens sessions itself with
    /// [`Aquaware::open_session`](crate::Aquaware::open_session).
    #[must_use]
    pub fn accounts(mut self, accounts: impl Into<Arc<Accounts>>) -> Self {
        self.accounts = Some(accounts.into());
        self
    }

    /// Opens `/api/token/`, `/api/token/refresh/`, `/api/token/verify/` and `/api/token/blacklist/` with
    /// the bodies and error texts of djangorestframework-simplejwt. Needs [`Builder::accounts`].
    #[cfg(feature = "passwords")]
    #[must_use]
    pub fn simplejwt(mut self, settings: SimpleJwt) -> Self {
        self.simplejwt = Some(Arc::new(settings));
        self
    }

    /// Whether `/auth/signup` creates accounts; it does by default. When closed, it answers 403
    /// `signup_closed`.
    #[must_use]
    pub const fn signup_open(mut self, open: bool) -> Self {
        self.signup_open = open;
        self
    }

    /// The name of the refresh cookie after its prefix, instead of `aquaware-refresh`. The prefix is
    /// `__Host-`, or `__Secure-` if the issuer has a path.
    #[must_use]
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.cookie_name = name.into();
        self
    }

    /// Whether [`Builder::cookie_name`] accepts `name`: a token of RFC 6265 without a prefix, of at
    /// most 64 bytes.
    #[must_use]
    pub fn is_cookie_name(name: &str) -> bool {
        RefreshCookie::is_name(name)
    }

    /// Writes the refresh cookie without `Secure` and without a prefix, for development over plain
    /// HTTP.
    #[must_use]
    pub const fn insecure_cookies(mut self, insecure: bool) -> Self {
        self.insecure_cookies = insecure;
        self
    }

    /// Replaces the default request limits.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Counts logins, sign-ups, messages and failures together with other replicas, which have counters
    /// of the same store. While it is away, requests are counted in this process, and logins and
    /// confirmations by password fail with 503, because nothing tells whether the account is locked.
    #[must_use]
    pub fn shared_counters(mut self, counters: Arc<dyn Counters>) -> Self {
        self.shared_counters = Some(counters);
        self
    }

    /// Counts into these metrics, which may already observe the stores.
    #[must_use]
    pub fn metrics(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = metrics;
        self
    }

    /// Emits the events of the routes here, for example to a webhook. The observed stores should have
    /// the same.
    #[must_use]
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Makes requests part of traces.
    #[must_use]
    pub fn tracer(mut self, tracer: Arc<dyn RequestTracer>) -> Self {
        self.tracer = Some(tracer);
        self
    }

    /// Web origins, besides the issuer's own, that may call with credentials and use the refresh
    /// cookie, such as `https://app.example.com`.
    #[must_use]
    pub fn allow_origins(mut self, origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.allow_origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// Addresses and networks of trusted reverse proxies, such as `10.0.0.0/8`: the client's address
    /// is taken from their `X-Forwarded-For`.
    #[must_use]
    pub fn trusted_proxies(mut self, proxies: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.trusted_proxies = proxies.into_iter().map(Into::into).collect();
        self
    }

    /// Checks the settings.
    pub(crate) fn into_state(self) -> Result<State, BuildError> {
        let Self { sessions, clock, limits, shared_counters: shared, .. } = self;
        if let Some(invalid) = self.allow_origins.iter().find(|origin| !is_origin(origin)) {
            return Err(BuildError::Origin(invalid.clone()));
        }
        if !RefreshCookie::is_name(&self.cookie_name) {
            return Err(BuildError::CookieName(self.cookie_name));
        }
        let proxies = self.trusted_proxies.into_iter().map(network).collect::<Result<_, _>>()?;
        let context = sessions.context(clock.now());
        let hasher = match self.hasher {
            Some(hasher) => hasher,
            None => match context.snapshot.policy().clients().find(|client| needs_hasher(client)) {
                Some(client) => {
                    return Err(BuildError::PasswordHasher { client: client.id().to_string() });
                }
                None => Arc::new(NoHasher),
            },
        };
        let issuer = context.issuer().as_str();
        let cookie = RefreshCookie::new(issuer, &self.cookie_name, self.insecure_cookies);
        let origins = AllowedOrigins::new(issuer, self.allow_origins.iter().map(String::as_str));
        let accounts = self.accounts.map(|service| AccountState {
            service,
            signup_open: self.signup_open,
            failed_logins: Failures::of_logins(limits.failed_logins_per_account, shared.clone()),
        });
        Ok(State {
            failed_clients: Failures::of_clients(limits.failed_clients_per_address, shared.clone()),
            changes: UnfinishedChanges::default(),
            clients: Clients::new(hasher, Arc::new(SystemRandom)),
            status_lists: StatusLists::new(Arc::clone(&sessions)),
            accounts,
            #[cfg(feature = "passwords")]
            simplejwt: self.simplejwt,
            sessions,
            clock,
            cookie,
            origins,
            proxies: TrustedProxies::new(proxies),
            limiter: Limiter::new(&limits, shared.as_ref()),
            metrics: self.metrics,
            events: self.events,
            tracer: self.tracer,
            allow_origins: self.allow_origins,
        })
    }
}

/// Whether the client has a secret that only a password hasher can check.
fn needs_hasher(client: &ClientProfile) -> bool {
    client.secret().is_some_and(|hash| GeneratedSecretHash::parse(hash).is_none())
}

fn network(text: String) -> Result<IpNet, BuildError> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>().or_else(|_| address()).map_err(|_| BuildError::TrustedProxy(text.clone()))
}

/// The hasher of an application without one: no secret matches. Clients can only have secrets here
/// if a later policy added one.
#[derive(Debug)]
struct NoHasher;

#[async_trait]
impl PasswordHasher for NoHasher {
    async fn check(&self, _: &Password, _: Option<&PasswordHash>) -> Result<Check, Overloaded> {
        tracing::error!("a client secret was rejected: no password hasher is configured");
        Ok(Check::default())
    }

    async fn establish(
        &self,
        _: &Password,
        _: &[String],
        _: Timestamp,
    ) -> Result<PasswordHash, EstablishError> {
        Err(EstablishError::Overloaded(Overloaded))
    }
}

#[cfg(test)]
mod tests {
    use aquaware_core::policy::ProfileSettings;
    use aquaware_core::store::MemoryStore;
    use aquaware_core::testing::fixture;

    use super::*;

    fn builder() -> Builder {
        let sessions = fixture::sessions(Arc::new(MemoryStore::new()), fixture::policy());
        Builder::new(Arc::new(sessions))
    }

    #[test]
    fn malformed_origins_are_rejected() {
        for origin in ["", "*", "null", "example.com", "https://example.com/"] {
            let error = builder().allow_origins([origin]).into_state().unwrap_err();
            assert!(matches!(error, BuildError::Origin(text) if text == origin), "{origin}");
        }
        let origins = ["https://app.example.com", "capacitor://localhost"];
        assert!(builder().allow_origins(origins).into_state().is_ok());
    }

    #[test]
    fn malformed_cookie_names_are_rejected() {
        let error = builder().cookie_name("__Host-a").into_state().unwrap_err();
        assert!(matches!(error, BuildError::CookieName(name) if name == "__Host-a"));
        assert!(builder().cookie_name("shop").into_state().is_ok());
    }

    #[test]
    fn malformed_proxies_are_rejected() {
        for proxy in ["", "proxy", "10.0.0.0/33", "10.0.0.1:80"] {
            let error = builder().trusted_proxies([proxy]).into_state().unwrap_err();
            assert!(matches!(error, BuildError::TrustedProxy(text) if text == proxy), "{proxy}");
        }
        assert!(builder().trusted_proxies(["10.0.0.0/8", "fd00::1"]).into_state().is_ok());
    }

    #[test]
    fn client_secrets_require_a_password_hasher() {
        let secret = Some(PasswordHash::new("$argon2id$".to_owned()));
        let settings = ProfileSettings { secret, ..ProfileSettings::default() };
        let policy = fixture::policy_with([fixture::profile("shop", settings)]);
        let sessions = Arc::new(fixture::sessions(Arc::new(MemoryStore::new()), policy));
        let error = Builder::new(Arc::clone(&sessions)).into_state().unwrap_err();
        assert!(error.to_string().contains("client \"shop\" has a secret"), "{error}");
        let hasher = Arc::new(NoHasher);
        assert!(Builder::new(sessions).password_hasher(hasher).into_state().is_ok());
    }
}
