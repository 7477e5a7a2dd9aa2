//! `aquaware sessions`: lists and revokes sessions.

use aquaware_core::id::SessionId;
use aquaware_core::session::{EndReason, Session};
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value as Json, json};

use super::accounts::{PAGE_SIZE, unknown};
use super::arguments::SessionsCommand;
use super::context::{Context, failed, with_stores};
use super::error::CommandError;
use super::progress::Progress;
use super::table::Table;

/// The number of accounts whose sessions are ended at once.
const CONCURRENT_ENDS: usize = 32;

/// Runs the command.
pub(super) fn run(
    command: SessionsCommand,
    context: &mut Context<'_, '_>,
) -> Result<(), CommandError> {
    match command {
        SessionsCommand::List { account } => list(&account, context),
        SessionsCommand::Revoke { id: Some(id), .. } => revoke(&id, context),
        SessionsCommand::Revoke { account: Some(account), .. } => revoke_of(&account, context),
        // The arguments require one of the three.
        SessionsCommand::Revoke { yes, .. } => revoke_all(yes, context),
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

fn revoke_of(name: &str, context: &mut Context<'_, '_>) -> Result<(), CommandError> {
    let config = context.config_with_stores()?;
    let (account, revoked) = with_stores(&config, async |stores, request| {
        let account = stores.accounts.find(name).await.map_err(failed)?;
        let account = account.ok_or_else(|| unknown(name))?;
        let _progress = Progress::spinner("ending the sessions");
        let ended = stores.sessions.end_all(&request, &account.id, None, EndReason::Revoked).await;
        Ok((account, ended.map_err(failed)?.revoked))
    })?;
    let json = json!({ "account": account.id.as_str(), "revoked": revoked });
    context.print(&json, &format!("ended {revoked} sessions of {}", account.email))
}

fn revoke_all(yes: bool, context: &mut Context<'_, '_>) -> Result<(), CommandError> {
    let config = context.config_with_stores()?;
    context.confirm("this ends every session of every account", yes)?;
    let (accounts, revoked) = with_stores(&config, async |stores, request| {
        let progress = Progress::spinner("ending the sessions");
        let (mut accounts, mut revoked, mut after) = (0, 0, None);
        loop {
            let page = stores.accounts.list(after.as_ref(), PAGE_SIZE).await.map_err(failed)?;
            let Some(last) = page.last() else { return Ok((accounts, revoked)) };
            after = Some(last.login.clone());
            accounts += page.len();
            let (sessions, request) = (&stores.sessions, &request);
            let mut ends = stream::iter(page)
                .map(async |account| {
                    sessions.end_all(request, &account.id, None, EndReason::Revoked).await
                })
                .buffer_unordered(CONCURRENT_ENDS);
            while let Some(ended) = ends.next().await {
                revoked += ended.map_err(failed)?.revoked;
            }
            progress.set_message(format!("ended {revoked} sessions of {accounts} accounts"));
        }
    })?;
    let json = json!({ "accounts": accounts, "revoked": revoked });
    context.print(&json, &format!("ended {revoked} sessions of {accounts} accounts"))
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
