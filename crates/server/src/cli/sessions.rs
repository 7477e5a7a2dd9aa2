//! `aquaware sessions`: lists and revokes sessions.

use aquaware_core::id::SessionId;
use aquaware_core::session::Session;
use serde_json::{Value as Json, json};

use super::accounts::unknown;
use super::arguments::SessionsCommand;
use super::context::{Context, failed, with_stores};
use super::error::CommandError;
use super::table::Table;

/// Runs the command.
pub(super) fn run(
    command: SessionsCommand,
    context: &mut Context<'_, '_>,
) -> Result<(), CommandError> {
    match command {
        SessionsCommand::List { account } => list(&account, context),
        SessionsCommand::Revoke { id } => revoke(&id, context),
    }
}

fn list(name: &str, context: &mut Context<'_, '_>) -> Result<(), CommandError> {
    let config = context.config_with_stores()?;
    let sessions = with_stores(&config, async |stores, request| {
        let account = stores.accounts.find(name).await.map_err(failed)?;
        let account = account.ok_or_else(|| unknown(name))?;
        stores.sessions.list(&request, &account.id).await.map_err(failed)
    })?;
    let json = json!({ "sessions": sessions.iter().map(as_json).collect::<Vec<_>>() });
    if sessions.is_empty() {
        return context.print(&json, &format!("no live sessions in {}", config.store.sessions));
    }
    context.print(&json, &list_text(&sessions))
}

fn revoke(id: &SessionId, context: &mut Context<'_, '_>) -> Result<(), CommandError> {
    let config = context.config_with_stores()?;
    let (account, was_live) = with_stores(&config, async |stores, request| {
        let found = stores.session_store.find(id).await.map_err(failed)?;
        let session =
            found.ok_or_else(|| CommandError::Failed(format!("there is no session {id}")))?;
        let ended = stores.sessions.end_of(&request, &session.subject, id).await.map_err(failed)?;
        Ok((session.subject, ended))
    })?;
    let json = json!({ "id": id, "account": account.as_str(), "was_live": was_live });
    let text = if was_live { "has ended" } else { "had already ended" };
    context.print(&json, &format!("session {id} {text}"))
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
    let mut table =
        Table::new(["ID", "CLIENT", "CREATED", "LAST USED", "EXPIRES", "FROM", "DEVICE"]);
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    for session in sessions {
        table.row([
            session.id.to_string(),
            session.client.to_string(),
            session.created_at.to_rfc3339(),
            session.last_used_at.to_rfc3339(),
            session.refresh_expiry().to_rfc3339(),
            or_dash(&session.device.ip),
            or_dash(&session.device.name),
        ]);
    }
    table.text(0)
}
