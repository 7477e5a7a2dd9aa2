//! The bodies of answers, field by field as the contract names them.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header;
use aquaware_core::account::Account;
use aquaware_core::policy::Transport;
use aquaware_core::service::Granted;
use aquaware_core::session::{ExtraClaims, Session};
use aquaware_core::time::Timestamp;
use serde::Serialize;

use crate::http::state::State;

/// The *token answer*. Borrows the tokens, which overwrite themselves when dropped.
#[derive(Serialize)]
struct TokenAnswer<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_expires_in: Option<u64>,
    session_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

/// Answers with what was granted: the refresh token in the body or in a cookie, as the client's
/// profile has it.
pub(super) fn tokens(state: &State, granted: &Granted, now: Timestamp) -> HttpResponse {
    let authority = state.sessions.authority();
    let profile = authority.policy().client(&granted.session.client);
    let by_cookie = profile.is_some_and(|profile| profile.transport == Transport::Cookie);
    let refresh = granted.refresh.as_ref();
    let in_body = refresh.filter(|_| !by_cookie);
    let in_cookie = refresh.filter(|_| by_cookie).and_then(|refresh| {
        let life = Duration::from_secs(refresh.expires_at.seconds_after(now));
        state.cookie.set(&refresh.token, life)
    });
    let scope = &granted.session.scope;
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::PRAGMA, "no-cache"));
    if let Some(cookie) = in_cookie {
        response.insert_header((header::SET_COOKIE, cookie));
    }
    response.json(TokenAnswer {
        access_token: granted.access.expose(),
        token_type: "Bearer",
        expires_in: granted.access_expires_at.seconds_after(now),
        refresh_token: in_body.map(|refresh| refresh.token.expose()),
        refresh_expires_in: in_body.map(|refresh| refresh.expires_at.seconds_after(now)),
        session_id: granted.session.id.to_string(),
        scope: (!scope.is_empty()).then(|| scope.to_string()),
    })
}

/// What a new account is answered with.
#[derive(Serialize)]
pub(super) struct NewAccount<'a> {
    id: &'a str,
    email: &'a str,
    first_name: Option<&'a str>,
    last_name: Option<&'a str>,
    created_at: String,
}

impl<'a> From<&'a Account> for NewAccount<'a> {
    fn from(account: &'a Account) -> Self {
        Self {
            id: account.id.as_str(),
            email: &account.email,
            first_name: account.first_name.as_deref(),
            last_name: account.last_name.as_deref(),
            created_at: account.created_at.to_rfc3339(),
        }
    }
}

/// The caller's own account, through the session at hand.
#[derive(Serialize)]
pub(super) struct Me<'a> {
    #[serde(flatten)]
    pub(super) account: NewAccount<'a>,
    pub(super) session_id: String,
    pub(super) claims: &'a ExtraClaims,
}

/// One line of the list of sessions.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    id: String,
    client_id: &'a str,
    device_name: Option<&'a str>,
    ip: Option<&'a str>,
    user_agent: Option<&'a str>,
    created_at: String,
    last_used_at: String,
    expires_at: String,
    current: bool,
}

impl<'a> Line<'a> {
    /// The line of `session`, in a list asked for by `current`.
    pub(super) fn new(session: &'a Session, current: &Session) -> Self {
        Self {
            id: session.id.to_string(),
            client_id: session.client.as_str(),
            device_name: session.device.name.as_deref(),
            ip: session.device.ip.as_deref(),
            user_agent: session.device.user_agent.as_deref(),
            created_at: session.created_at.to_rfc3339(),
            last_used_at: session.last_used_at.to_rfc3339(),
            expires_at: session.refresh_expiry().to_rfc3339(),
            current: session.id == current.id,
        }
    }
}

/// The list of sessions.
#[derive(Serialize)]
pub(super) struct Lines<'a> {
    pub(super) sessions: Vec<Line<'a>>,
}

/// How many sessions ended.
#[derive(Serialize)]
pub(super) struct Revoked {
    pub(super) revoked: usize,
}

/// A body about an account or its sessions, for nobody else and not to be kept.
pub(super) fn private<T: Serialize>(body: &T) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(body)
}

/// Done, and nothing to say.
pub(super) fn nothing() -> HttpResponse {
    HttpResponse::NoContent().insert_header((header::CACHE_CONTROL, "no-store")).finish()
}
