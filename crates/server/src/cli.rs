//! The command line: parses arguments, runs a command and returns its exit status.
//!
//! Commands write results to standard output and errors to standard error. The exit status is 0 for
//! success, 1 for failure, and 2 for invalid arguments or an invalid configuration.

mod accounts;
mod arguments;
mod clients;
mod config;
mod context;
mod doctor;
mod error;
mod guard;
mod health;
mod input;
mod keys;
mod output;
mod progress;
mod sessions;
mod severity;
mod span;
mod store;
mod table;
mod token;
mod webhook;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use self::arguments::{Arguments, Command};
use self::context::Context;
use self::error::CommandError;
use self::input::Input;
use self::output::Output;
use crate::compose;
use crate::config::{Environment, Loaded, Request};
use crate::telemetry;
use aquaware_core::error_chain;

/// Runs the program with the arguments and the environment of this process.
pub(crate) fn run() -> ExitCode {
    let (arguments, environment) = (std::env::args_os(), Environment::of_process());
    let (mut input, mut output) = (Input::of_process(), Output::of_process());
    ExitCode::from(run_with(arguments, environment, PathBuf::new(), &mut input, &mut output))
}

/// Like [`run`], with everything passed in. Relative paths start at `directory`.
fn run_with(
    arguments: impl IntoIterator<Item = OsString>,
    environment: Environment,
    directory: PathBuf,
    input: &mut Input,
    output: &mut Output<'_>,
) -> u8 {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return output.usage(&error),
    };
    let json = arguments.json;
    let request = Request { file: arguments.config, environment, directory };
    let command = arguments.command.unwrap_or(Command::Serve);
    let context = Context { request: &request, json, input, output: &mut *output };
    dispatch(command, context).map_or_else(|error| output.error(&error, json), |()| 0)
}

fn dispatch(command: Command, mut context: Context<'_, '_>) -> Result<(), CommandError> {
    let Context { request, json, .. } = context;
    match command {
        Command::Serve => serve(crate::config::load(request)?, request, json),
        #[cfg(feature = "demo")]
        Command::Demo => {
            crate::demo::run(json).map_err(|it| CommandError::Failed(error_chain(&it)))
        }
        Command::Accounts { command } => accounts::run(command, &mut context),
        Command::Sessions { command } => sessions::run(command, &mut context),
        Command::Keys { command } => keys::run(command, &mut context),
        Command::Store { command } => store::run(command, &mut context),
        Command::Token { command } => token::run(command, &mut context),
        Command::Clients { command } => clients::run(command, json, context.output),
        Command::Webhook { command } => webhook::run(command, &mut context),
        Command::Config { command } => config::run(command, request, json, context.output),
        Command::Guard { arguments } => guard::run(&arguments, json),
        Command::Doctor => doctor::run(&mut context),
        Command::Health => health::run(request, context.output),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "aquaware", &mut script);
            Ok(context.output.bytes(&script)?)
        }
    }
}

fn serve(loaded: Loaded, request: &Request, json: bool) -> Result<(), CommandError> {
    let failed = |error: &dyn std::error::Error| CommandError::Failed(error_chain(error));
    let log = telemetry::install(&loaded.config.log, json).map_err(|it| failed(&it))?;
    #[cfg(feature = "otlp")]
    let endpoint = loaded.config.otlp_endpoint.as_ref();
    #[cfg(feature = "otlp")]
    let traces = endpoint.map(|it| telemetry::Traces::start(it.expose())).transpose();
    #[cfg(feature = "otlp")]
    let traces = traces.map_err(|it| failed(&it))?;
    for warning in &loaded.warnings {
        tracing::warn!(%warning, "this setting is probably not intended");
    }
    let outcome = compose::serve(loaded, request.clone(), log.dropped()).map_err(|it| failed(&it));
    #[cfg(feature = "otlp")]
    if let Some(traces) = traces {
        traces.stop();
    }
    log.flush();
    outcome
}

#[cfg(test)]
mod tests;
