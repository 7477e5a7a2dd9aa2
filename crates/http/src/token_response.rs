//! The token response of logins, refreshes and client credentials.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderValue};
use aquaware_core::claims::Scope;
use aquaware_core::policy::Transport;
use aquaware_core::secret::AccessToken;
use aquaware_core::service::{ClientToken, Granted, GrantedRefresh};
use aquaware_core::time::Timestamp;
use serde::Serialize;

use crate::state::State;

/// The body (RFC 6749 §5.1). It borrows the tokens, which are overwritten when dropped.
#[derive(Serialize)]
struct TokenResponse<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_expires_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

impl<'a> TokenResponse<'a> {
    fn new(access: &'a AccessToken, expires_at: Timestamp, scope: &Scope, now: Timestamp) -> Self {
        Self {
            access_token: access.expose(),
            token_type: "Bearer",
            expires_in: expires_at.seconds_after(now),
            refresh_token: None,
            refresh_expires_in: None,
            session_id: None,
            scope: (!scope.is_empty()).then(|| scope.to_string()),
        }
    }

    fn of_session(granted: &'a Granted, now: Timestamp) -> Self {
        let Granted { access, access_expires_at, scope, session, .. } = granted;
        let plain = Self::new(access, *access_expires_at, scope, now);
        Self { session_id: Some(session.id.to_string()), ..plain }
    }

    fn with_refresh(self, refresh: Option<&'a GrantedRefresh>, now: Timestamp) -> Self {
        Self {
            refresh_token: refresh.map(|refresh| refresh.token.expose()),
            refresh_expires_in: refresh.map(|refresh| refresh.expires_at.seconds_after(now)),
            ..self
        }
    }

    fn response(&self) -> HttpResponse {
        HttpResponse::Ok()
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::PRAGMA, "no-cache"))
            .json(self)
    }
}

/// The tokens of a session, in the body.
pub(crate) fn in_body(granted: &Granted, now: Timestamp) -> HttpResponse {
    let refresh = granted.refresh.as_ref();
    TokenResponse::of_session(granted, now).with_refresh(refresh, now).response()
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
    let mut response = TokenResponse::of_session(granted, now).response();
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
    TokenResponse::new(&token.access, token.expires_at, &token.scope, now).response()
}
