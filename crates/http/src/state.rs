//! What every handler has at hand.

use std::sync::Arc;

use actix_web::http::header;
use actix_web::{HttpMessage as _, HttpRequest, web};
use aquaware_core::policy::{ClientProfile, Rotation, Transport};
use aquaware_core::retry::{InvalidRetryKey, RetryKey};
use aquaware_core::service::{
    Accounts, Caller, CheckedRefresh, Clients, Granted, RefreshError, RefreshRequest,
    RequestContext, Sessions, StatusLists,
};
use aquaware_core::time::Clock;

use super::bearer;
use super::client_address::{Client, TrustedProxies};
use super::cookie::RefreshCookie;
use super::error_code::ErrorCode;
use super::failed_logins::FailedLogins;
use super::limiter::Limiter;
use super::origin::AllowedOrigins;
use super::problem::Problem;

/// The use cases, and what is particular to HTTP.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) accounts: Option<AccountState>,
    pub(crate) clients: Clients,
    pub(crate) status_lists: StatusLists,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cookie: RefreshCookie,
    pub(crate) origins: AllowedOrigins,
    pub(crate) proxies: TrustedProxies,
    pub(crate) limiter: Limiter,
    pub(crate) allow_origins: Vec<String>,
}

/// The account side, where the application has one.
#[derive(Debug)]
pub(crate) struct AccountState {
    pub(crate) service: Arc<Accounts>,
    pub(crate) signup_open: bool,
    pub(crate) failed_logins: FailedLogins,
}

impl State {
    /// The state of the application that serves `request`.
    ///
    /// # Errors
    /// The 500 of an application in which the routes are not mounted.
    pub(crate) fn of(request: &HttpRequest) -> Result<&web::Data<Self>, Problem> {
        request.app_data::<web::Data<Self>>().ok_or_else(|| {
            tracing::error!("the routes of aquaware-http are not mounted in this application");
            Problem::from(ErrorCode::InternalError)
        })
    }

    /// Policy, keys and time of a request. Each handler calls this once and passes the result on.
    pub(crate) fn context(&self) -> RequestContext {
        self.sessions.context(self.clock.now())
    }

    /// The account side.
    ///
    /// # Errors
    /// The 404 of an application that has none.
    pub(crate) fn accounts(&self) -> Result<&AccountState, Problem> {
        self.accounts.as_ref().ok_or_else(|| Problem::from(ErrorCode::NotFound))
    }

    /// Who calls, by address: as the envelope found out, if there is one around.
    pub(crate) fn client(&self, request: &HttpRequest) -> Client {
        let found = request.extensions().get::<Client>().copied();
        found.unwrap_or_else(|| {
            self.proxies.client(request.peer_addr().map(|peer| peer.ip()), request.headers())
        })
    }

    /// Counts a refresh against its session's limit.
    ///
    /// # Errors
    /// The 429; nothing is used up.
    pub(crate) fn count_refresh(&self, token: &CheckedRefresh<'_>) -> Result<(), Problem> {
        let rotation = token.profile().map_or(Rotation::Always, |profile| profile.rotation);
        self.limiter.refresh(token.claims(), rotation)
    }

    /// Renews a session, with a line in the log for what should be seen.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub(crate) async fn renew(
        &self,
        context: &RequestContext,
        request: RefreshRequest<'_>,
    ) -> Result<Granted, RefreshError> {
        let session = request.token.claims().sid;
        match self.sessions.renew(context, request).await {
            Ok((granted, outcome)) => {
                tracing::debug!(%session, ?outcome, "refreshed");
                Ok(granted)
            }
            Err(error) => {
                if matches!(error, RefreshError::Reused) {
                    tracing::warn!(%session, "refresh token reused: session ended");
                }
                Err(error)
            }
        }
    }

    /// Refuses a login that a page of another origin sends for a client whose refresh token is a
    /// cookie: it would plant a session in the victim's browser.
    ///
    /// # Errors
    /// The 403.
    pub(crate) fn refuse_foreign_page(
        &self,
        request: &HttpRequest,
        client: &ClientProfile,
    ) -> Result<(), Problem> {
        if client.transport == Transport::Cookie && request.headers().contains_key(header::ORIGIN) {
            self.origins.check(request.headers())?;
        }
        Ok(())
    }

    /// Who calls, by access token: good, and of a live session.
    ///
    /// # Errors
    /// The 401, or 400 for two tokens, or 503.
    pub(crate) async fn caller(
        &self,
        request: &HttpRequest,
        form_has_token: bool,
        context: &RequestContext,
    ) -> Result<Caller, Problem> {
        let token =
            bearer::access_token(request, form_has_token)?.ok_or_else(Problem::unauthenticated)?;
        Ok(self.sessions.authenticate(context, token.expose()).await?)
    }
}

/// The `Idempotency-Key`; `None` where there is none, or one too short to count.
///
/// # Errors
/// When it breaks the rules, or comes more than once.
pub(crate) fn retry_key(request: &HttpRequest) -> Result<Option<RetryKey>, InvalidRetryKey> {
    let mut keys = request.headers().get_all("Idempotency-Key");
    let Some(key) = keys.next() else { return Ok(None) };
    if keys.next().is_some() {
        return Err(InvalidRetryKey);
    }
    RetryKey::parse(key.as_bytes())
}
