//! `aquaware keys rotate --drop`: a key that others may have is taken away.

use aquaware_core::id::KeyId;
use aquaware_core::jwt::TokenType;
use aquaware_core::keys::{Phase, withdraw};
use aquaware_core::random::SystemRandom;
use aquaware_core::time::Clock as _;
use aquaware_core::time::SystemClock;
use aquaware_http::KEY_SET_MAX_AGE;
use serde_json::json;

use super::view::{Warnings, type_word};
use super::{drop_lock, held, not_made, shown, write};
use crate::cli::CommandError;
use crate::cli::dialogue::{Dialogue, failed};
use crate::compose::issuer;

/// Takes `kid` away, after saying what that costs.
pub(super) fn run(
    kid: &KeyId,
    yes: bool,
    dialogue: &mut Dialogue<'_, '_>,
) -> Result<(), CommandError> {
    let config = dialogue.config()?;
    let cost = {
        // Let go of before anybody is asked: a server waits for the lock meanwhile.
        let records = held(&config)?.into_records();
        let record = records.iter().find(|it| it.kid == *kid).ok_or_else(|| unknown(kid))?;
        let now = SystemClock.now();
        let phase = issuer(&config, &records, now).map_err(failed)?.ring().phase(kid, now);
        cost(record.token_type, phase.unwrap_or(Phase::Active))
    };
    dialogue.confirm(&format!("this takes the key {kid} away for good: {cost}"), yes)?;
    let mut held = held(&config)?;
    let now = SystemClock.now();
    let withdrawal = withdraw(held.records(), kid, config.keys.algorithm, now, &SystemRandom)
        .map_err(|_| not_made())?
        .ok_or_else(|| unknown(kid))?;
    let mut warnings = Warnings::default();
    let token_type = held.records().iter().find(|it| it.kid == *kid).map(|it| it.token_type);
    if let (Some(turn), Some(token_type)) = (&withdrawal.turn, token_type) {
        warnings.about(turn, token_type, held.records(), now);
    }
    // Its successor is on the disk before it is gone, so there is always a key to sign with.
    write(&mut held, &withdrawal.write)?;
    held.remove(kid).map_err(failed)?;
    let (keys, table) = shown(&config, held.records(), now)?;
    drop_lock(held);
    let successor = withdrawal.turn.as_ref().map(|turn| turn.to.as_str());
    let json = json!({
        "dropped": kid.as_str(),
        "successor": successor,
        "cost": cost,
        "warnings": warnings.all(),
        "keys": keys,
    });
    let signs = match (successor, token_type) {
        (Some(kid), Some(kind)) => format!("\n{kid} signs {} tokens now", type_word(kind)),
        _ => String::new(),
    };
    warnings.tell(dialogue);
    let text = format!(
        "dropped {kid}: {cost}{signs}\n\n{table}\n\
         send SIGHUP to every running server now: until then, for up to a minute, it goes on with \
         the keys it knows"
    );
    dialogue.answer(&json, &text)
}

fn unknown(kid: &KeyId) -> CommandError {
    CommandError::Failed(format!("there is no key {:?}", kid.as_str()))
}

/// What becomes of the tokens of a key that is taken away.
fn cost(token_type: TokenType, phase: Phase) -> String {
    match (phase, token_type) {
        (Phase::Next, _) => "nothing was signed with it yet".to_owned(),
        (Phase::Gone, _) => "everything it signed is dead already".to_owned(),
        (Phase::Active | Phase::Retiring, TokenType::Access) => format!(
            "every access token it signed is refused from now on, and clients have to refresh; \
             who checks tokens offline accepts them for up to {} seconds more, until its \
             copy of the key set is renewed",
            KEY_SET_MAX_AGE.as_secs()
        ),
        (Phase::Active | Phase::Retiring, TokenType::Refresh) => {
            "every refresh token it signed is refused from now on, and their users have to log in \
             again"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_is_told_by_what_was_signed() {
        assert!(cost(TokenType::Access, Phase::Active).contains("have to refresh"));
        assert!(cost(TokenType::Access, Phase::Retiring).contains("300 seconds"));
        assert!(cost(TokenType::Refresh, Phase::Retiring).contains("log in again"));
        assert!(cost(TokenType::Refresh, Phase::Next).contains("nothing was signed"));
        assert!(cost(TokenType::Refresh, Phase::Gone).contains("dead already"));
    }
}
