//! A login with its limits and locks: the same whichever door it comes through.

use std::net::IpAddr;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use aquaware_core::account::Login;
use aquaware_core::id::ClientId;
use aquaware_core::policy::Grant;
use aquaware_core::service::{Granted, LogIn, LoginError, NewSession, RequestContext};
use aquaware_core::session::{Device, EndReason};

use super::error_code::ErrorCode;
use super::problem::Problem;
use super::state::State;
use super::token_response;

const LONGEST_USER_AGENT: usize = 255;

/// Why a login came to nothing.
pub(crate) enum Refused {
    /// By a limit or a lock, or by the store on the way.
    Here(Problem),
    /// By the use case.
    There(LoginError),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Here(problem)
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Here(problem) => problem,
            Refused::There(error) => error.into(),
        }
    }
}

/// Logs in, unless the account is locked; counts what fails.
pub(crate) async fn log_in(
    state: &State,
    context: &RequestContext,
    wish: LogIn<'_>,
) -> Result<Granted, Refused> {
    let now = context.now;
    let accounts = state.accounts()?;
    // What is no address is nobody's: there is nothing to lock.
    let login = Login::new(&wish.email).ok();
    if let Some(login) = &login {
        accounts.failed_logins.check(login, now)?;
    }
    let outcome = accounts.service.log_in(context, wish).await;
    if let (Some(login), Err(LoginError::InvalidCredentials)) = (&login, &outcome) {
        accounts.failed_logins.failed(login, now)?;
    }
    let granted = outcome.map_err(Refused::There)?;
    if let Some(Err(locked)) = login.map(|login| accounts.failed_logins.succeeded(&login, now)) {
        // Guesses sent at once locked the account meanwhile: this one must not stand out.
        let ended = state.sessions.end(context, &granted.session.id, EndReason::Revoked).await;
        ended.map_err(Problem::from)?;
        return Err(locked.into());
    }
    tracing::info!(session = %granted.session.id, "logged in");
    Ok(granted)
}

/// Opens a session for a user whom the application authenticated: [`Aquaware::open_session`].
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
    if !new.scope.is_within(&profile.scopes) {
        return Err(ErrorCode::InvalidScope.into());
    }
    state.refuse_foreign_page(request, profile)?;
    let Device { ip, user_agent, .. } = device(request, state.client(request).address, None);
    new.device.ip = new.device.ip.or(ip);
    new.device.user_agent = new.device.user_agent.or(user_agent);
    let granted = state.sessions.open(&context, profile, new).await?;
    tracing::info!(session = %granted.session.id, "logged in");
    Ok(token_response::by_profile(state, profile.transport, &granted, context.now))
}

/// Where a login comes from, as its owner will see it in the list of sessions.
pub(crate) fn device(request: &HttpRequest, address: IpAddr, name: Option<String>) -> Device {
    let agent = request.headers().get(header::USER_AGENT).and_then(|it| it.to_str().ok());
    Device {
        name,
        ip: Some(address.to_string()),
        user_agent: agent.map(|agent| agent.chars().take(LONGEST_USER_AGENT).collect()),
    }
}
