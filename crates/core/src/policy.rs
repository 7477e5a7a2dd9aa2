//! What the operator decides: lifetimes, rotation, retry window, per client; checked when built.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::claims::{Audiences, Scope};
use crate::id::{Audience, ClientId, Issuer};
use crate::secret::PasswordHash;
use crate::status::Spans;
use crate::time::Lifetime;

/// Whether a refresh replaces the refresh token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotation {
    /// Each refresh gives a new one and supersedes the old (RFC 9700 §4.14.2).
    #[default]
    Always,
    /// The first one stays for its life: devices that can't write it down again.
    Never,
}

/// How the refresh token travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// In the bodies of requests and answers.
    #[default]
    Body,
    /// In a cookie that scripts can't read.
    Cookie,
}

/// A way of getting tokens that a client may be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grant {
    /// The first-party login.
    Login,
    /// Renewal.
    RefreshToken,
    /// RFC 6749 §4.3; RFC 9700 §2.4 says not to.
    Password,
    /// RFC 6749 §4.4.
    ClientCredentials,
}

impl Grant {
    /// Every grant there is.
    pub const ALL: [Self; 4] =
        [Self::Login, Self::RefreshToken, Self::Password, Self::ClientCredentials];

    /// The grant's name in configuration and metadata.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::RefreshToken => "refresh_token",
            Self::Password => "password",
            Self::ClientCredentials => "client_credentials",
        }
    }
}

/// The text is not the name of a [`Grant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("unknown grant")]
pub struct UnknownGrantError;

impl FromStr for Grant {
    type Err = UnknownGrantError;

    fn from_str(text: &str) -> Result<Self, UnknownGrantError> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == text).ok_or(UnknownGrantError)
    }
}

/// What an operator says about a client, before it is checked. The defaults are those of `web`.
#[derive(Clone, Debug)]
pub struct ProfileSettings {
    /// How long an access token lives.
    pub access_lifetime: Lifetime,
    /// How long a refresh token lives unused; from the login where rotation is `Never`.
    pub refresh_lifetime: Lifetime,
    /// How long a session lives, from the login, however often it is refreshed.
    pub session_lifetime: Lifetime,
    /// Whether refresh tokens are replaced.
    pub rotation: Rotation,
    /// For how long after its first use a superseded token gets the same answer without a key.
    pub retry_window: Duration,
    /// How the refresh token travels.
    pub transport: Transport,
    /// Whom its access tokens are for; nobody named means the issuer.
    pub audience: Vec<Audience>,
    /// What it may ask for.
    pub scopes: Scope,
    /// How it may get tokens.
    pub grants: BTreeSet<Grant>,
    /// The hash of its secret; a client with one is confidential.
    pub secret: Option<PasswordHash>,
    /// Whether its access tokens carry a Token Status List entry.
    pub status: bool,
}

impl Default for ProfileSettings {
    fn default() -> Self {
        Self {
            access_lifetime: Lifetime::from_seconds(300).unwrap_or(Lifetime::from_days(1)),
            refresh_lifetime: Lifetime::from_days(30),
            session_lifetime: Lifetime::from_days(365),
            rotation: Rotation::Always,
            retry_window: Duration::from_secs(30),
            transport: Transport::Body,
            audience: Vec::new(),
            scopes: Scope::default(),
            grants: BTreeSet::from([Grant::Login, Grant::RefreshToken]),
            secret: None,
            status: false,
        }
    }
}

impl ProfileSettings {
    /// The defaults of `device`: one refresh token for a year.
    #[must_use]
    pub fn device() -> Self {
        Self {
            rotation: Rotation::Never,
            refresh_lifetime: Lifetime::from_days(365),
            ..Self::default()
        }
    }
}

/// A combination of settings that can't work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProfileError {
    /// Parent tokens accepted for long let a thief and the owner take turns unnoticed.
    #[error("retry_window is longer than an hour, long enough for a thief to go unnoticed")]
    WindowTooLong,
    /// A client that can do nothing.
    #[error("grants is empty: the client could do nothing")]
    NoGrants,
    /// Its session's record might be gone before the token.
    #[error("access_lifetime is longer than a day, too long for a client with status = true")]
    StatusTooLong,
    /// Client credentials are a secret.
    #[error("the grant client_credentials needs a secret_hash")]
    NoSecret,
}

impl ProfileError {
    /// The setting to change.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            Self::WindowTooLong => "retry_window",
            Self::StatusTooLong => "access_lifetime",
            Self::NoGrants | Self::NoSecret => "grants",
        }
    }
}

/// A client's settings, checked. Reads like [`ProfileSettings`]; can't be changed.
#[derive(Clone, Debug)]
pub struct ClientProfile {
    id: ClientId,
    settings: ProfileSettings,
}

impl ClientProfile {
    /// The longest retry window.
    pub const MAX_RETRY_WINDOW: Duration = Duration::from_secs(3600);

    /// Checks `settings` and makes them the profile of `id`.
    ///
    /// # Errors
    /// Everything that is wrong with them, at once.
    pub fn new(id: ClientId, settings: ProfileSettings) -> Result<Self, Vec<ProfileError>> {
        let machine = settings.grants.contains(&Grant::ClientCredentials);
        let errors: Vec<ProfileError> = [
            (settings.retry_window > Self::MAX_RETRY_WINDOW, ProfileError::WindowTooLong),
            (settings.grants.is_empty(), ProfileError::NoGrants),
            (machine && settings.secret.is_none(), ProfileError::NoSecret),
            (
                settings.status && settings.access_lifetime.span() > Spans::LONGEST_ACCESS,
                ProfileError::StatusTooLong,
            ),
        ]
        .into_iter()
        .filter_map(|(wrong, error)| wrong.then_some(error))
        .collect();
        if errors.is_empty() { Ok(Self { id, settings }) } else { Err(errors) }
    }

    /// Which client this is the profile of.
    #[must_use]
    pub const fn id(&self) -> &ClientId {
        &self.id
    }

    /// Whether it authenticates with a secret (RFC 6749 §2.1).
    #[must_use]
    pub const fn is_confidential(&self) -> bool {
        self.settings.secret.is_some()
    }

    /// Whether it may get tokens this way.
    #[must_use]
    pub fn allows(&self, grant: Grant) -> bool {
        self.settings.grants.contains(&grant)
    }

    /// The `aud` of its access tokens.
    #[must_use]
    pub fn audiences(&self, issuer: &Issuer) -> Audiences {
        match self.settings.audience.as_slice() {
            [] => Audiences::One(issuer.into()),
            [one] => Audiences::One(one.clone()),
            many => Audiences::Many(many.to_vec()),
        }
    }
}

impl Deref for ClientProfile {
    type Target = ProfileSettings;

    fn deref(&self) -> &ProfileSettings {
        &self.settings
    }
}

/// The issuer and its clients: everything that decides what a token says.
#[derive(Clone, Debug)]
pub struct TokenPolicy {
    issuer: Issuer,
    clients: BTreeMap<ClientId, ClientProfile>,
}

impl TokenPolicy {
    /// The policy of `issuer` for these clients.
    #[must_use]
    pub fn new(issuer: Issuer, clients: impl IntoIterator<Item = ClientProfile>) -> Self {
        let clients = clients.into_iter().map(|profile| (profile.id.clone(), profile)).collect();
        Self { issuer, clients }
    }

    /// Who issues.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The profile of `id`, if it is configured.
    #[must_use]
    pub fn client(&self, id: &ClientId) -> Option<&ClientProfile> {
        self.clients.get(id)
    }

    /// Every client.
    pub fn clients(&self) -> impl Iterator<Item = &ClientProfile> {
        self.clients.values()
    }

    /// Every audience an access token of this issuer may have: what its own endpoints accept.
    #[must_use]
    pub fn audiences(&self) -> Vec<Audience> {
        let named = self.clients.values().flat_map(|profile| profile.audience.iter().cloned());
        std::iter::once(Audience::from(&self.issuer)).chain(named).collect()
    }

    /// How long the last access token outlives the key that signed it: an hour at least, since
    /// tokens issued before a lifetime was shortened keep the longer one.
    #[must_use]
    pub fn longest_access(&self) -> Duration {
        self.longest(|profile| profile.access_lifetime).max(Duration::from_secs(3600))
    }

    /// How long access tokens with a status live at most: an hour at least, for the same reason.
    #[must_use]
    pub(crate) fn longest_status(&self) -> Duration {
        let with_status = self.clients.values().filter(|profile| profile.status);
        let longest = with_status.map(|profile| profile.access_lifetime.span()).max();
        longest.unwrap_or_default().max(Duration::from_secs(3600))
    }

    /// How long the last refresh token outlives the secret that signed it: a year at least, for the
    /// same reason. Keeping a secret is cheap, dropping it early logs people out.
    #[must_use]
    pub fn longest_refresh(&self) -> Duration {
        self.longest(|profile| profile.refresh_lifetime).max(Lifetime::from_days(366).span())
    }

    fn longest(&self, lifetime: impl Fn(&ClientProfile) -> Lifetime) -> Duration {
        self.clients.values().map(lifetime).max().map_or(Duration::ZERO, Lifetime::span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(settings: ProfileSettings) -> Result<ClientProfile, Vec<ProfileError>> {
        ClientProfile::new(ClientId::new("web").unwrap(), settings)
    }

    #[test]
    fn the_defaults_are_possible() {
        assert!(profile(ProfileSettings::default()).is_ok());
        assert!(profile(ProfileSettings::device()).is_ok());
    }

    #[test]
    fn access_tokens_with_a_status_live_for_a_day_at_most() {
        let settings = |seconds, status| ProfileSettings {
            access_lifetime: Lifetime::from_seconds(seconds).unwrap(),
            status,
            ..ProfileSettings::default()
        };
        assert!(profile(settings(86_400, true)).is_ok());
        assert!(profile(settings(86_401, false)).is_ok());
        let errors = profile(settings(86_401, true)).unwrap_err();
        assert_eq!(errors, [ProfileError::StatusTooLong]);
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let settings = ProfileSettings {
            retry_window: Duration::from_secs(3601),
            grants: BTreeSet::from([Grant::ClientCredentials]),
            ..ProfileSettings::default()
        };
        let errors = profile(settings).unwrap_err();
        assert_eq!(errors, [ProfileError::WindowTooLong, ProfileError::NoSecret]);
    }
}
