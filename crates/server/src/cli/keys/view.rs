//! How keys are displayed, and the warnings about a rotation. Keys themselves are never displayed.

use std::time::Duration;

use aquaware_core::id::KeyId;
use aquaware_core::jwt::TokenType;
use aquaware_core::keys::{KeyChange, KeyRecord, Phase};
use aquaware_core::time::Timestamp;
use aquaware_key_directory::RELOAD_EVERY;
use serde_json::{Value as Json, json};

use crate::cli::context::Context;
use crate::cli::span::{length, relative};
use crate::cli::table::Table;

/// The name of a token type.
pub(in crate::cli) const fn type_name(token_type: TokenType) -> &'static str {
    match token_type {
        TokenType::Access => "access",
        TokenType::Refresh => "refresh",
    }
}

/// The name of a phase.
pub(in crate::cli) const fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Next => "next",
        Phase::Active => "active",
        Phase::Retiring => "retiring",
        Phase::Gone => "gone",
    }
}

/// A key as JSON.
pub(super) fn as_json((record, phase): &(&KeyRecord, Phase)) -> Json {
    json!({
        "kid": record.kid.as_str(),
        "type": type_name(record.token_type),
        "algorithm": record.algorithm.as_str(),
        "phase": phase_name(*phase),
        "created_at": record.created_at.to_rfc3339(),
        "active_from": record.active_from.map(Timestamp::to_rfc3339),
    })
}

/// The keys as a table.
pub(super) fn list_text(keys: &[(&KeyRecord, Phase)], now: Timestamp) -> String {
    let mut table = Table::new(["KID", "TYPE", "ALGORITHM", "PHASE", "CREATED", "ACTIVE FROM", ""]);
    for (record, phase) in keys {
        table.row([
            record.kid.to_string(),
            type_name(record.token_type).to_owned(),
            record.algorithm.as_str().to_owned(),
            phase_name(*phase).to_owned(),
            record.created_at.to_rfc3339(),
            record.active_from.map_or_else(|| "-".to_owned(), Timestamp::to_rfc3339),
            record.active_from.map_or_else(String::new, |from| relative(from, now)),
        ]);
    }
    table.text(0)
}

/// How long it takes until all verifiers of these tokens know a new key.
const fn known_within(token_type: TokenType) -> Duration {
    match token_type {
        TokenType::Access => aquaware_core::keys::KEY_SET_MAX_AGE,
        TokenType::Refresh => RELOAD_EVERY,
    }
}

/// Warnings for an operator who rotates keys by hand.
#[derive(Debug, Default)]
pub(super) struct Warnings(Vec<String>);

impl Warnings {
    /// Checks a rotation; `records` contains the old key and the new one.
    pub(super) fn check(
        &mut self,
        change: &KeyChange,
        token_type: TokenType,
        records: &[KeyRecord],
        now: Timestamp,
    ) {
        let delay = known_within(token_type);
        if change.known_since.plus(delay) > now {
            let who = match token_type {
                TokenType::Access => "services that verify tokens offline",
                TokenType::Refresh => "other replicas",
            };
            self.0.push(format!(
                "the {} key {} was generated {}; until {} after that, {who} may not know it yet \
                 and reject the tokens that it signs",
                type_name(token_type),
                change.to,
                relative(change.known_since, now),
                length(delay.as_secs())
            ));
        }
        let algorithm =
            |kid: &KeyId| records.iter().find(|it| it.kid == *kid).map(|it| it.algorithm);
        let (from, to) = (change.from.as_ref().and_then(algorithm), algorithm(&change.to));
        if let (Some(from), Some(to)) = (from, to)
            && from != to
        {
            self.0.push(format!(
                "the algorithm changes from {} to {}; restart every server or send it SIGHUP now, \
                 because a server that starts with the old configuration switches back",
                from.as_str(),
                to.as_str()
            ));
        }
    }

    /// All warnings.
    pub(super) fn all(&self) -> &[String] {
        &self.0
    }

    /// Prints the warnings; JSON output contains them in the result instead.
    pub(super) fn print(&self, context: &mut Context<'_, '_>) {
        for warning in self.0.iter().filter(|_| !context.json) {
            context.output.hint(&format!("warning: {warning}\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use aquaware_core::jwt::Algorithm;
    use aquaware_core::keys::{missing, rotate};
    use aquaware_core::random::SystemRandom;

    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn warned(token_type: TokenType, algorithm: Algorithm, seconds: u64) -> Vec<String> {
        let records = missing(&[], Algorithm::EdDsa, START, &SystemRandom).unwrap();
        let now = START.plus(Duration::from_secs(seconds));
        let change = rotate(&records, token_type, algorithm, now, &SystemRandom).unwrap();
        let mut warnings = Warnings::default();
        let known: Vec<_> = records.into_iter().chain(change.write.iter().cloned()).collect();
        warnings.check(&change, token_type, &known, now);
        warnings.all().to_vec()
    }

    #[test]
    fn a_key_that_verifiers_may_not_know_yet_causes_a_warning() {
        for (token_type, delay) in [(TokenType::Access, 300), (TokenType::Refresh, 60)] {
            assert_eq!(warned(token_type, Algorithm::EdDsa, delay - 1).len(), 1);
            assert_eq!(warned(token_type, Algorithm::EdDsa, delay), [""; 0]);
        }
    }

    #[test]
    fn a_change_of_algorithm_causes_a_warning() {
        let warnings = warned(TokenType::Access, Algorithm::Es256, 1000).join("");
        assert!(warnings.contains("EdDSA to ES256"), "{warnings}");
    }
}
