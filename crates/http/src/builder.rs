//! Building an [`Aquaware`] from the parts that an application brings.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::web;
use aquaware_core::password::PasswordHasher;
use aquaware_core::random::SystemRandom;
use aquaware_core::service::{Accounts, Clients, Sessions, StatusLists};
use aquaware_core::time::Clock;
use ipnet::IpNet;
use thiserror::Error;

use crate::aquaware::Aquaware;
use crate::client_address::TrustedProxies;
use crate::cookie::RefreshCookie;
use crate::failed_logins::FailedLogins;
use crate::limiter::Limiter;
use crate::limits::Limits;
use crate::origin::{OwnOrigins, is_origin};
use crate::state::{AccountState, State};

/// Why an [`Aquaware`] cannot be built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// An allowed origin is malformed.
    #[error("invalid origin {0:?}: expected scheme://host or scheme://host:port")]
    Origin(String),
    /// A trusted proxy is neither an address nor a network.
    #[error("invalid trusted proxy {0:?}: expected an IP address or a network such as 10.0.0.0/8")]
    TrustedProxy(String),
}

/// The settings of an [`Aquaware`]; see [`Aquaware::builder`].
#[derive(Debug)]
pub struct Builder {
    sessions: Arc<Sessions>,
    hasher: Arc<dyn PasswordHasher>,
    clock: Arc<dyn Clock>,
    accounts: Option<Arc<Accounts>>,
    signup_open: bool,
    insecure_cookies: bool,
    limits: Limits,
    allow_origins: Vec<String>,
    trusted_proxies: Vec<String>,
}

impl Builder {
    pub(crate) fn new(
        sessions: Arc<Sessions>,
        hasher: Arc<dyn PasswordHasher>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            sessions,
            hasher,
            clock,
            accounts: None,
            signup_open: true,
            insecure_cookies: false,
            limits: Limits::default(),
            allow_origins: Vec::new(),
            trusted_proxies: Vec::new(),
        }
    }

    /// Mounts sign-up, login, password change and `/auth/me` over these accounts, and allows the
    /// password grant. Without accounts, the application opens sessions itself with
    /// [`Aquaware::log_in`].
    #[must_use]
    pub fn accounts(mut self, accounts: impl Into<Arc<Accounts>>) -> Self {
        self.accounts = Some(accounts.into());
        self
    }

    /// Whether `/auth/signup` creates accounts; it does by default. When closed, it answers 403
    /// `signup_closed`.
    #[must_use]
    pub const fn signup_open(mut self, open: bool) -> Self {
        self.signup_open = open;
        self
    }

    /// Writes the refresh cookie without `Secure` and without the `__Secure-` prefix, for
    /// development over plain HTTP.
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

    /// Web origins, besides the issuer's own, whose pages may call with credentials and use the
    /// refresh cookie, such as `https://app.example.com`.
    #[must_use]
    pub fn allow_origins(mut self, origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.allow_origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// Addresses and networks of reverse proxies whose `X-Forwarded-For` is trusted, such as
    /// `10.0.0.0/8`. By default none is.
    #[must_use]
    pub fn trusted_proxies(mut self, proxies: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.trusted_proxies = proxies.into_iter().map(Into::into).collect();
        self
    }

    /// Checks the settings. The result is cheap to clone; all its clones share limits and state.
    ///
    /// # Errors
    /// [`BuildError`] for the first invalid setting.
    pub fn build(self) -> Result<Aquaware, BuildError> {
        let Self { sessions, hasher, clock, limits, .. } = self;
        if let Some(invalid) = self.allow_origins.iter().find(|origin| !is_origin(origin)) {
            return Err(BuildError::Origin(invalid.clone()));
        }
        let proxies = self.trusted_proxies.into_iter().map(network).collect::<Result<_, _>>()?;
        let snapshot = sessions.snapshot();
        let issuer = snapshot.policy().issuer().as_str();
        let origins = OwnOrigins::new(issuer, self.allow_origins.iter().map(String::as_str));
        let accounts = self.accounts.map(|service| AccountState {
            service,
            signup_open: self.signup_open,
            failed_logins: FailedLogins::new(limits.failed_logins_per_account),
        });
        let state = State {
            clients: Clients::new(Arc::clone(&sessions), hasher, Arc::new(SystemRandom)),
            status_lists: StatusLists::new(Arc::clone(&sessions)),
            accounts,
            sessions,
            clock,
            cookie: RefreshCookie::new(self.insecure_cookies),
            origins,
            proxies: TrustedProxies::new(proxies),
            limiter: Limiter::new(&limits),
            allow_origins: self.allow_origins,
        };
        Ok(Aquaware::new(web::Data::new(state)))
    }
}

fn network(text: String) -> Result<IpNet, BuildError> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>().or_else(|_| address()).map_err(|_| BuildError::TrustedProxy(text.clone()))
}
