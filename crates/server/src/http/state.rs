//! What every handler has at hand.

use std::sync::Arc;

use actix_web::{HttpMessage as _, HttpRequest};
use aquaware_core::service::{Accounts, Caller, Sessions};
use aquaware_core::time::{Clock, Timestamp};

use super::bearer;
use super::client_addr::{Client, TrustedProxies};
use super::cookie::RefreshCookie;
use super::failed_logins::FailedLogins;
use super::origin::OwnOrigins;
use super::problem::Problem;
use super::rates::Rates;

/// The use cases, and what is particular to HTTP.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) accounts: Accounts,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) signup_open: bool,
    pub(crate) cookie: RefreshCookie,
    pub(crate) origins: OwnOrigins,
    pub(crate) proxies: TrustedProxies,
    pub(crate) rates: Rates,
    pub(crate) failed_logins: FailedLogins,
}

impl State {
    /// The instant of a request. Read once per request.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Who calls, by address: as the envelope found out, if there is one around.
    pub(crate) fn client(&self, request: &HttpRequest) -> Client {
        let found = request.extensions().get::<Client>().copied();
        found.unwrap_or_else(|| {
            self.proxies.client(request.peer_addr().map(|peer| peer.ip()), request.headers())
        })
    }

    /// Who calls, by access token: good, and of a live session.
    ///
    /// # Errors
    /// The 401, or 400 for two tokens, or 503.
    pub(crate) async fn caller(
        &self,
        request: &HttpRequest,
        form_has_token: bool,
        now: Timestamp,
    ) -> Result<Caller, Problem> {
        let token =
            bearer::access_token(request, form_has_token)?.ok_or_else(Problem::unauthenticated)?;
        Ok(self.sessions.authenticate(token.expose(), now).await?)
    }
}
