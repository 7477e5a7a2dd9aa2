//! `aquaware keys`: lists, rotates, generates and withdraws keys. No command prints a key.

mod view;
mod withdraw;

use aquaware_core::id::KeyId;
use aquaware_core::jwt::TokenType;
use aquaware_core::keys::{KeyChange, KeyRecord};
use aquaware_core::time::{Clock as _, SystemClock, Timestamp};
use aquaware_key_directory::LockedKeys;
use serde_json::{Value as Json, json};

pub(super) use self::view::phase_name;
pub(super) use self::view::type_name;
use self::view::{Warnings, as_json, list_text};
use super::arguments::{KeyType, KeysCommand};
use super::context::{Context, failed};
use super::error::CommandError;
use super::progress::Progress;
use crate::compose::snapshot;
use crate::config::Config;

/// Runs a key command.
pub(super) fn run(command: KeysCommand, context: &mut Context<'_, '_>) -> Result<(), CommandError> {
    match command {
        KeysCommand::List => list(context),
        KeysCommand::Rotate { drop: Some(kid), yes, .. } => withdraw::run(&kid, yes, context),
        KeysCommand::Rotate { key_type, .. } => rotate(key_type, context),
        KeysCommand::Generate { key_type } => generate(key_type.into(), context),
    }
}

fn list(context: &mut Context<'_, '_>) -> Result<(), CommandError> {
    let (config, now) = (context.config()?, SystemClock.now());
    let keys = LockedKeys::open(&config.keys.directory).map_err(failed)?;
    let records = keys.map(LockedKeys::into_records).unwrap_or_default();
    if records.is_empty() {
        return context.print(&json!({ "keys": [] }), &no_keys(&config));
    }
    let (json, text) = describe(&config, &records, now)?;
    context.print(&json!({ "keys": json }), &text)
}

fn rotate(key_type: Option<KeyType>, context: &mut Context<'_, '_>) -> Result<(), CommandError> {
    let config = context.config()?;
    let mut keys = lock(&config)?;
    let now = SystemClock.now();
    let both = [KeyType::Access, KeyType::Refresh];
    let (mut warnings, mut rotated) = (Warnings::default(), Vec::new());
    for key_type in both.into_iter().filter(|it| key_type.is_none_or(|only| only == *it)) {
        let token_type = TokenType::from(key_type);
        let _progress = Progress::spinner(GENERATING);
        let change = keys.rotate(token_type, config.keys.algorithm, now).map_err(failed)?;
        warnings.check(&change, token_type, keys.records(), now);
        rotated.push((token_type, change));
    }
    let (listed, table) = describe(&config, &keys.into_records(), now)?;
    let json = json!({
        "rotated": rotated.iter().map(change_json).collect::<Vec<_>>(),
        "warnings": warnings.all(),
        "keys": listed,
    });
    let lines: Vec<String> = rotated
        .iter()
        .map(|(token_type, change)| {
            format!("{} now signs {} tokens\n", change.to, type_name(*token_type))
        })
        .collect();
    warnings.print(context);
    context.print(&json, &format!("{}\n{table}\n{FOLLOWS}", lines.concat()))
}

fn change_json((token_type, change): &(TokenType, KeyChange)) -> Json {
    json!({
        "type": type_name(*token_type),
        "from": change.from.as_ref().map(KeyId::as_str),
        "to": change.to.as_str(),
        "known_since": change.known_since.to_rfc3339(),
    })
}

fn generate(token_type: TokenType, context: &mut Context<'_, '_>) -> Result<(), CommandError> {
    let config = context.config()?;
    let mut keys = lock(&config)?;
    let now = SystemClock.now();
    let progress = Progress::spinner(GENERATING);
    let made = keys.generate(token_type, config.keys.algorithm, now).map_err(failed)?;
    drop(progress);
    let (listed, table) = describe(&config, &keys.into_records(), now)?;
    let text = format!(
        "generated {}, an {} key for {} tokens; it signs after a later rotation\n\n{table}\n{FOLLOWS}",
        made.kid,
        made.algorithm.as_str(),
        type_name(token_type),
    );
    context.print(&json!({ "made": made.kid.as_str(), "keys": listed }), &text)
}

/// What takes a while, for RSA.
const GENERATING: &str = "generating a key";
/// What happens to running servers.
const FOLLOWS: &str = "running servers follow within a minute, or immediately on SIGHUP";

/// The keys of the directory, under its lock, if there are any.
fn lock(config: &Config) -> Result<LockedKeys, CommandError> {
    let keys = LockedKeys::open(&config.keys.directory).map_err(failed)?;
    keys.filter(|it| !it.records().is_empty()).ok_or_else(|| CommandError::Failed(no_keys(config)))
}

fn no_keys(config: &Config) -> String {
    let directory = config.keys.directory.display();
    format!("there are no keys in {directory} yet; the server creates them when it first starts")
}

/// The keys with their phases, as JSON and as text.
fn describe(
    config: &Config,
    records: &[KeyRecord],
    now: Timestamp,
) -> Result<(Vec<Json>, String), CommandError> {
    let snapshot = snapshot(config, config.listen.public, records, now).map_err(failed)?;
    let mut sorted: Vec<&KeyRecord> = records.iter().collect();
    sorted.sort_by_key(|it| {
        let order = (it.active_from.is_none(), it.active_from, it.created_at);
        (it.token_type == TokenType::Refresh, order, it.kid.clone())
    });
    let phases: Vec<_> =
        sorted.iter().filter_map(|it| snapshot.ring().phase(&it.kid, now)).collect();
    let keys: Vec<_> = sorted.into_iter().zip(phases).collect();
    Ok((keys.iter().map(as_json).collect(), list_text(&keys, now)))
}
