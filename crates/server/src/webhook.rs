//! Webhook messages as Standard Webhooks 1.0 defines them: signed, one POST each, to one receiver.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

mod client;
mod delivery;
mod secret;

pub(crate) use self::client::{Message, WebhookClient, WebhookError, webhook_url};
pub(crate) use self::delivery::{Render, WebhookDelivery};
pub(crate) use self::secret::SigningSecret;
