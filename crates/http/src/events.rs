//! Events: what happened to an account, a session or a key. Each is a log line with the target
//! [`EVENT_TARGET`], and an entry of the outbox if a webhook wants it. Their fields are ids, reasons
//! and masked networks, never an address, a token or a password.
//!
//! docs/operations.md lists all of them.

mod kind;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use aquaware_core::claims::RefreshClaims;
use aquaware_core::error_chain;
use aquaware_core::id::{ClientId, KeyId, Subject};
use aquaware_core::origin::Origin;
use aquaware_core::outbox::OutboxEntry;
use aquaware_core::random::SystemRandom;
use aquaware_core::session::{EndReason, Session};
use aquaware_core::store::Outbox;
use aquaware_core::time::{Clock as _, SystemClock};
use futures_util::stream::{self, StreamExt as _};
use serde::Serialize;
use tokio::time::timeout;

pub use self::kind::{EventKind, UnknownEventError};
use crate::metrics::{Channel, DeliveryOutcome, Metrics};

/// The `tracing` target of events. The server logs events whatever its log level is.
pub const EVENT_TARGET: &str = "aquaware::event";

/// How many entries of the outbox are written at once, when many sessions end.
const CONCURRENT_APPENDS: usize = 32;

/// Something that happened. Serialized, it is the `data` of a webhook message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    #[serde(skip)]
    kind: EventKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_network: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeat_network: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
}

impl Event {
    const fn new(kind: EventKind) -> Self {
        Self {
            kind,
            account_id: None,
            session_id: None,
            client_id: None,
            reason: None,
            first_network: None,
            repeat_network: None,
            token_type: None,
            key_id: None,
        }
    }

    /// A change of an account that needs no further explanation.
    pub(crate) fn of_account(kind: EventKind, account: &Subject) -> Self {
        Self { account_id: Some(account.to_string()), ..Self::new(kind) }
    }

    fn of_session(
        kind: EventKind,
        account: impl Display,
        session: impl Display,
        client: &ClientId,
    ) -> Self {
        Self {
            account_id: Some(account.to_string()),
            session_id: Some(session.to_string()),
            client_id: Some(client.to_string()),
            ..Self::new(kind)
        }
    }

    pub(crate) fn login_succeeded(session: &Session) -> Self {
        let Session { subject, id, client, .. } = session;
        Self::of_session(EventKind::LoginSucceeded, subject, id, client)
    }

    /// Without an account: the login may belong to none.
    pub(crate) fn login_failed(client: &ClientId, reason: &'static str) -> Self {
        let client_id = Some(client.to_string());
        Self { client_id, reason: Some(reason), ..Self::new(EventKind::LoginFailed) }
    }

    /// `account` is `None` if no account has the login.
    pub(crate) fn account_locked(account: Option<&Subject>) -> Self {
        let account_id = account.map(ToString::to_string);
        let reason = Some("failed_logins");
        Self { account_id, reason, ..Self::new(EventKind::AccountLocked) }
    }

    pub(crate) fn session_ended(session: &Session, reason: EndReason) -> Self {
        let Session { subject, id, client, .. } = session;
        let event = Self::of_session(EventKind::SessionEnded, subject, id, client);
        Self { reason: Some(reason.as_str()), ..event }
    }

    pub(crate) fn refresh_token_reused(claims: &RefreshClaims) -> Self {
        let RefreshClaims { sub, sid, client_id, .. } = claims;
        Self::of_session(EventKind::RefreshTokenReused, sub, sid, client_id)
    }

    /// The networks are masked to /24 and /48, whatever is stored.
    pub(crate) fn refresh_repeated_elsewhere(
        session: &Session,
        first: &Origin,
        repeat: &Origin,
    ) -> Self {
        let network = |origin: &Origin| origin.network.map(|network| network.masked().to_string());
        let Session { subject, id, client, .. } = session;
        let event = Self::of_session(EventKind::RefreshRepeatedElsewhere, subject, id, client);
        Self { first_network: network(first), repeat_network: network(repeat), ..event }
    }

    /// A key began to sign tokens of this type.
    #[must_use]
    pub fn key_rotated(token_type: &'static str, key: Option<&KeyId>) -> Self {
        let key_id = key.map(ToString::to_string);
        Self { token_type: Some(token_type), key_id, ..Self::new(EventKind::KeyRotated) }
    }

    fn log(&self) {
        macro_rules! log {
            ($level:ident) => {
                tracing::$level!(
                    target: EVENT_TARGET,
                    event = self.kind.as_str(),
                    account_id = self.account_id,
                    session_id = self.session_id,
                    client_id = self.client_id,
                    reason = self.reason,
                    first_network = self.first_network,
                    repeat_network = self.repeat_network,
                    token_type = self.token_type,
                    key_id = self.key_id,
                    "{}",
                    self.kind.message()
                )
            };
        }
        if self.kind.is_warning() { log!(warn) } else { log!(info) }
    }

    /// The entry of the outbox. Events of one account stay in order; the others need none.
    fn entry(&self) -> Option<OutboxEntry> {
        let data = serde_json::to_string(self).ok()?;
        let (now, kind) = (SystemClock.now(), self.kind.as_str());
        let mut entry = OutboxEntry::new("", kind, data, now, &SystemRandom);
        entry.queue = self.account_id.clone().unwrap_or_else(|| entry.id.to_string());
        Some(entry)
    }
}

/// Where events go: to the log, and to the outbox if there is a webhook.
#[derive(Clone, Debug, Default)]
pub struct Events {
    webhook: Option<Webhook>,
}

#[derive(Clone, Debug)]
struct Webhook {
    outbox: Arc<dyn Outbox>,
    kinds: BTreeSet<EventKind>,
    metrics: Arc<Metrics>,
    /// How long a request waits for the outbox.
    patience: Duration,
}

impl Events {
    /// Events that are logged, and appended to `outbox` if they are of one of these kinds. A request
    /// waits up to `patience` for that, and is answered in any case; what is slower is appended later.
    #[must_use]
    pub fn for_webhook(
        outbox: Arc<dyn Outbox>,
        kinds: BTreeSet<EventKind>,
        metrics: Arc<Metrics>,
        patience: Duration,
    ) -> Self {
        Self { webhook: Some(Webhook { outbox, kinds, metrics, patience }) }
    }

    /// Logs an event, and returns when it is in the outbox. If it cannot be written there, the
    /// failure is logged and counted: what the event reports has happened all the same, and its
    /// request must not fail.
    pub async fn emit(&self, event: Event) {
        self.emit_all(vec![event]).await;
    }

    /// As [`Self::emit`], for many events.
    pub(crate) async fn emit_all(&self, events: Vec<Event>) {
        events.iter().for_each(Event::log);
        let Some(webhook) = &self.webhook else { return };
        let wanted = events.iter().filter(|event| webhook.kinds.contains(&event.kind));
        let entries: Vec<OutboxEntry> = wanted.filter_map(Event::entry).collect();
        if entries.is_empty() {
            return;
        }
        // A task of its own finishes even if the client hangs up and its request is dropped.
        let (webhook, patience) = (webhook.clone(), webhook.patience);
        let task = tokio::spawn(async move {
            let appends = stream::iter(entries).map(|entry| webhook.clone().append(entry));
            appends.buffer_unordered(CONCURRENT_APPENDS).collect::<()>().await;
        });
        match timeout(patience, task).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => tracing::error!("writing to the outbox panicked; this is a bug"),
            Err(_) => tracing::warn!("the outbox is slow: a request was answered before its event"),
        }
    }
}

impl Webhook {
    async fn append(self, entry: OutboxEntry) {
        if let Err(error) = self.outbox.append(&entry).await {
            self.metrics.delivery(Channel::Webhook, DeliveryOutcome::NotStored);
            tracing::warn!(
                cause = error_chain(&error),
                kind = entry.kind,
                "an event could not be written to the outbox: the webhook may not get it"
            );
        }
    }
}

#[cfg(test)]
mod tests;
