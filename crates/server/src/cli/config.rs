//! `aquaware config`: checks and prints the configuration.

use serde_json::json;

use super::arguments::ConfigCommand;
use super::error::CommandError;
use super::output::Output;
use crate::config::{Problem, Request, load};

/// Runs the command.
///
/// # Errors
/// An invalid configuration. Its errors are written to standard error, also by `check`, so that
/// standard output never contains an invalid configuration.
pub(super) fn run(
    command: ConfigCommand,
    request: &Request,
    json: bool,
    output: &mut Output<'_>,
) -> Result<(), CommandError> {
    match command {
        ConfigCommand::Check => check(request, json, output),
        ConfigCommand::Show if json => Ok(output.json(&load(request)?.json())?),
        ConfigCommand::Show => Ok(output.bytes(load(request)?.toml().as_bytes())?),
    }
}

fn check(request: &Request, json: bool, output: &mut Output<'_>) -> Result<(), CommandError> {
    let loaded = load(request)?;
    let file = loaded.file.as_ref().map(|file| file.display().to_string());
    if json {
        let warnings: Vec<_> = loaded.warnings.iter().map(Problem::json).collect();
        return Ok(output.json(&json!({ "ok": true, "file": file, "warnings": warnings }))?);
    }
    for warning in &loaded.warnings {
        output.line(&format!("warning: {warning}"))?;
    }
    let file = file.unwrap_or_else(|| "no file".to_owned());
    Ok(output.line(&format!("the configuration is valid ({file} and the environment)"))?)
}
