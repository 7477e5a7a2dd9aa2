//! `aquaware token inspect`: explains a token, and why it would be accepted or rejected.
//!
//! The core checks the rules; this module presents the outcome. The signature is never printed, so
//! the output cannot be used as a token.

mod checks;
mod session;
mod view;

use aquaware_core::jwt::Algorithm;
use aquaware_core::jwt::{MAX_TOKEN_BYTES, TokenType, Unverified, inspect};
use aquaware_core::keys::missing;
use aquaware_core::random::SystemRandom;
use aquaware_core::service::Snapshot;
use aquaware_core::time::{Clock as _, SystemClock, Timestamp};
use aquaware_key_directory::LockedKeys;

use self::checks::{Check, check_offline};
use self::session::SessionState;
use super::arguments::TokenCommand;
use super::context::{Context, failed};
use super::error::CommandError;
use crate::compose;
use crate::config::Config;

/// Runs the command.
pub(super) fn run(
    command: TokenCommand,
    context: &mut Context<'_, '_>,
) -> Result<(), CommandError> {
    match command {
        TokenCommand::Inspect { misplaced } if misplaced.is_empty() => inspect_input(context),
        TokenCommand::Inspect { .. } => Err(CommandError::Usage(
            "a token must be read from standard input, because every user of this machine can see \
             arguments: aquaware token inspect < token.txt"
                .to_owned(),
        )),
    }
}

/// The report about a token.
#[derive(Debug)]
struct Report {
    kind: Option<TokenType>,
    parts: Option<Unverified>,
    checks: Vec<Check>,
    /// The session, if it was looked up.
    session: Option<SessionState>,
    notes: Vec<String>,
    now: Timestamp,
}

impl Report {
    /// The check that the token fails, if any.
    fn rejection(&self) -> Option<&Check> {
        self.checks.iter().find(|check| check.has_failed())
    }
}

fn inspect_input(context: &mut Context<'_, '_>) -> Result<(), CommandError> {
    let config = context.config()?;
    if context.input.is_terminal() {
        context.output.hint("Paste the token and press Enter: ");
    }
    let text = context.input.text()?;
    let token = text.trim();
    let token = token.strip_prefix("Bearer ").unwrap_or(token).trim_start();
    if token.is_empty() {
        let message = "there is no token on standard input";
        return Err(CommandError::Usage(message.to_owned()));
    }
    let now = SystemClock.now();
    let (snapshot, mut notes) = snapshot(&config, now)?;
    let outcome = check_offline(token, &snapshot, now);
    let (mut checks, mut session) = (outcome.checks, None);
    if let Some(verified) = outcome.verified {
        let found = session::look_up(&config, &snapshot, verified, now);
        checks.extend(found.checks);
        session = found.session;
        notes.extend(found.note);
    }
    let parts = inspect(token).ok();
    let report = Report { kind: outcome.kind, parts, checks, session, notes, now };
    context.print(&view::as_json(&report), &view::text(&report))?;
    if report.rejection().is_some() { Err(CommandError::Negative) } else { Ok(()) }
}

/// The policy and keys of the configuration, and notes about them. Creates no keys.
fn snapshot(config: &Config, now: Timestamp) -> Result<(Snapshot, Vec<String>), CommandError> {
    let keys = LockedKeys::open(&config.keys.directory).map_err(failed)?;
    let records = keys.map(LockedKeys::into_records).unwrap_or_default();
    if !records.is_empty() {
        return Ok((
            compose::snapshot(config, config.listen.public, &records, now).map_err(failed)?,
            Vec::new(),
        ));
    }
    // A ring needs keys. No token was signed with these.
    let unused = missing(&[], Algorithm::EdDsa, now, &SystemRandom);
    let unused = unused.map_err(|_| CommandError::Failed("failed to generate a key".to_owned()))?;
    let note = format!("there are no keys in {} yet", config.keys.directory.display());
    Ok((compose::snapshot(config, config.listen.public, &unused, now).map_err(failed)?, vec![note]))
}

// The longest token fits into the input.
const _: () = assert!(MAX_TOKEN_BYTES < super::input::MAX_INPUT_BYTES);
