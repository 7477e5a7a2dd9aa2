//! The operator's decisions per client: lifetimes, rotation, retry window and grants. Checked when
//! built, so no other code has to handle an invalid combination.

mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

pub use self::target::{InvalidTargetError, Target};
use crate::claims::{Audiences, Scope};
use crate::id::{Audience, ClientId, Issuer};
use crate::secret::PasswordHash;
use crate::status::Spans;
use crate::time::Lifetime;

/// Whether a refresh replaces the refresh token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotation {
    /// Each refresh returns a new token and supersedes the old one (RFC 9700 §4.14.2).
    #[default]
    Always,
    /// The first token stays valid for its lifetime. For devices that cannot store a new one.
    Never,
}

/// How a client sends and receives its refresh token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// In request and response bodies.
    #[default]
    Body,
    /// In a cookie that scripts cannot read.
    Cookie,
}

/// A way of obtaining tokens that a client can be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grant {
    /// The first-party login.
    Login,
    /// Renewal by refresh token (RFC 6749 §6).
    RefreshToken,
    /// The password grant (RFC 6749 §4.3); RFC 9700 §2.4 advises against it.
    Password,
    /// A token for the client itself (RFC 6749 §4.4).
    ClientCredentials,
}

impl Grant {
    /// Every grant.
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

/// The settings of a client, not yet checked. The defaults are those of the client `web`.
#[derive(Clone, Debug)]
pub struct ProfileSettings {
    /// Lifetime of an access token.
    pub access_lifetime: Lifetime,
    /// Lifetime of an unused refresh token; counted from the login if rotation is `Never`.
    pub refresh_lifetime: Lifetime,
    /// Lifetime of a session from its login, however often it is refreshed.
    pub session_lifetime: Lifetime,
    /// Whether refresh tokens are replaced.
    pub rotation: Rotation,
    /// How long after its first use a superseded token is answered with the same successor, without
    /// a retry key.
    pub retry_window: Duration,
    /// How the client sends and receives its refresh token.
    pub transport: Transport,
    /// The audiences of its access tokens; the issuer if empty.
    pub audience: Vec<Audience>,
    /// The scopes that it may request.
    pub scopes: Scope,
    /// The ways in which it may obtain tokens.
    pub grants: BTreeSet<Grant>,
    /// The hash of its secret. A client with a secret is confidential (RFC 6749 §2.1).
    pub secret: Option<PasswordHash>,
    /// Whether its access tokens carry a Token Status List entry.
    pub status: bool,
    /// A claim for the subject in its access tokens, besides `sub`, together with `token_type`: what
    /// services with djangorestframework-simplejwt expect.
    pub user_id_claim: Option<String>,
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
            user_id_claim: None,
        }
    }
}

impl ProfileSettings {
    /// The defaults of the client `device`: one refresh token for a year.
    #[must_use]
    pub fn device() -> Self {
        Self {
            rotation: Rotation::Never,
            refresh_lifetime: Lifetime::from_days(365),
            ..Self::default()
        }
    }
}

/// An invalid combination of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// While the parent of the live token is accepted, a thief and the owner can take turns
    /// unnoticed.
    #[error("retry_window is longer than an hour, long enough for a thief to go unnoticed")]
    WindowTooLong,
    /// The client could do nothing.
    #[error("grants is empty: the client could do nothing")]
    NoGrants,
    /// The record of a session might be deleted before its last access token expires.
    #[error("access_lifetime is longer than a day, too long for a client with status = true")]
    StatusTooLong,
    /// A client can only obtain a token for itself with a secret.
    #[error("the grant client_credentials needs a secret_hash")]
    NoSecret,
}

/// Everything that is wrong with the settings of one client.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", .0.iter().map(ProfileError::to_string).collect::<Vec<_>>().join("; "))]
pub struct ProfileErrors(pub Vec<ProfileError>);

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

/// The checked settings of a client. Immutable.
#[derive(Clone, Debug)]
pub struct ClientProfile {
    id: ClientId,
    settings: ProfileSettings,
}

impl ClientProfile {
    /// Maximum length of the retry window.
    pub const MAX_RETRY_WINDOW: Duration = Duration::from_secs(3600);

    /// Checks `settings` and makes them the profile of the client `id`.
    ///
    /// # Errors
    /// Every invalid combination, in one [`ProfileErrors`].
    pub fn new(id: ClientId, settings: ProfileSettings) -> Result<Self, ProfileErrors> {
        let machine = settings.grants.contains(&Grant::ClientCredentials);
        let errors: Vec<ProfileError> = [
            (settings.retry_window > Self::MAX_RETRY_WINDOW, ProfileError::WindowTooLong),
            (settings.grants.is_empty(), ProfileError::NoGrants),
            (machine && settings.secret.is_none(), ProfileError::NoSecret),
            (
                settings.status && settings.access_lifetime.span() > Spans::MAX_ACCESS_LIFETIME,
                ProfileError::StatusTooLong,
            ),
        ]
        .into_iter()
        .filter_map(|(wrong, error)| wrong.then_some(error))
        .collect();
        if errors.is_empty() { Ok(Self { id, settings }) } else { Err(ProfileErrors(errors)) }
    }

    /// The settings that were checked.
    #[must_use]
    pub const fn settings(&self) -> &ProfileSettings {
        &self.settings
    }

    /// The client's id.
    #[must_use]
    pub const fn id(&self) -> &ClientId {
        &self.id
    }

    /// Whether the client authenticates with a secret (RFC 6749 §2.1).
    #[must_use]
    pub const fn is_confidential(&self) -> bool {
        self.settings.secret.is_some()
    }

    /// Lifetime of an access token.
    #[must_use]
    pub const fn access_lifetime(&self) -> Lifetime {
        self.settings.access_lifetime
    }

    /// Lifetime of an unused refresh token; counted from the login if rotation is `Never`.
    #[must_use]
    pub const fn refresh_lifetime(&self) -> Lifetime {
        self.settings.refresh_lifetime
    }

    /// Lifetime of a session from its login.
    #[must_use]
    pub const fn session_lifetime(&self) -> Lifetime {
        self.settings.session_lifetime
    }

    /// Whether refresh tokens are replaced.
    #[must_use]
    pub const fn rotation(&self) -> Rotation {
        self.settings.rotation
    }

    /// How long after its first use a superseded token is answered with the same successor, without
    /// a retry key.
    #[must_use]
    pub const fn retry_window(&self) -> Duration {
        self.settings.retry_window
    }

    /// How the client sends and receives its refresh token.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.settings.transport
    }

    /// The scopes that the client may request.
    #[must_use]
    pub const fn scopes(&self) -> &Scope {
        &self.settings.scopes
    }

    /// The hash of the client's secret.
    #[must_use]
    pub const fn secret(&self) -> Option<&PasswordHash> {
        self.settings.secret.as_ref()
    }

    /// Whether the client's access tokens carry a Token Status List entry.
    #[must_use]
    pub const fn has_status(&self) -> bool {
        self.settings.status
    }

    /// The claim for the subject besides `sub`, if there is one.
    #[must_use]
    pub fn user_id_claim(&self) -> Option<&str> {
        self.settings.user_id_claim.as_deref()
    }

    /// Whether the client may obtain tokens in this way.
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

/// No client with this id is configured.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the client \"{0}\" is not configured")]
pub struct UnknownClientError(pub ClientId);

/// The issuer and its clients: everything that determines the content of a token.
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

    /// The issuer.
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

    /// Every audience that an access token of this issuer can have. The issuer's own endpoints accept
    /// all of them.
    #[must_use]
    pub fn audiences(&self) -> Vec<Audience> {
        let named =
            self.clients.values().flat_map(|profile| profile.settings.audience.iter().cloned());
        std::iter::once(Audience::from(&self.issuer)).chain(named).collect()
    }

    /// How long an access token can outlive its key. At least an hour, because tokens issued before a
    /// lifetime was shortened keep the longer one.
    #[must_use]
    pub fn max_access_lifetime(&self) -> Duration {
        self.max_of(ClientProfile::access_lifetime).max(Duration::from_secs(3600))
    }

    /// The longest lifetime of an access token with a status. At least an hour, for the same reason.
    #[must_use]
    pub(crate) fn max_status_lifetime(&self) -> Duration {
        let with_status = self.clients.values().filter(|profile| profile.has_status());
        let longest = with_status.map(|profile| profile.access_lifetime().span()).max();
        longest.unwrap_or_default().max(Duration::from_secs(3600))
    }

    /// How long a refresh token can outlive the secret that signed it. At least a year, for the same
    /// reason: keeping a secret is cheap, dropping it too early logs users out.
    #[must_use]
    pub fn max_refresh_lifetime(&self) -> Duration {
        self.max_of(ClientProfile::refresh_lifetime).max(Lifetime::from_days(366).span())
    }

    fn max_of(&self, lifetime: impl Fn(&ClientProfile) -> Lifetime) -> Duration {
        self.clients.values().map(lifetime).max().map_or(Duration::ZERO, Lifetime::span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(settings: ProfileSettings) -> Result<ClientProfile, ProfileErrors> {
        ClientProfile::new(ClientId::new("web").unwrap(), settings)
    }

    #[test]
    fn the_default_settings_are_valid() {
        assert!(profile(ProfileSettings::default()).is_ok());
        assert!(profile(ProfileSettings::device()).is_ok());
    }

    #[test]
    fn access_tokens_with_a_status_live_for_at_most_a_day() {
        let settings = |seconds, status| ProfileSettings {
            access_lifetime: Lifetime::from_seconds(seconds).unwrap(),
            status,
            ..ProfileSettings::default()
        };
        assert!(profile(settings(86_400, true)).is_ok());
        assert!(profile(settings(86_401, false)).is_ok());
        let ProfileErrors(errors) = profile(settings(86_401, true)).unwrap_err();
        assert_eq!(errors, [ProfileError::StatusTooLong]);
    }

    #[test]
    fn all_errors_are_reported_at_once() {
        let settings = ProfileSettings {
            retry_window: Duration::from_secs(3601),
            grants: BTreeSet::from([Grant::ClientCredentials]),
            ..ProfileSettings::default()
        };
        let ProfileErrors(errors) = profile(settings).unwrap_err();
        assert_eq!(errors, [ProfileError::WindowTooLong, ProfileError::NoSecret]);
    }
}
