//! The keys: readable by their owner alone, one that signs and a next one for each type, and young
//! enough.

use std::time::Duration;

use aquaware_core::error_chain;
use aquaware_core::jwt::TokenType;
use aquaware_core::keys::{KeyRecord, KeyRing, Phase, algorithm_of};
use aquaware_core::time::{Clock as _, SystemClock, Timestamp};
use aquaware_key_directory::LockedKeys;

use super::Finding;
use crate::cli::keys::type_name;
use crate::cli::span::{length, relative};
use crate::compose::snapshot;
use crate::config::Config;

const ABOUT: &str = "keys.directory";
/// How much later than on schedule a rotation may happen: it waits until verifiers know the next key.
const GRACE: Duration = Duration::from_secs(86_400);

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let directory = config.keys.directory.display();
    let keys = match LockedKeys::open(&config.keys.directory) {
        Ok(keys) => keys,
        Err(error) => return vec![Finding::error(ABOUT, error_chain(&error))],
    };
    let is_read_only = keys.as_ref().is_some_and(LockedKeys::is_read_only);
    let records = keys.map(LockedKeys::into_records).unwrap_or_default();
    if records.is_empty() {
        let text =
            format!("no keys in {directory} yet; a server creates them when it first starts");
        return vec![Finding::warning(ABOUT, text)];
    }
    let now = SystemClock.now();
    let snapshot = match snapshot(config, config.listen.public, &records, now) {
        Ok(snapshot) => snapshot,
        Err(error) => return vec![Finding::error(ABOUT, error_chain(&error))],
    };
    let mut findings = Vec::new();
    if is_read_only && config.keys.rotate_every.is_some() {
        let text = format!(
            "{directory} is read-only, so this server does not rotate keys; rotate them where the \
             directory is written, and set keys.rotate_every = \"never\" here"
        );
        findings.push(Finding::warning(ABOUT, text));
    }
    for token_type in [TokenType::Access, TokenType::Refresh] {
        findings.extend(of_type(config, &records, snapshot.ring(), token_type, now));
    }
    findings
}

fn of_type(
    config: &Config,
    records: &[KeyRecord],
    ring: &KeyRing,
    token_type: TokenType,
    now: Timestamp,
) -> Vec<Finding> {
    let name = type_name(token_type);
    let is_in = |record: &&KeyRecord, phase| {
        record.token_type == token_type && ring.phase(&record.kid, now) == Some(phase)
    };
    let (Some(_), Some(active)) =
        (ring.signing(token_type, now), records.iter().find(|record| is_in(record, Phase::Active)))
    else {
        let text = format!(
            "no key signs {name} tokens, because the clock of this machine is before the creation of \
             the keys; set the clock"
        );
        return vec![Finding::error("clock", text)];
    };
    let since = active.active_from.unwrap_or(active.created_at);
    let mut text = format!(
        "{} signs {name} tokens with {}, for {} so far",
        active.kid,
        active.algorithm.as_str(),
        length(now.seconds_after(since))
    );
    let mut findings = Vec::new();
    if let Some(every) = config.keys.rotate_every {
        let due = since.plus(every);
        text = format!("{text}; the next rotation is due {}", relative(due, now));
        if due.plus(GRACE) <= now {
            let overdue = length(now.seconds_after(due));
            let text = format!(
                "the rotation of the key for {name} tokens is {overdue} overdue; look for errors about \
                 keys in the log of the server, or run `aquaware keys rotate`"
            );
            findings.push(Finding::error(ABOUT, text));
        }
    }
    findings.push(Finding::ok(ABOUT, text));
    if !records.iter().any(|record| is_in(&record, Phase::Next)) {
        let text = format!(
            "there is no next key for {name} tokens, so a rotation would use one that verifiers do not \
             know; run `aquaware keys generate --type {name}`"
        );
        findings.push(Finding::warning(ABOUT, text));
    }
    let configured = algorithm_of(token_type, config.keys.algorithm);
    if configured != active.algorithm {
        let text = format!(
            "keys.algorithm is {}, but {} signs with {}; the next start or SIGHUP changes that",
            configured.as_str(),
            active.kid,
            active.algorithm.as_str()
        );
        findings.push(Finding::warning("keys.algorithm", text));
    }
    findings
}
