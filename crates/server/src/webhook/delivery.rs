//! Delivers entries of the outbox to the webhook.

use std::fmt;
use std::sync::Arc;

use aquaware_core::error_chain;
use aquaware_core::outbox::OutboxEntry;
use aquaware_http::Channel;
use async_trait::async_trait;
use zeroize::Zeroizing;

use super::client::{Message, WebhookClient};
use crate::outbox::{Attempt, Deliver};

/// Makes the `data` of a message from its entry, when it is delivered. This is where a token is
/// signed, because no entry contains one.
#[async_trait]
pub(crate) trait Render: Send + Sync + fmt::Debug {
    /// The data in JSON; `None` if there is nothing to send any more.
    ///
    /// # Errors
    /// Why it cannot be made now.
    async fn render(&self, entry: &OutboxEntry) -> Result<Option<Zeroizing<String>>, String>;
}

/// Sends entries as webhook messages.
#[derive(Debug)]
pub(crate) struct WebhookDelivery {
    client: WebhookClient,
    render: Arc<dyn Render>,
}

impl WebhookDelivery {
    pub(crate) fn new(client: WebhookClient, render: Arc<dyn Render>) -> Self {
        Self { client, render }
    }
}

#[async_trait]
impl Deliver for WebhookDelivery {
    fn channel(&self, _: &OutboxEntry) -> Channel {
        Channel::Webhook
    }

    async fn deliver(&self, entry: &OutboxEntry) -> Attempt {
        let data = match self.render.render(entry).await {
            Ok(Some(data)) => data,
            Ok(None) => return Attempt::Discarded,
            Err(cause) => return Attempt::Failed(cause),
        };
        let message = Message::new(&entry.kind, entry.created_at, &data);
        match self.client.send(&entry.id.to_string(), &message).await {
            Ok(_) => Attempt::Delivered,
            Err(error) => Attempt::Failed(error_chain(&error)),
        }
    }
}
