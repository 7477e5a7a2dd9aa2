//! The bodies of responses, with the field names of the contract.

use actix_web::HttpResponse;
use actix_web::http::header;
use aquaware_core::account::Account;
use aquaware_core::service::{EndedSessions, SessionView};
use aquaware_core::session::ExtraClaims;
use serde::Serialize;

/// A new account.
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

/// The caller's account and current session.
#[derive(Serialize)]
pub(super) struct Me<'a> {
    #[serde(flatten)]
    pub(super) account: NewAccount<'a>,
    pub(super) session_id: String,
    pub(super) claims: &'a ExtraClaims,
}

/// A session in the list.
#[derive(Serialize)]
pub(super) struct SessionItem<'a> {
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

impl<'a> From<&'a SessionView> for SessionItem<'a> {
    fn from(view: &'a SessionView) -> Self {
        Self {
            id: view.id.to_string(),
            client_id: view.client.as_str(),
            device_name: view.device.name.as_deref(),
            ip: view.device.ip.as_deref(),
            user_agent: view.device.user_agent.as_deref(),
            created_at: view.created_at.to_rfc3339(),
            last_used_at: view.last_used_at.to_rfc3339(),
            expires_at: view.expires_at.to_rfc3339(),
            current: view.current,
        }
    }
}

/// A page of the list of sessions.
#[derive(Serialize)]
pub(super) struct SessionList<'a> {
    pub(super) sessions: Vec<SessionItem<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

/// The number of revoked sessions.
#[derive(Serialize)]
pub(super) struct Revoked {
    pub(super) revoked: usize,
    /// `true` if others are still to be ended.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    remaining: bool,
}

impl From<&EndedSessions> for Revoked {
    fn from(ended: &EndedSessions) -> Self {
        Self { revoked: ended.revoked, remaining: ended.remaining }
    }
}

/// A 202: the rest of the sessions ends in the background.
pub(super) fn accepted(ended: &EndedSessions) -> HttpResponse {
    let no_store = (header::CACHE_CONTROL, "no-store");
    HttpResponse::Accepted().insert_header(no_store).json(Revoked::from(ended))
}

/// A private response, which must not be cached.
pub(super) fn private<T: Serialize>(body: &T) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(body)
}

/// A 204, which must not be cached.
pub(super) fn no_content() -> HttpResponse {
    HttpResponse::NoContent().insert_header((header::CACHE_CONTROL, "no-store")).finish()
}
