//! The token response of logins, refreshes and client credentials.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderValue};
use aquaware_core::policy::Transport;
use aquaware_core::service::{ClientToken, Granted, GrantedRefresh, TokenResponse};
use aquaware_core::time::Timestamp;

use crate::state::State;

fn respond(body: &TokenResponse<'_>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::PRAGMA, "no-cache"))
        .json(body)
}

/// The tokens of a session, in the body.
fn in_body(granted: &Granted, now: Timestamp) -> HttpResponse {
    respond(&granted.response(now))
}

/// The tokens of a session, for OAuth clients.
pub(crate) fn for_oauth(granted: &Granted, now: Timestamp) -> HttpResponse {
    respond(&granted.oauth_response(now))
}

/// The tokens of a session, with the refresh token in the body or in a cookie.
pub(crate) fn by_profile(
    state: &State,
    transport: Transport,
    granted: &Granted,
    now: Timestamp,
) -> HttpResponse {
    if transport == Transport::Body {
        return in_body(granted, now);
    }
    let mut response = respond(&granted.response(now).without_refresh_token());
    if let Some(cookie) = granted.refresh.as_ref().and_then(|it| cookie(state, it, now)) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

fn cookie(state: &State, refresh: &GrantedRefresh, now: Timestamp) -> Option<HeaderValue> {
    let lifetime = Duration::from_secs(refresh.expires_at.seconds_after(now));
    state.cookie.set(&refresh.token, lifetime)
}

/// The access token of a client that acts on its own behalf.
pub(crate) fn for_client(token: &ClientToken, now: Timestamp) -> HttpResponse {
    respond(&token.response(now))
}
