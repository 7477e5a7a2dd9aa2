//! The state that all handlers share.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use aquaware_core::account::{Account, Login};
use aquaware_core::claims::RefreshClaims;
use aquaware_core::policy::{ClientProfile, Rotation, Transport};
use aquaware_core::retry::{InvalidRetryKeyError, RetryKey};
use aquaware_core::secret::RefreshToken;
#[cfg(feature = "passwords")]
use aquaware_core::service::SimpleJwt;
use aquaware_core::service::{
    Accounts, Caller, CheckedRefresh, ClientError, Clients, Credentials, Granted, RefreshError,
    RefreshOutcome, RefreshRequest, RequestContext, Sessions, StatusLists,
};
use aquaware_core::time::{Clock, Timestamp};

use crate::bearer;
use crate::body::Text;
use crate::client_address::{Client, TrustedProxies};
use crate::cookie::RefreshCookie;
use crate::error_code::ErrorCode;
use crate::events::{Event, Events};
use crate::failures::Failures;
use crate::limiter::Limiter;
use crate::metrics::{LoginOutcome, Metrics, RefreshVerdict};
use crate::middleware::RequestTracer;
use crate::oauth_error::OauthError;
use crate::origin::AllowedOrigins;
use crate::problem::Problem;
use crate::unfinished::UnfinishedChanges;

/// The use cases, and the state of the HTTP layer.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) sessions: Arc<Sessions>,
    #[cfg(feature = "passwords")]
    pub(crate) simplejwt: Option<Arc<SimpleJwt>>,
    pub(crate) accounts: Option<AccountState>,
    pub(crate) clients: Clients,
    pub(crate) failed_clients: Failures,
    pub(crate) changes: UnfinishedChanges,
    pub(crate) status_lists: StatusLists,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cookie: RefreshCookie,
    pub(crate) origins: AllowedOrigins,
    pub(crate) proxies: TrustedProxies,
    pub(crate) limiter: Limiter,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) events: Events,
    pub(crate) tracer: Option<Arc<dyn RequestTracer>>,
    pub(crate) allow_origins: Vec<String>,
}

/// The account use cases, if the application has accounts.
#[derive(Debug)]
pub(crate) struct AccountState {
    pub(crate) service: Arc<Accounts>,
    pub(crate) signup_open: bool,
    pub(crate) failed_logins: Failures,
}

impl AccountState {
    /// Counts a wrong password, and emits an event if it locks the account.
    ///
    /// # Errors
    /// The 429, to be returned instead, if the account is locked already.
    pub(crate) async fn count_failure(
        &self,
        context: &RequestContext,
        events: &Events,
        login: &Login,
    ) -> Result<(), Problem> {
        if self.failed_logins.count(context, login).await? {
            let account = self.service.with_login(login).await.ok().flatten();
            let locked = Event::account_locked(account.as_ref().map(|account| &account.id));
            events.emit(locked).await;
        }
        Ok(())
    }
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

    /// The refresh token that a client presents. Clients of Django may have theirs in another form.
    pub(crate) fn refresh_token(&self, context: &RequestContext, presented: Text) -> RefreshToken {
        #[cfg(feature = "passwords")]
        if let Some(doors) = &self.simplejwt
            && let Some(own) = doors.from_client(context, &presented)
        {
            return own;
        }
        let (_, mut presented) = (context, presented);
        RefreshToken::new(std::mem::take(&mut *presented))
    }

    /// The account use cases.
    ///
    /// # Errors
    /// The 404 of an application without accounts.
    pub(crate) fn accounts(&self) -> Result<&AccountState, Problem> {
        self.accounts.as_ref().ok_or_else(|| Problem::from(ErrorCode::NotFound))
    }

    /// Requests a message that verifies the address of `account`, within the limit. A failure is only
    /// logged: the user can request another message.
    pub(crate) async fn send_verification(&self, context: &RequestContext, account: &Account) {
        let Some(accounts) = &self.accounts else { return };
        let is_verified = account.email_verified_at.is_some();
        if is_verified || !self.limiter.message(context, &account.login).await {
            return;
        }
        if let Err(error) = accounts.service.request_verification(context, account).await {
            let cause = aquaware_core::error_chain(&error);
            tracing::warn!(account = %account.id, cause, "failed to request a verification message");
        }
    }

    /// The address of the client; the middleware has determined it already, if there is one.
    pub(crate) fn client(&self, request: &HttpRequest) -> Client {
        let found = request.extensions().get::<Client>().copied();
        found.unwrap_or_else(|| {
            self.proxies.client(request.peer_addr().map(|peer| peer.ip()), request.headers())
        })
    }

    /// Counts a login against the limit of its address.
    ///
    /// # Errors
    /// The 429.
    pub(crate) async fn count_login(
        &self,
        context: &RequestContext,
        address: IpAddr,
    ) -> Result<(), Problem> {
        let counted = self.limiter.log_in(context, address).await;
        if counted.is_err() {
            self.metrics.login(LoginOutcome::RateLimited);
        }
        counted
    }

    /// Counts a refresh against its session's limit.
    ///
    /// # Errors
    /// The 429; the token remains valid.
    pub(crate) fn count_refresh(
        &self,
        token: &CheckedRefresh<'_>,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let rotation = token.profile().map_or(Rotation::Always, |profile| profile.rotation());
        self.limiter.refresh(token.claims(), rotation, now)
    }

    /// Renews a session, and records the verdict.
    ///
    /// # Errors
    /// [`RefreshError`].
    pub(crate) async fn renew(
        &self,
        context: &RequestContext,
        request: RefreshRequest<'_>,
    ) -> Result<Granted, RefreshError> {
        let claims = request.token.claims();
        let result = self.sessions.renew(context, request).await;
        self.renewed(claims, result).await
    }

    /// Records the verdict about the refresh token with these claims.
    ///
    /// # Errors
    /// The error of `result`.
    pub(crate) async fn renewed(
        &self,
        claims: &RefreshClaims,
        result: Result<(Granted, RefreshOutcome), RefreshError>,
    ) -> Result<Granted, RefreshError> {
        let verdict = RefreshVerdict::of(&result);
        self.metrics.refresh(verdict);
        tracing::debug!(session = %claims.sid, ?verdict, "refreshed");
        if verdict == RefreshVerdict::Reused {
            self.events.emit(Event::refresh_token_reused(claims)).await;
        }
        match &result {
            Ok((granted, RefreshOutcome::RepeatedElsewhere { first, repeat })) => {
                let event = Event::refresh_repeated_elsewhere(&granted.session, first, repeat);
                self.events.emit(event).await;
            }
            Err(RefreshError::Reused | RefreshError::Ended(_) | RefreshError::Unknown) => {
                self.limiter.refused(claims.sid);
            }
            _ => {}
        }
        Ok(result?.0)
    }

    /// Rejects a login from a page of another origin for a client with a refresh cookie: it would
    /// plant the attacker's session in the browser of the victim.
    ///
    /// # Errors
    /// The 403.
    pub(crate) fn check_login_origin(
        &self,
        request: &HttpRequest,
        client: &ClientProfile,
    ) -> Result<(), Problem> {
        match client.transport() {
            Transport::Cookie => self.origins.check_setting(request.headers()),
            Transport::Body => Ok(()),
        }
    }

    /// Clears the refresh cookie in a response that ends a session of `client`, if the client uses
    /// it. A page of another origin cannot clear the cookie of its visitors.
    pub(crate) fn clear_cookie_of(
        &self,
        client: Option<&ClientProfile>,
        request: &HttpRequest,
        response: &mut HttpResponse,
    ) {
        let uses_cookie = client.is_some_and(|client| client.transport() == Transport::Cookie);
        if uses_cookie && self.origins.check_setting(request.headers()).is_ok() {
            self.cookie.clear(response);
        }
    }

    /// Authenticates a client, unless too many have failed from its address. The attempt counts before
    /// the secret is checked, so that a flood of wrong secrets costs no more than the limit.
    ///
    /// # Errors
    /// `invalid_client`, 429, or 503.
    pub(crate) async fn authenticate<'a>(
        &self,
        context: &'a RequestContext,
        request: &HttpRequest,
        credentials: &Credentials,
    ) -> Result<&'a ClientProfile, OauthError> {
        if let Some(profile) = self.clients.recall(context, credentials) {
            return Ok(profile);
        }
        let address = self.client(request).address;
        self.failed_clients.count(context, address).await?;
        let outcome = self.clients.authenticate(context, credentials).await;
        if !matches!(outcome, Err(ClientError::Invalid)) {
            self.failed_clients.take_back(context, address).await;
        }
        Ok(outcome?)
    }

    /// Authenticates the caller by an access token of a live session.
    ///
    /// # Errors
    /// The 401, 400 for two tokens, or 503.
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

/// The `Idempotency-Key`; `None` if it is absent or too short to be used.
///
/// # Errors
/// When it is malformed or occurs more than once.
pub(crate) fn retry_key(request: &HttpRequest) -> Result<Option<RetryKey>, InvalidRetryKeyError> {
    let mut keys = request.headers().get_all("Idempotency-Key");
    let Some(key) = keys.next() else { return Ok(None) };
    if keys.next().is_some() {
        return Err(InvalidRetryKeyError);
    }
    RetryKey::parse(key.as_bytes())
}
