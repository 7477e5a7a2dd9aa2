//! Delivers the entries of the outbox: messages to users by mail or by the webhook, events by the
//! webhook. The token of a message is signed here, when it leaves.

use std::sync::Arc;

use aquaware_core::error_chain;
use aquaware_core::message::MessageTopic;
use aquaware_core::outbox::OutboxEntry;
use aquaware_core::service::{Accounts, Message, Sessions};
use aquaware_core::time::{Clock as _, SystemClock};
use aquaware_http::Channel;
use async_trait::async_trait;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::mail::Mailer;
use crate::outbox::{Attempt, Deliver};
use crate::webhook::{Render, WebhookDelivery};

/// The messages of outbox entries.
#[derive(Clone, Debug)]
pub(crate) struct Messages {
    sessions: Arc<Sessions>,
    accounts: Arc<Accounts>,
}

impl Messages {
    /// The messages of these accounts.
    pub(crate) const fn new(sessions: Arc<Sessions>, accounts: Arc<Accounts>) -> Self {
        Self { sessions, accounts }
    }

    /// The message of an entry; `None` if there is nothing to send any more.
    async fn of(&self, entry: &OutboxEntry) -> Result<Option<Message>, String> {
        let context = self.sessions.context(SystemClock.now()).in_background();
        let message = self.accounts.message(&context, entry).await;
        message.map_err(|error| error_chain(&error))
    }
}

/// The `data` of webhook messages.
#[async_trait]
impl Render for Messages {
    async fn render(&self, entry: &OutboxEntry) -> Result<Option<Zeroizing<String>>, String> {
        if MessageTopic::of_kind(&entry.kind).is_none() {
            return Ok(Some(Zeroizing::new(entry.payload.clone())));
        }
        Ok(self.of(entry).await?.as_ref().and_then(data))
    }
}

/// The data of a message in JSON. `None` for a notice: the application is told of a requested change
/// by the message with the token.
fn data(message: &Message) -> Option<Zeroizing<String>> {
    let (token, expires_at) = message.token.as_ref()?;
    let text = |text: &str| Value::from(text).to_string();
    let account = &message.account;
    // The token consists of letters, digits, "-", "_" and ".".
    Some(Zeroizing::new(format!(
        r#"{{"account_id":{},"email":{},"current_email":{},"token":"{}","expires_at":{}}}"#,
        text(account.id.as_str()),
        text(&message.to),
        text(&account.email),
        token.expose(),
        text(&expires_at.to_rfc3339()),
    )))
}

/// Delivers entries where they belong.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) messages: Messages,
    pub(crate) mailer: Option<Mailer>,
    pub(crate) webhook: Option<WebhookDelivery>,
}

impl Delivery {
    /// The mailer, if the entry is a message to a user.
    fn mailer(&self, entry: &OutboxEntry) -> Option<&Mailer> {
        self.mailer.as_ref().filter(|_| MessageTopic::of_kind(&entry.kind).is_some())
    }
}

#[async_trait]
impl Deliver for Delivery {
    fn channel(&self, entry: &OutboxEntry) -> Channel {
        self.mailer(entry).map_or(Channel::Webhook, |_| Channel::Mail)
    }

    async fn deliver(&self, entry: &OutboxEntry) -> Attempt {
        match (self.mailer(entry), &self.webhook) {
            (Some(mailer), _) => match self.messages.of(entry).await {
                Ok(Some(message)) => mailer.send(&message).await,
                Ok(None) => Attempt::Discarded,
                Err(cause) => Attempt::Failed(cause),
            },
            (_, Some(webhook)) => webhook.deliver(entry).await,
            // The settings have changed since it was written.
            _ => Attempt::Discarded,
        }
    }
}
