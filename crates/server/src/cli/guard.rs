//! `aquaware guard`: checks its arguments, and runs the guard.

use aquaware_core::error_chain;

use super::arguments::GuardArguments;
use super::error::CommandError;
use crate::config::{Log, LogFormat};
use crate::{guard, telemetry};

/// Runs the command.
pub(super) fn run(arguments: &GuardArguments, json: bool) -> Result<(), CommandError> {
    let options = arguments.options().map_err(|wrong| CommandError::Usage(wrong.to_owned()))?;
    let failed = |error: &dyn std::error::Error| CommandError::Failed(error_chain(error));
    let log = Log { format: LogFormat::Auto, level: arguments.log_level.clone() };
    let log = telemetry::install(&log, json).map_err(|error| failed(&error))?;
    let outcome = guard::run(&options).map_err(|error| failed(&error));
    log.flush();
    outcome
}
