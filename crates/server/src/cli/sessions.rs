//! `aquaware sessions`: which there are, and ending one.

use aquaware_core::id::SessionId;
use aquaware_core::session::Session;
use serde_json::{Value as Json, json};

use super::CommandError;
use super::accounts::unknown;
use super::arguments::SessionsCommand;
use super::dialogue::{Dialogue, failed, with_stores};
use super::table::Table;

/// Runs one of them.
pub(super) fn run(
    command: SessionsCommand,
    dialogue: &mut Dialogue<'_, '_>,
) -> Result<(), CommandError> {
    match command {
        SessionsCommand::List { account } => list(&account, dialogue),
        SessionsCommand::Revoke { id } => revoke(&id, dialogue),
    }
}

fn list(name: &str, dialogue: &mut Dialogue<'_, '_>) -> Result<(), CommandError> {
    let config = dialogue.config_with_stores()?;
    let sessions = with_stores(&config, async |stores, context| {
        let account = stores.accounts.named(name).await.map_err(failed)?;
        let account = account.ok_or_else(|| unknown(name))?;
        stores.sessions.list(&context, &account.id).await.map_err(failed)
    })?;
    let json = json!({ "sessions": sessions.iter().map(as_json).collect::<Vec<_>>() });
    dialogue.answer(&json, &list_text(&sessions))
}

fn revoke(id: &SessionId, dialogue: &mut Dialogue<'_, '_>) -> Result<(), CommandError> {
    let config = dialogue.config_with_stores()?;
    let (account, was_live) = with_stores(&config, async |stores, context| {
        let found = stores.session_store.find(id).await.map_err(failed)?;
        let session =
            found.ok_or_else(|| CommandError::Failed(format!("there is no session {id}")))?;
        let ended = stores.sessions.end_of(&context, &session.subject, id).await.map_err(failed)?;
        Ok((session.subject, ended))
    })?;
    let json = json!({ "id": id, "account": account.as_str(), "was_live": was_live });
    let text = if was_live { "ended" } else { "was over already:" };
    dialogue.answer(&json, &format!("{text} {id}"))
}

fn as_json(session: &Session) -> Json {
    json!({
        "id": session.id,
        "account": session.subject.as_str(),
        "client_id": session.client.as_str(),
        "scope": session.scope,
        "device_name": session.device.name,
        "ip": session.device.ip,
        "user_agent": session.device.user_agent,
        "created_at": session.created_at.to_rfc3339(),
        "last_used_at": session.last_used_at.to_rfc3339(),
        "expires_at": session.refresh_expiry().to_rfc3339(),
        "generation": session.generation,
        "claims": session.claims,
    })
}

fn list_text(sessions: &[Session]) -> String {
    if sessions.is_empty() {
        return "no live sessions".to_owned();
    }
    let mut table =
        Table::new(["ID", "CLIENT", "CREATED", "LAST USED", "EXPIRES", "FROM", "DEVICE"]);
    let told = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    for session in sessions {
        table.row([
            session.id.to_string(),
            session.client.to_string(),
            session.created_at.to_rfc3339(),
            session.last_used_at.to_rfc3339(),
            session.refresh_expiry().to_rfc3339(),
            told(&session.device.ip),
            told(&session.device.name),
        ]);
    }
    table.text(0)
}
