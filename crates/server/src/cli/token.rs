//! `aquaware token inspect`: what a token is, and why it would or wouldn't be accepted.
//!
//! Which rules there are and whether they hold, the core says; here its verdict is laid out. The
//! signature itself is never printed, so what is printed is no token.

mod checks;
mod standing;
mod view;

use aquaware_core::jwt::Algorithm;
use aquaware_core::jwt::{MAX_TOKEN_BYTES, TokenType, Unverified, inspect};
use aquaware_core::keys::missing;
use aquaware_core::random::SystemRandom;
use aquaware_core::service::Snapshot;
use aquaware_core::time::{Clock as _, SystemClock, Timestamp};
use aquaware_key_directory::LockedKeys;

use self::checks::{Check, by_its_own};
use self::standing::Place;
use super::CommandError;
use super::arguments::TokenCommand;
use super::dialogue::{Dialogue, failed};
use crate::compose::issuer;
use crate::config::Config;

/// Runs one of them.
pub(super) fn run(
    command: TokenCommand,
    dialogue: &mut Dialogue<'_, '_>,
) -> Result<(), CommandError> {
    match command {
        TokenCommand::Inspect { misplaced } if misplaced.is_empty() => look_into(dialogue),
        TokenCommand::Inspect { .. } => Err(CommandError::Usage(
            "a token is read from standard input and is no argument, which every user of this \
             machine could see: aquaware token inspect < token.txt"
                .to_owned(),
        )),
    }
}

/// Everything there is to say about a token.
#[derive(Debug)]
struct Report {
    kind: Option<TokenType>,
    parts: Option<Unverified>,
    checks: Vec<Check>,
    /// The session, where it was looked for.
    session: Option<Place>,
    /// What else there is to know.
    notes: Vec<String>,
    now: Timestamp,
}

impl Report {
    /// The rule that the token breaks, if it does.
    fn refusal(&self) -> Option<&Check> {
        self.checks.iter().find(|check| check.is_bad())
    }
}

fn look_into(dialogue: &mut Dialogue<'_, '_>) -> Result<(), CommandError> {
    let config = dialogue.config()?;
    if dialogue.input.is_terminal() {
        dialogue.output.hint("paste the token and press Enter: ");
    }
    let text = dialogue.input.text()?;
    let token = text.trim();
    let token = token.strip_prefix("Bearer ").unwrap_or(token).trim_start();
    if token.is_empty() {
        let message = "there is no token on standard input";
        return Err(CommandError::Usage(message.to_owned()));
    }
    let now = SystemClock.now();
    let (snapshot, mut notes) = snapshot(&config, now)?;
    let verdict = by_its_own(token, &snapshot, now);
    let (mut checks, mut session) = (verdict.checks, None);
    if let Some(proven) = verdict.proven {
        let found = standing::look_up(&config, &snapshot, proven, now);
        checks.extend(found.checks);
        session = found.session;
        notes.extend(found.note);
    }
    let parts = inspect(token).ok();
    let report = Report { kind: verdict.kind, parts, checks, session, notes, now };
    dialogue.answer(&view::as_json(&report), &view::text(&report))?;
    if report.refusal().is_some() { Err(CommandError::Told) } else { Ok(()) }
}

/// The issuer of this configuration, with its keys as they are: none are made by looking.
fn snapshot(config: &Config, now: Timestamp) -> Result<(Snapshot, Vec<String>), CommandError> {
    let keys = LockedKeys::open(&config.keys.directory).map_err(failed)?;
    let records = keys.map(LockedKeys::into_records).unwrap_or_default();
    if !records.is_empty() {
        return Ok((issuer(config, &records, now).map_err(failed)?, Vec::new()));
    }
    // A ring needs keys; nobody ever signed with these.
    let none = missing(&[], Algorithm::EdDsa, now, &SystemRandom);
    let none = none.map_err(|_| CommandError::Failed("no key could be made".to_owned()))?;
    let note = format!("there are no keys in {} yet", config.keys.directory.display());
    Ok((issuer(config, &none, now).map_err(failed)?, vec![note]))
}

/// The longest token that is looked at has room on standard input.
const _: () = assert!(MAX_TOKEN_BYTES < super::input::MOST_BYTES);
