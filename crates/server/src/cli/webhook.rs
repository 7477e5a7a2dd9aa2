//! `aquaware webhook`: sends a test message.

use std::time::Instant;

use aquaware_core::outbox::EntryId;
use aquaware_core::random::SystemRandom;
use aquaware_core::time::{Clock as _, SystemClock};
use serde_json::json;

use super::arguments::WebhookCommand;
use super::context::{Context, failed};
use super::error::CommandError;
use super::progress::Progress;
use crate::compose::webhook_client;
use crate::webhook::Message;

/// The type of the message. No event has this name.
const TEST_TYPE: &str = "webhook_test";

/// Runs a webhook command.
pub(super) fn run(
    command: WebhookCommand,
    context: &mut Context<'_, '_>,
) -> Result<(), CommandError> {
    match command {
        WebhookCommand::Test => test(context),
    }
}

fn test(context: &mut Context<'_, '_>) -> Result<(), CommandError> {
    let Some(webhook) = context.config()?.webhook else {
        return Err(CommandError::Usage("webhook.url is not set".to_owned()));
    };
    let client = webhook_client(&webhook).map_err(failed)?;
    let now = SystemClock.now();
    let id = EntryId::new(now, &SystemRandom).to_string();
    let message = Message::new(TEST_TYPE, now, "{}");
    let started = Instant::now();
    let progress = Progress::spinner("waiting for the receiver");
    let sent = actix_web::rt::System::new().block_on(client.send(&id, &message));
    drop(progress);
    let status = sent.map_err(failed)?;
    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    context.print(
        &json!({ "id": id, "status": status, "milliseconds": milliseconds }),
        &format!("The receiver answered {status} after {milliseconds} ms to message {id}."),
    )
}
