//! The bodies of responses, with the field names of the contract.

use actix_web::HttpResponse;
use actix_web::http::header;
use aquaware_core::account::Account;
use aquaware_core::service::{Caller, EndedSessions, SessionView};
use aquaware_core::session::ExtraClaims;
use serde::Serialize;

/// A new account.
#[derive(Serialize)]
#[cfg_attr(feature = "documents", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "documents", schema(as = Account))]
pub(super) struct NewAccount<'a> {
    #[cfg_attr(feature = "documents", schema(example = "52ef5b99-ba1f-4155-b704-f706a578e64d"))]
    id: &'a str,
    #[cfg_attr(feature = "documents", schema(example = "ann@example.com"))]
    email: &'a str,
    #[cfg_attr(feature = "documents", schema(required = true))]
    first_name: Option<&'a str>,
    #[cfg_attr(feature = "documents", schema(required = true))]
    last_name: Option<&'a str>,
    #[cfg_attr(feature = "documents", schema(format = "date-time"))]
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
#[cfg_attr(feature = "documents", derive(utoipa::ToSchema))]
pub(super) struct Me<'a> {
    #[serde(flatten)]
    account: NewAccount<'a>,
    /// When the address was verified; `null` if it is not.
    #[cfg_attr(feature = "documents", schema(required = true, format = "date-time"))]
    email_verified_at: Option<String>,
    #[cfg_attr(
        feature = "documents",
        schema(pattern = "^[A-Za-z0-9_-]{22}$", example = "pgfByQvECyoRTrftHjtwDA")
    )]
    session_id: String,
    /// The extra claims of the access tokens of the account.
    #[cfg_attr(feature = "documents", schema(value_type = Object))]
    claims: &'a ExtraClaims,
}

impl<'a> Me<'a> {
    pub(super) fn new(account: &'a Account, caller: &Caller) -> Self {
        Self {
            account: account.into(),
            email_verified_at: account.email_verified_at.map(|at| at.to_rfc3339()),
            session_id: caller.session.id.to_string(),
            claims: &account.claims,
        }
    }
}

/// A session in the list.
#[derive(Serialize)]
#[cfg_attr(feature = "documents", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "documents", schema(as = Session))]
pub(super) struct SessionItem<'a> {
    #[cfg_attr(
        feature = "documents",
        schema(pattern = "^[A-Za-z0-9_-]{22}$", example = "pgfByQvECyoRTrftHjtwDA")
    )]
    id: String,
    #[cfg_attr(feature = "documents", schema(example = "web"))]
    client_id: &'a str,
    #[cfg_attr(feature = "documents", schema(required = true))]
    device_name: Option<&'a str>,
    /// The address of the login, as the server records it: by default the network only.
    #[cfg_attr(feature = "documents", schema(required = true, example = "203.0.113.0/24"))]
    ip: Option<&'a str>,
    #[cfg_attr(feature = "documents", schema(required = true))]
    user_agent: Option<&'a str>,
    #[cfg_attr(feature = "documents", schema(format = "date-time"))]
    created_at: String,
    /// The last use that may be shown.
    #[cfg_attr(feature = "documents", schema(format = "date-time"))]
    last_used_at: String,
    #[cfg_attr(feature = "documents", schema(format = "date-time"))]
    expires_at: String,
    /// Whether this is the session of the access token.
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
#[cfg_attr(feature = "documents", derive(utoipa::ToSchema))]
pub(super) struct SessionList<'a> {
    pub(super) sessions: Vec<SessionItem<'a>>,
    /// The `cursor` of the next page; absent on the last one.
    #[cfg_attr(feature = "documents", schema(nullable = false))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

/// The number of revoked sessions.
#[derive(Serialize)]
#[cfg_attr(feature = "documents", derive(utoipa::ToSchema))]
pub(super) struct Revoked {
    pub(super) revoked: usize,
    /// `true` if others are still to be ended.
    #[cfg_attr(feature = "documents", schema(required = false))]
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

/// A 202 without a body: a message may be sent.
pub(super) fn requested() -> HttpResponse {
    HttpResponse::Accepted().insert_header((header::CACHE_CONTROL, "no-store")).finish()
}

/// A private response, which must not be cached.
pub(super) fn private<T: Serialize>(body: &T) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(body)
}

/// A 204, which must not be cached.
pub(super) fn no_content() -> HttpResponse {
    HttpResponse::NoContent().insert_header((header::CACHE_CONTROL, "no-store")).finish()
}
