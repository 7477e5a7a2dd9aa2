//! `aquaware keys`: where the keys stand, and moving them on. Which key is active when, the core
//! decides; nothing here prints one.

mod drop;
mod view;

use aquaware_core::id::KeyId;
use aquaware_core::jwt::TokenType;
use aquaware_core::keys::{KeyRecord, Turn, algorithm_of, generate, rotate};
use aquaware_core::random::SystemRandom;
use aquaware_core::time::{Clock as _, Timestamp};
use serde_json::{Value as Json, json};

pub(super) use self::view::phase_word;
use self::view::{Warnings, as_json, list_text, type_word};
use super::CommandError;
use super::arguments::{KeyType, KeysCommand};
use super::dialogue::{Dialogue, failed};
use crate::compose::issuer;
use crate::config::Config;
use crate::key_directory::HeldKeys;
use aquaware_core::time::SystemClock;

/// Runs one of them.
pub(super) fn run(
    command: KeysCommand,
    dialogue: &mut Dialogue<'_, '_>,
) -> Result<(), CommandError> {
    match command {
        KeysCommand::List => list(dialogue),
        KeysCommand::Rotate { drop: Some(kid), yes, .. } => drop::run(&kid, yes, dialogue),
        KeysCommand::Rotate { key_type, .. } => turn(key_type, dialogue),
        KeysCommand::Generate { key_type } => another(key_type.into(), dialogue),
    }
}

fn list(dialogue: &mut Dialogue<'_, '_>) -> Result<(), CommandError> {
    let (config, now) = (dialogue.config()?, SystemClock.now());
    let held = HeldKeys::found(&config.keys.directory).map_err(failed)?;
    let records = held.map(HeldKeys::into_records).unwrap_or_default();
    if records.is_empty() {
        return dialogue.answer(&json!({ "keys": [] }), &none_yet(&config));
    }
    let (json, text) = shown(&config, &records, now)?;
    dialogue.answer(&json!({ "keys": json }), &text)
}

fn turn(key_type: Option<KeyType>, dialogue: &mut Dialogue<'_, '_>) -> Result<(), CommandError> {
    let config = dialogue.config()?;
    let mut held = held(&config)?;
    let now = SystemClock.now();
    let both = [KeyType::Access, KeyType::Refresh];
    let (mut warnings, mut turned) = (Warnings::default(), Vec::new());
    for key_type in both.into_iter().filter(|it| key_type.is_none_or(|only| only == *it)) {
        let token_type = TokenType::from(key_type);
        let algorithm = config.keys.algorithm;
        let turn = rotate(held.records(), token_type, algorithm, now, &SystemRandom)
            .map_err(|_| not_made())?;
        warnings.about(&turn, token_type, held.records(), now);
        write(&mut held, &turn.write)?;
        turned.push((token_type, turn));
    }
    let (keys, table) = shown(&config, held.records(), now)?;
    drop_lock(held);
    let json = json!({
        "rotated": turned.iter().map(turn_json).collect::<Vec<_>>(),
        "warnings": warnings.all(),
        "keys": keys,
    });
    let lines: Vec<String> = turned
        .iter()
        .map(|(token_type, turn)| {
            format!("{} signs {} tokens now\n", turn.to, type_word(*token_type))
        })
        .collect();
    warnings.tell(dialogue);
    dialogue.answer(&json, &format!("{}\n{table}\n{FOLLOWS}", lines.concat()))
}

fn turn_json((token_type, turn): &(TokenType, Turn)) -> Json {
    json!({
        "type": type_word(*token_type),
        "from": turn.from.as_ref().map(KeyId::as_str),
        "to": turn.to.as_str(),
        "known_since": turn.known_since.to_rfc3339(),
    })
}

fn another(token_type: TokenType, dialogue: &mut Dialogue<'_, '_>) -> Result<(), CommandError> {
    let config = dialogue.config()?;
    let mut held = held(&config)?;
    let now = SystemClock.now();
    let algorithm = algorithm_of(token_type, config.keys.algorithm);
    let record = generate(token_type, algorithm, now, &SystemRandom).map_err(|_| not_made())?;
    let kid = record.kid.clone();
    write(&mut held, &[record])?;
    let (keys, table) = shown(&config, held.records(), now)?;
    drop_lock(held);
    let text = format!(
        "made {kid}, {} for {} tokens; it waits for its turn\n\n{table}\n{FOLLOWS}",
        algorithm.word(),
        type_word(token_type),
    );
    dialogue.answer(&json!({ "made": kid.as_str(), "keys": keys }), &text)
}

/// What is to be done about servers that run.
const FOLLOWS: &str = "running servers follow within a minute, or at once when they get SIGHUP";

/// The keys of the directory, held, if there are any.
fn held(config: &Config) -> Result<HeldKeys, CommandError> {
    let held = HeldKeys::found(&config.keys.directory).map_err(failed)?;
    held.filter(|it| !it.records().is_empty()).ok_or_else(|| CommandError::Failed(none_yet(config)))
}

/// Lets others at the directory, before anything slow is done.
fn drop_lock(held: HeldKeys) {
    let _ = held.into_records();
}

fn none_yet(config: &Config) -> String {
    let directory = config.keys.directory.display();
    format!("there are no keys in {directory} yet: the first start of the server makes them")
}

fn not_made() -> CommandError {
    CommandError::Failed("a new key could not be made".to_owned())
}

fn write(held: &mut HeldKeys, records: &[KeyRecord]) -> Result<(), CommandError> {
    records.iter().try_for_each(|record| held.write(record.clone())).map_err(failed)
}

/// The keys as they stand, for a program and for a person.
fn shown(
    config: &Config,
    records: &[KeyRecord],
    now: Timestamp,
) -> Result<(Vec<Json>, String), CommandError> {
    let snapshot = issuer(config, records, now).map_err(failed)?;
    let mut sorted: Vec<&KeyRecord> = records.iter().collect();
    sorted.sort_by_key(|it| {
        let turn = (it.active_from.is_none(), it.active_from, it.created_at);
        (it.token_type == TokenType::Refresh, turn, it.kid.clone())
    });
    let phases: Vec<_> =
        sorted.iter().filter_map(|it| snapshot.ring().phase(&it.kid, now)).collect();
    let keys: Vec<_> = sorted.into_iter().zip(phases).collect();
    Ok((keys.iter().map(as_json).collect(), list_text(&keys, now)))
}
