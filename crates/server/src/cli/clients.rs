//! `aquaware clients`: generates secrets for confidential clients.

use aquaware_core::client_secret::GeneratedSecretHash;
use aquaware_core::random::{Random as _, SystemRandom};
use aquaware_core::secret::Password;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use zeroize::Zeroizing;

use super::arguments::ClientsCommand;
use super::error::CommandError;
use super::output::Output;

/// Runs the command.
pub(super) fn run(
    command: ClientsCommand,
    json: bool,
    output: &mut Output<'_>,
) -> Result<(), CommandError> {
    match command {
        ClientsCommand::Secret => secret(json, output),
    }
}

/// Generates 256 random bits and their hash. Works without a valid configuration: an operator may
/// need the secret to complete it.
fn secret(json: bool, output: &mut Output<'_>) -> Result<(), CommandError> {
    let mut bytes = Zeroizing::new([0; 32]);
    SystemRandom.fill(&mut *bytes);
    let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes));
    let hash = GeneratedSecretHash::generate(&Password::new(secret.to_string()), &SystemRandom);
    let text = if json {
        format!("{:#}\n", json!({ "secret": *secret, "secret_hash": hash.expose() }))
    } else {
        format!(
            "secret for the client (it cannot be shown again):\n  {}\n\n\
             for the configuration:\n  secret_hash = \"{}\"\n",
            *secret,
            hash.expose()
        )
    };
    Ok(output.bytes(text.as_bytes())?)
}
