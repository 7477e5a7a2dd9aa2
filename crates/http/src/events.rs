//! Events for operators: what happened to an account or a session, as log lines with the target
//! [`EVENT_TARGET`]. Their fields are ids, reasons and masked networks, never an address,
//! a token or a password.
//!
//! docs/operations.md lists all of them.

use aquaware_core::claims::RefreshClaims;
use aquaware_core::id::{ClientId, Subject};
use aquaware_core::origin::Origin;
use aquaware_core::session::{EndReason, Session};

/// The `tracing` target of events. The server logs events whatever its log level is.
pub const EVENT_TARGET: &str = "aquaware::event";

pub(crate) fn login_succeeded(session: &Session) {
    tracing::info!(
        target: EVENT_TARGET,
        event = "login_succeeded",
        account_id = %session.subject,
        session_id = %session.id,
        client_id = %session.client,
        "logged in"
    );
}

/// Without an account: the login may belong to none.
pub(crate) fn login_failed(client: &ClientId, reason: &'static str) {
    tracing::info!(
        target: EVENT_TARGET,
        event = "login_failed",
        client_id = %client,
        reason,
        "login rejected"
    );
}

/// `account` is `None` if no account has the login.
pub(crate) fn account_locked(account: Option<&Subject>) {
    tracing::warn!(
        target: EVENT_TARGET,
        event = "account_locked",
        account_id = account.map(tracing::field::display),
        reason = "failed_logins",
        "account locked after too many wrong passwords"
    );
}

pub(crate) fn account_created(account: &Subject) {
    tracing::info!(
        target: EVENT_TARGET,
        event = "account_created",
        account_id = %account,
        "account created"
    );
}

pub(crate) fn account_disabled(account: &Subject) {
    tracing::info!(
        target: EVENT_TARGET,
        event = "account_disabled",
        account_id = %account,
        "account disabled"
    );
}

pub(crate) fn account_deleted(account: &Subject) {
    tracing::info!(
        target: EVENT_TARGET,
        event = "account_deleted",
        account_id = %account,
        "account deleted"
    );
}

pub(crate) fn password_changed(account: &Subject) {
    tracing::info!(
        target: EVENT_TARGET,
        event = "password_changed",
        account_id = %account,
        "password changed"
    );
}

pub(crate) fn email_verified(account: &Subject) {
    tracing::info!(
        target: EVENT_TARGET,
        event = "email_verified",
        account_id = %account,
        "e-mail address verified"
    );
}

pub(crate) fn session_ended(session: &Session, reason: EndReason) {
    tracing::info!(
        target: EVENT_TARGET,
        event = "session_ended",
        account_id = %session.subject,
        session_id = %session.id,
        client_id = %session.client,
        reason = reason.as_str(),
        "session ended"
    );
}

pub(crate) fn refresh_token_reused(claims: &RefreshClaims) {
    tracing::warn!(
        target: EVENT_TARGET,
        event = "refresh_token_reused",
        account_id = %claims.sub,
        session_id = %claims.sid,
        client_id = %claims.client_id,
        "refresh token reused: session ended"
    );
}

/// The networks are masked to /24 and /48, whatever is stored.
pub(crate) fn refresh_repeated_elsewhere(session: &Session, first: &Origin, repeat: &Origin) {
    let network = |origin: &Origin| origin.network.map(|network| network.masked().to_string());
    tracing::warn!(
        target: EVENT_TARGET,
        event = "refresh_repeated_elsewhere",
        account_id = %session.subject,
        session_id = %session.id,
        client_id = %session.client,
        first_network = network(first),
        repeat_network = network(repeat),
        "a refresh was repeated from another network or user agent"
    );
}
