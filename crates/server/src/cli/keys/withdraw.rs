//! `aquaware keys rotate --drop`: withdraws a compromised key.

use aquaware_core::id::KeyId;
use aquaware_core::jwt::TokenType;
use aquaware_core::keys::Phase;
use aquaware_core::time::{Clock as _, SystemClock};
use serde_json::json;

use super::view::{Warnings, type_name};
use super::{GENERATING, describe, lock};
use crate::cli::context::{Context, failed};
use crate::cli::error::CommandError;
use crate::cli::progress::Progress;
use crate::compose::snapshot;

/// Withdraws `kid`, after confirmation of the consequences.
pub(super) fn run(
    kid: &KeyId,
    yes: bool,
    context: &mut Context<'_, '_>,
) -> Result<(), CommandError> {
    let config = context.config()?;
    // The lock is released before the operator is asked: servers wait for it.
    let before = lock(&config)?.into_records();
    let token_type =
        before.iter().find(|it| it.kid == *kid).ok_or_else(|| unknown(kid))?.token_type;
    let now = SystemClock.now();
    let phase = snapshot(&config, config.listen.public, &before, now)
        .map_err(failed)?
        .ring()
        .phase(kid, now);
    let cost = cost(token_type, phase.unwrap_or(Phase::Active));
    context.confirm(&format!("this removes the key {kid} permanently: {cost}"), yes)?;
    let mut keys = lock(&config)?;
    let now = SystemClock.now();
    let progress = Progress::spinner(GENERATING);
    let withdrawal = keys
        .withdraw(kid, config.keys.algorithm, now)
        .map_err(failed)?
        .ok_or_else(|| unknown(kid))?;
    drop(progress);
    let mut warnings = Warnings::default();
    if let Some(change) = &withdrawal.change {
        let known: Vec<_> = before.iter().chain(keys.records()).cloned().collect();
        warnings.check(change, token_type, &known, now);
    }
    let (listed, table) = describe(&config, &keys.into_records(), now)?;
    let successor = withdrawal.change.as_ref().map(|change| change.to.as_str());
    let json = json!({
        "dropped": kid.as_str(),
        "successor": successor,
        "cost": cost,
        "warnings": warnings.all(),
        "keys": listed,
    });
    let signs = successor.map_or_else(String::new, |kid| {
        format!("\n{kid} now signs {} tokens", type_name(token_type))
    });
    warnings.print(context);
    let text = format!(
        "removed {kid}: {cost}{signs}\n\n{table}\n\
         send SIGHUP to every running server now; otherwise a server may use the old keys for up \
         to a minute"
    );
    context.print(&json, &text)
}

fn unknown(kid: &KeyId) -> CommandError {
    CommandError::Failed(format!("there is no key {:?}", kid.as_str()))
}

/// The consequences for tokens that a withdrawn key signed.
fn cost(token_type: TokenType, phase: Phase) -> String {
    match (phase, token_type) {
        (Phase::Next, _) => "it has not signed any tokens".to_owned(),
        (Phase::Gone, _) => "all tokens that it signed have expired".to_owned(),
        (Phase::Active | Phase::Retiring, TokenType::Access) => format!(
            "every access token that it signed is rejected from now on, and clients have to \
             refresh; services that verify tokens offline accept them for up to {} more \
             seconds, until they fetch the key set again",
            aquaware_core::keys::KEY_SET_MAX_AGE.as_secs()
        ),
        (Phase::Active | Phase::Retiring, TokenType::Refresh) => {
            "every refresh token that it signed is rejected from now on, and its users have to log \
             in again"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_depends_on_what_the_key_signed() {
        assert!(cost(TokenType::Access, Phase::Active).contains("have to refresh"));
        assert!(cost(TokenType::Access, Phase::Retiring).contains("300 more seconds"));
        assert!(cost(TokenType::Refresh, Phase::Retiring).contains("log in again"));
        assert!(cost(TokenType::Refresh, Phase::Next).contains("not signed any"));
        assert!(cost(TokenType::Refresh, Phase::Gone).contains("have expired"));
    }
}
