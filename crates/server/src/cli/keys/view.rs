//! How keys are shown, and what is to be said about a turn. Never the key itself.

use std::time::Duration;

use aquaware_core::id::KeyId;
use aquaware_core::jwt::TokenType;
use aquaware_core::keys::{KeyRecord, Phase, Turn};
use aquaware_core::time::Timestamp;
use aquaware_http::KEY_SET_MAX_AGE;
use serde_json::{Value as Json, json};

use crate::cli::dialogue::Dialogue;
use crate::cli::span::{length, relative};
use crate::cli::table::Table;
use crate::compose::KEEP_KEYS_EVERY;

/// The word of a type.
pub(super) const fn type_word(token_type: TokenType) -> &'static str {
    match token_type {
        TokenType::Access => "access",
        TokenType::Refresh => "refresh",
    }
}

/// The word of a phase.
pub(in crate::cli) const fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Next => "next",
        Phase::Active => "active",
        Phase::Retiring => "retiring",
        Phase::Gone => "gone",
    }
}

/// For a program.
pub(super) fn as_json((record, phase): &(&KeyRecord, Phase)) -> Json {
    json!({
        "kid": record.kid.as_str(),
        "type": type_word(record.token_type),
        "algorithm": record.algorithm.word(),
        "phase": phase_word(*phase),
        "created_at": record.created_at.to_rfc3339(),
        "active_from": record.active_from.map(Timestamp::to_rfc3339),
    })
}

/// For a person.
pub(super) fn list_text(keys: &[(&KeyRecord, Phase)], now: Timestamp) -> String {
    let mut table = Table::new(["KID", "TYPE", "ALGORITHM", "PHASE", "CREATED", "ACTIVE FROM", ""]);
    for (record, phase) in keys {
        table.row([
            record.kid.to_string(),
            type_word(record.token_type).to_owned(),
            record.algorithm.word().to_owned(),
            phase_word(*phase).to_owned(),
            record.created_at.to_rfc3339(),
            record.active_from.map_or_else(|| "-".to_owned(), Timestamp::to_rfc3339),
            record.active_from.map_or_else(String::new, |from| relative(from, now)),
        ]);
    }
    table.text(0)
}

/// How long it takes until everybody who checks these tokens knows a key.
const fn spreads_within(token_type: TokenType) -> Duration {
    match token_type {
        TokenType::Access => KEY_SET_MAX_AGE,
        TokenType::Refresh => KEEP_KEYS_EVERY,
    }
}

/// What somebody should know who moves keys by hand.
#[derive(Debug, Default)]
pub(super) struct Warnings(Vec<String>);

impl Warnings {
    /// Looks at a turn; `before` are the records as they were.
    pub(super) fn about(
        &mut self,
        turn: &Turn,
        token_type: TokenType,
        before: &[KeyRecord],
        now: Timestamp,
    ) {
        let spread = spreads_within(token_type);
        if turn.known_since.plus(spread) > now {
            let who = match token_type {
                TokenType::Access => "whoever checks tokens offline",
                TokenType::Refresh => "another replica",
            };
            self.0.push(format!(
                "the {} key {} was made {}: for {} after that {who} may not know it yet, and \
                 refuse what it signs",
                type_word(token_type),
                turn.to,
                relative(turn.known_since, now),
                length(spread.as_secs())
            ));
        }
        let algorithm = |kid: &KeyId| {
            let mut known = before.iter().chain(&turn.write);
            known.find(|it| it.kid == *kid).map(|it| it.algorithm)
        };
        let (from, to) = (turn.from.as_ref().and_then(algorithm), algorithm(&turn.to));
        if let (Some(from), Some(to)) = (from, to)
            && from != to
        {
            self.0.push(format!(
                "the algorithm changes from {} to {}: restart every server or send it SIGHUP now, \
                 since one with the old configuration goes back to a key of its own",
                from.word(),
                to.word()
            ));
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> &[String] {
        &self.0
    }

    /// Tells them to a person; a program finds them in the answer.
    pub(super) fn tell(&self, dialogue: &mut Dialogue<'_, '_>) {
        for warning in self.0.iter().filter(|_| !dialogue.json) {
            dialogue.output.hint(&format!("warning: {warning}\n"));
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
        let turn = rotate(&records, token_type, algorithm, now, &SystemRandom).unwrap();
        let mut warnings = Warnings::default();
        warnings.about(&turn, token_type, &records, now);
        warnings.all().to_vec()
    }

    #[test]
    fn a_key_that_is_not_known_everywhere_yet_is_warned_about() {
        for (token_type, spread) in [(TokenType::Access, 300), (TokenType::Refresh, 60)] {
            assert_eq!(warned(token_type, Algorithm::EdDsa, spread - 1).len(), 1);
            assert_eq!(warned(token_type, Algorithm::EdDsa, spread), [""; 0]);
        }
    }

    #[test]
    fn a_change_of_algorithm_is_warned_about() {
        let warnings = warned(TokenType::Access, Algorithm::Es256, 1000).join("");
        assert!(warnings.contains("EdDSA to ES256"), "{warnings}");
    }
}
