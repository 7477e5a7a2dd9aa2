//! What the configuration decides about the description.

use aquaware_core::policy::{ClientProfile, Transport};

use crate::oauth::grants;
use crate::state::State;

/// The description is a function of these facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The issuer, at which all addresses start.
    pub(super) issuer: String,
    /// Whether the server has accounts.
    pub(super) accounts: bool,
    /// Whether messages can be sent to users.
    pub(super) messages: bool,
    /// Whether the endpoints of simplejwt exist.
    pub(super) simplejwt: bool,
    /// Whether `/auth/signup` creates accounts.
    pub(super) signup: bool,
    /// The grants that some client may use at the token endpoint.
    pub(super) grants: Vec<&'static str>,
    /// Whether some client authenticates with a secret.
    pub(super) secrets: bool,
    /// The name of the refresh cookie, if some client uses it.
    pub(super) cookie: Option<String>,
    /// Whether the access tokens can be verified with public keys, and status lists with them.
    pub(super) public_keys: bool,
}

impl Facts {
    pub(super) fn of(state: &State) -> Self {
        let context = state.context();
        let policy = context.snapshot.policy();
        let some = |is: fn(&ClientProfile) -> bool| policy.clients().any(is);
        let accounts = state.accounts.as_ref();
        let mut grants = grants(policy);
        grants.retain(|grant| *grant != "password" || accounts.is_some());
        #[cfg(feature = "passwords")]
        let simplejwt = accounts.is_some() && state.simplejwt.is_some();
        #[cfg(not(feature = "passwords"))]
        let simplejwt = false;
        Self {
            issuer: context.issuer().as_str().trim_end_matches('/').to_owned(),
            accounts: accounts.is_some(),
            messages: accounts.is_some_and(|accounts| accounts.service.sends_messages()),
            simplejwt,
            signup: accounts.is_some_and(|accounts| accounts.signup_open),
            grants,
            secrets: some(ClientProfile::is_confidential),
            cookie: some(|client| client.transport() == Transport::Cookie)
                .then(|| state.cookie.name().to_owned()),
            public_keys: context.snapshot.ring().signing_for_others(context.now).is_some(),
        }
    }
}
