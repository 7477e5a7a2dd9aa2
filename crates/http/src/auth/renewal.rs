//! Refresh and logout, with the refresh token in the body or in the cookie.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use aquaware_core::policy::Transport;
use aquaware_core::retry::RetryKey;
use aquaware_core::secret::RefreshToken;
use aquaware_core::service::{AuthError, Presenter, RefreshRequest, RequestContext};
use aquaware_core::session::{EndReason, Session};

use super::called::called;
use super::ending::{Own, end_rest};
use super::response;
use crate::bearer;
use crate::body::{Fields, Text};
use crate::error_code::ErrorCode;
use crate::login;
use crate::narrowing::Narrowing;
use crate::problem::{FieldError, Problem};
#[cfg(feature = "documents")]
use crate::schema::{self, errors};
use crate::state::{State, retry_key};
use crate::token_response;

/// `POST /auth/refresh`.
#[cfg_attr(feature = "documents", utoipa::path(
    post, path = "/auth/refresh", tag = schema::SESSIONS, summary = "Renew the tokens of a session",
    description = "The presented token is superseded. A retry with the same `Idempotency-Key`, or within the retry window of the client, gets the same refresh token again; any other use of a superseded token ends the session.",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
        pattern = "^[!-~]+$", description = "A retry with the key of the first use gets the same refresh token again. Keys shorter than 16 characters are ignored.")),
    request_body = schema::Refresh,
    responses((status = 200, description = "The new tokens.", body = schema::TokenResponse,
        headers(("Set-Cookie" = String, description = "For a client with the transport `cookie`: its refresh token.")))),
    security((), ("refresh_cookie" = [])),
    extensions(("x-errors" = json!(errors![InvalidRequest, InvalidTarget, InvalidRefreshToken,
        RefreshTokenExpired, RefreshTokenReused, SessionRevoked, ClientNotAllowed, CrossSite,
        RateLimited, ClockUnreliable]))),
))]
pub(super) async fn refresh(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let context = state.context();
    let retry_key = retry_key(&request).map_err(|_| invalid_retry_key())?;
    let retry_key = retry_key.as_ref();
    let mut fields = Fields::read(&request, payload).await?;
    let in_body = fields.optional("refresh_token");
    let in_body = in_body.map(|text| state.refresh_token(&context, text));
    let resources = fields.resources();
    fields.finish()?;
    let presented = Presented { retry_key, resources: &resources };
    if let Some(token) = in_body {
        return renew(&request, &state, &context, &token, Transport::Body, presented).await;
    }
    let token = match cookie(&request, &state, &context) {
        Ok(token) => token.ok_or_else(|| missing("refresh_token"))?,
        Err(response) => return Ok(*response),
    };
    let outcome = renew(&request, &state, &context, &token, Transport::Cookie, presented).await;
    Ok(outcome.unwrap_or_else(|problem| {
        let mut response = problem.response();
        // The token is unusable for good, and the browser would send it again with each request.
        if response.status() == StatusCode::UNAUTHORIZED {
            state.cookie.clear(&mut response);
        }
        response
    }))
}

/// What a request to refresh contains besides the token.
struct Presented<'a> {
    retry_key: Option<&'a RetryKey>,
    resources: &'a [Text],
}

/// Renews the session of a token that was presented in `place`.
async fn renew(
    request: &HttpRequest,
    state: &State,
    context: &RequestContext,
    token: &RefreshToken,
    place: Transport,
    presented: Presented<'_>,
) -> Result<HttpResponse, Problem> {
    let Presented { retry_key, resources } = presented;
    let token = &state.sessions.check_refresh(context, token.expose())?;
    let transport = token.profile().map_or(Transport::Body, |profile| profile.transport());
    if (place, transport) == (Transport::Body, Transport::Cookie) {
        // Scripts never see the cookie, so only a foreign page can have the token in a body: its
        // own, to be planted in the visitor's browser.
        let detail = "The refresh token of this client must be in its cookie.";
        return Err(Problem::new(ErrorCode::InvalidRequest, detail));
    }
    state.count_refresh(token, context.now)?;
    let device = &login::device(request, state.client(request).address, None);
    let (presenter, device) = (Presenter::FirstParty, Some(device));
    let request = RefreshRequest { token, presenter, scope: None, retry_key, device };
    let narrowing = Narrowing::of(token.profile(), context, resources)?;
    let granted = state.renew(context, request).await?;
    let granted = narrowing.apply(state, context, granted)?;
    Ok(token_response::by_profile(state, transport, &granted, context.now))
}

/// `POST /auth/logout`.
///
/// A token in the body is explicit and ends only its session. Browsers send the cookie
/// automatically, so next to a cookie the session of a bearer token ends too: after a logout, the
/// user must not stay logged in through the other token.
#[cfg_attr(feature = "documents", utoipa::path(
    post, path = "/auth/logout", tag = schema::SESSIONS, summary = "End the session",
    description = "The session of the refresh token in the body, otherwise of the cookie and of the access token.",
    request_body = schema::LogOut,
    responses((status = 204, description = "The session has ended, now or earlier.", headers(("Set-Cookie" = String, description = "For a client with the transport `cookie`: clears the cookie.")))),
    security((), ("refresh_cookie" = []), ("access_token" = [])),
    extensions(("x-errors" = json!(errors![InvalidRequest, InvalidToken, CrossSite]))),
))]
pub(super) async fn log_out(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let context = state.context();
    let mut fields = Fields::read(&request, payload).await?;
    let form_has_token = fields.has(bearer::FIELD);
    let in_body = fields.optional("refresh_token");
    let in_body = in_body.map(|text| state.refresh_token(&context, text));
    fields.finish()?;
    let mut response = response::no_content();
    if let Some(token) = in_body {
        state.sessions.log_out(&context, token.expose()).await?;
        let checked = state.sessions.check_refresh(&context, token.expose()).ok();
        let client = checked.and_then(|token| token.profile());
        state.clear_cookie_of(client, &request, &mut response);
        return Ok(response);
    }
    let in_cookie = match cookie(&request, &state, &context) {
        Ok(token) => token,
        Err(response) => return Ok(*response),
    };
    let bearer = bearer::access_token(&request, form_has_token)?;
    if in_cookie.is_none() && bearer.is_none() {
        return Err(missing("refresh_token"));
    }
    if let Some(token) = &in_cookie {
        state.sessions.log_out(&context, token.expose()).await?;
        state.cookie.clear(&mut response);
    }
    if let Some(token) = bearer {
        match state.sessions.log_out_bearer(&context, token.expose()).await {
            Err(AuthError::Token(_) | AuthError::SessionOver) if in_cookie.is_some() => {}
            outcome => outcome?,
        }
        if let (None, Ok(claims)) = (in_cookie, context.check_access(token.expose())) {
            let client = context.client(&claims.client_id);
            state.clear_cookie_of(client, &request, &mut response);
        }
    }
    Ok(response)
}

/// `POST /auth/logout-all`.
#[cfg_attr(feature = "documents", utoipa::path(
    post, path = "/auth/logout-all", tag = schema::SESSIONS, summary = "End all sessions of the account",
    responses((status = 200, description = "All sessions have ended, the caller's own included.",
            body = response::Revoked, headers(("Set-Cookie" = String, description = "For a client with the transport `cookie`: clears the cookie."))),
        (status = 202, description = "Some sessions have ended; the others end in the background.",
            body = response::Revoked, headers(("Set-Cookie" = String, description = "For a client with the transport `cookie`: clears the cookie.")))),
    security(("access_token" = [])),
    extensions(("x-errors" = json!(errors![InvalidRequest, UnsupportedMediaType, PayloadTooLarge]))),
))]
pub(super) async fn log_out_all(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let (context, fields, caller) = called(&request, payload, &state).await?;
    fields.finish()?;
    let Session { subject, id: own, .. } = &caller.session;
    let all = EndReason::LogoutAll;
    // The caller's own session ends last, so that a repeat of the call is still authenticated.
    let mut ended = state.sessions.end_all(&context, subject, Some(own), all).await?;
    if !ended.remaining {
        match state.sessions.end(&context, own, all).await {
            Ok(()) => ended.revoked += 1,
            Err(error) if ended.revoked == 0 => return Err(error.into()),
            Err(_) => ended.remaining = true,
        }
    }
    let mut response = if ended.remaining {
        end_rest(&state, context.clone(), subject.clone(), Own::Last(*own), all);
        response::accepted(&ended)
    } else {
        response::private(&response::Revoked::from(&ended))
    };
    state.clear_cookie_of(context.client(&caller.session.client), &request, &mut response);
    Ok(response)
}

/// The token in the cookie, if its page may use it.
///
/// Browsers send every cookie of the name. Only tokens of this issuer count, so that no other host
/// can lock a user out by planting a cookie. If there is none, the token is an invalid one.
///
/// # Errors
/// The response: 403 for a page of another origin, or 400 for tokens of different sessions, which
/// also deletes the cookies.
fn cookie(
    request: &HttpRequest,
    state: &State,
    context: &RequestContext,
) -> Result<Option<RefreshToken>, Box<HttpResponse>> {
    let sent = state.cookie.read(request.headers());
    if sent.is_empty() {
        return Ok(None);
    }
    state.origins.check(request.headers()).map_err(|problem| Box::new(problem.response()))?;
    let claims_of = |token: &RefreshToken| {
        let checked = state.sessions.check_refresh(context, token.expose()).ok();
        checked.map(|checked| (checked.claims().sid, checked.claims().generation))
    };
    let mut valid: Vec<_> = sent.iter().filter_map(|it| Some((claims_of(it)?, it))).collect();
    // Of one session, the last token is the live one.
    valid.sort_by_key(|(claims, _)| *claims);
    match (valid.first(), valid.last()) {
        (Some(((first, _), _)), Some(((last, _), _))) if first != last => {
            let detail = "The request has refresh cookies of different sessions. Log in again.";
            let mut response = Problem::new(ErrorCode::InvalidRequest, detail).response();
            state.cookie.clear_everywhere(&mut response, request.path());
            Err(Box::new(response))
        }
        (_, Some((_, token))) => Ok(Some((*token).clone())),
        _ => Ok(sent.into_iter().next()),
    }
}

fn invalid_retry_key() -> Problem {
    let error = FieldError::new("Idempotency-Key", "must be 1 to 255 visible ASCII characters");
    Problem::invalid_fields(vec![error])
}

fn missing(field: &str) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, "Some fields are missing or malformed.")
        .with_errors(vec![FieldError::new(field, "is missing")])
}
