//! Logins with their limits and locks, for `/auth/login`, the password grant and the application.

use std::net::IpAddr;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use aquaware_core::account::Login;
use aquaware_core::id::ClientId;
use aquaware_core::policy::Grant;
use aquaware_core::service::{Granted, LogIn, LoginError, NewSession, RequestContext};
use aquaware_core::session::{Device, EndReason};

use crate::error_code::ErrorCode;
use crate::events::Event;
use crate::metrics::LoginOutcome;
use crate::problem::Problem;
use crate::state::State;
use crate::token_response;

const MAX_USER_AGENT_LENGTH: usize = 255;

/// Why a login was rejected.
pub(crate) enum LoginRejection {
    /// By a limit or a lock, or by a failure of the store.
    Problem(Problem),
    /// By the use case.
    Login(LoginError),
}

impl From<Problem> for LoginRejection {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<LoginRejection> for Problem {
    fn from(rejection: LoginRejection) -> Self {
        match rejection {
            LoginRejection::Problem(problem) => problem,
            LoginRejection::Login(error) => error.into(),
        }
    }
}

impl LoginRejection {
    fn outcome(&self) -> LoginOutcome {
        match self {
            Self::Problem(problem) if problem.code() == ErrorCode::AccountLocked => {
                LoginOutcome::AccountLocked
            }
            Self::Login(LoginError::InvalidCredentials) => LoginOutcome::InvalidCredentials,
            Self::Login(LoginError::EmailNotVerified(_)) => LoginOutcome::EmailNotVerified,
            Self::Login(LoginError::NotAllowed) => LoginOutcome::ClientNotAllowed,
            Self::Login(LoginError::InvalidScope) => LoginOutcome::InvalidScope,
            Self::Login(LoginError::Overloaded(_)) => LoginOutcome::Overloaded,
            Self::Problem(_) | Self::Login(LoginError::Service(_)) => LoginOutcome::Failed,
        }
    }
}

/// Logs in unless the account is locked, counts failures, and records the outcome.
pub(crate) async fn log_in(
    state: &State,
    context: &RequestContext,
    request: LogIn<'_>,
) -> Result<Granted, LoginRejection> {
    let client = request.client;
    let result = attempt(state, context, request).await;
    let outcome = result.as_ref().map_or_else(LoginRejection::outcome, |_| LoginOutcome::Succeeded);
    state.metrics.login(outcome);
    let event = match &result {
        Ok(granted) => Event::login_succeeded(&granted.session),
        Err(_) => Event::login_failed(client.id(), outcome.as_str()),
    };
    state.events.emit(event).await;
    result
}

async fn attempt(
    state: &State,
    context: &RequestContext,
    request: LogIn<'_>,
) -> Result<Granted, LoginRejection> {
    let accounts = state.accounts()?;
    // A malformed login belongs to no account, so there is nothing to lock.
    let login = Login::of_input(&request.email);
    if let Some(login) = &login {
        accounts.failed_logins.check(context, login).await?;
    }
    let outcome = accounts.service.log_in(context, request).await;
    if let (Some(login), Err(LoginError::InvalidCredentials)) = (&login, &outcome) {
        accounts.count_failure(context, &state.events, login).await?;
    }
    if let Err(LoginError::EmailNotVerified(account)) = &outcome {
        // The password was right. Concurrent guesses may have locked the account, as below.
        if let Some(login) = &login {
            accounts.failed_logins.succeeded(context, login).await?;
        }
        state.send_verification(context, account).await;
    }
    let granted = outcome.map_err(LoginRejection::Login)?;
    if let Some(login) = &login
        && let Err(locked) = accounts.failed_logins.succeeded(context, login).await
    {
        // Concurrent guesses have locked the account: the correct one must look the same.
        let ended = state.sessions.end(context, &granted.session.id, EndReason::Revoked).await;
        ended.map_err(Problem::from)?;
        return Err(locked.into());
    }
    Ok(granted)
}

/// Opens a session for a user that the application authenticated: [`Aquaware::open_session`].
///
/// [`Aquaware::open_session`]: crate::Aquaware::open_session
pub(crate) async fn open_session(
    state: &State,
    request: &HttpRequest,
    client: &ClientId,
    mut new: NewSession,
) -> Result<HttpResponse, Problem> {
    let context = state.context();
    let profile = context.client(client).ok_or(ErrorCode::UnknownClient)?;
    if profile.is_confidential() || !profile.allows(Grant::Login) {
        return Err(ErrorCode::ClientNotAllowed.into());
    }
    if !new.scope.is_within(profile.scopes()) {
        return Err(ErrorCode::InvalidScope.into());
    }
    state.check_login_origin(request, profile)?;
    let Device { ip, user_agent, .. } = device(request, state.client(request).address, None);
    new.device.ip = new.device.ip.or(ip);
    new.device.user_agent = new.device.user_agent.or(user_agent);
    let granted = state.sessions.open(&context, profile, new).await?;
    state.events.emit(Event::login_succeeded(&granted.session)).await;
    Ok(token_response::by_profile(state, profile.transport(), &granted, context.now))
}

/// The origin of a login, as the list of sessions shows it.
pub(crate) fn device(request: &HttpRequest, address: IpAddr, name: Option<String>) -> Device {
    let agent = request.headers().get(header::USER_AGENT).and_then(|it| it.to_str().ok());
    Device {
        name,
        ip: Some(address.to_string()),
        user_agent: agent.map(|agent| agent.chars().take(MAX_USER_AGENT_LENGTH).collect()),
    }
}
