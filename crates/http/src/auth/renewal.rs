//! Refresh and logout, with the refresh token in the body or in the cookie.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use aquaware_core::policy::Transport;
use aquaware_core::secret::RefreshToken;
use aquaware_core::service::{AuthError, Presenter, RefreshRequest};
use aquaware_core::session::EndReason;

use super::response;
use crate::bearer;
use crate::body::{Fields, Text};
use crate::error_code::ErrorCode;
use crate::problem::{FieldError, Problem};
use crate::state::{State, retry_key};
use crate::token_response;

/// `POST /auth/refresh`.
pub(super) async fn refresh(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let context = state.context();
    let retry_key = retry_key(&request).map_err(|_| invalid_retry_key())?;
    let mut fields = Fields::read(&request, payload).await?;
    let in_body = fields.optional("refresh_token").map(token);
    fields.finish()?;
    let presented = match in_body {
        Some(token) => Some(token),
        None => cookie(&request, &state)?,
    };
    let token = presented.ok_or_else(|| missing("refresh_token"))?;
    let token = &state.sessions.check_refresh(&context, token.expose())?;
    state.count_refresh(token)?;
    let (presenter, retry_key) = (Presenter::FirstParty, retry_key.as_ref());
    let request = RefreshRequest { token, presenter, scope: None, retry_key };
    let granted = state.renew(&context, request).await?;
    let transport = token.profile().map_or(Transport::Body, |profile| profile.transport());
    Ok(token_response::by_profile(&state, transport, &granted, context.now))
}

/// `POST /auth/logout`.
///
/// A token in the body is explicit and ends only its session. Browsers send the cookie
/// automatically, so next to a cookie the session of a bearer token ends too: after a logout, the
/// user must not stay logged in through the other token.
pub(super) async fn log_out(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let context = state.context();
    let mut fields = Fields::read(&request, payload).await?;
    let form_has_token = fields.has(bearer::FIELD);
    let in_body = fields.optional("refresh_token").map(token);
    fields.finish()?;
    if let Some(token) = in_body {
        state.sessions.log_out(&context, token.expose()).await?;
        return Ok(response::no_content());
    }
    let in_cookie = cookie(&request, &state)?;
    let bearer = bearer::access_token(&request, form_has_token)?;
    if in_cookie.is_none() && bearer.is_none() {
        return Err(missing("refresh_token"));
    }
    if let Some(token) = &in_cookie {
        state.sessions.log_out(&context, token.expose()).await?;
    }
    if let Some(token) = bearer {
        match state.sessions.log_out_bearer(&context, token.expose()).await {
            Err(AuthError::Token(_) | AuthError::SessionOver) if in_cookie.is_some() => {}
            outcome => outcome?,
        }
    }
    let mut response = response::no_content();
    if let Some(clear) = in_cookie.and_then(|_| state.cookie.clear()) {
        response.headers_mut().insert(header::SET_COOKIE, clear);
    }
    Ok(response)
}

/// `POST /auth/logout-all`.
pub(super) async fn log_out_all(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let context = state.context();
    let fields = Fields::read(&request, payload).await?;
    let caller = state.caller(&request, fields.has(bearer::FIELD), &context).await?;
    fields.finish()?;
    let subject = &caller.session.subject;
    let all = EndReason::LogoutAll;
    let revoked = state.sessions.end_all(&context, subject, None, all).await?;
    Ok(response::private(&response::Revoked { revoked }))
}

/// The token in the cookie, if its page may use it.
fn cookie(request: &HttpRequest, state: &State) -> Result<Option<RefreshToken>, Problem> {
    let token = state.cookie.read(request.headers())?;
    if token.is_some() {
        state.origins.check(request.headers())?;
    }
    Ok(token)
}

fn token(mut text: Text) -> RefreshToken {
    RefreshToken::new(std::mem::take(&mut *text))
}

fn invalid_retry_key() -> Problem {
    let error = FieldError::new("Idempotency-Key", "must be 1 to 255 visible ASCII characters");
    Problem::invalid_fields(vec![error])
}

fn missing(field: &str) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, "Some fields are missing or malformed.")
        .with_errors(vec![FieldError::new(field, "is missing")])
}
