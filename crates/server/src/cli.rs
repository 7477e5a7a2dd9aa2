//! The command line: which command, with which configuration, and what exit status.
//!
//! Commands write their answer to standard output and their troubles to standard error. The exit
//! status is 0 when done, 1 when failed, 2 for wrong use or a wrong configuration.

mod accounts;
mod arguments;
mod clients;
mod config;
mod dialogue;
mod input;
mod keys;
mod output;
mod sessions;
mod span;
mod store;
mod table;
mod token;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use thiserror::Error;

use self::arguments::{Arguments, Command};
use self::dialogue::Dialogue;
use self::input::Input;
use self::output::Output;
use crate::causes::chain;
use crate::compose;
use crate::config::{Environment, Loaded, Problems, Request};
use crate::demo;
use crate::telemetry;

/// Why a command didn't do what it was asked for.
#[derive(Debug, Error)]
pub(crate) enum CommandError {
    /// The configuration is wrong: exit status 2.
    #[error(transparent)]
    Configuration(#[from] Problems),
    /// The arguments or the input don't say what to do, or the configuration has no place for it:
    /// exit status 2.
    #[error("{0}")]
    Usage(String),
    /// It was tried and failed: exit status 1.
    #[error("{0}")]
    Failed(String),
    /// The answer itself is a no, and says so: exit status 1.
    #[error("no")]
    Told,
    /// The answer couldn't be written: exit status 1.
    #[error("can't write the answer")]
    Output(#[from] std::io::Error),
}

impl CommandError {
    const fn status(&self) -> u8 {
        match self {
            Self::Configuration(_) | Self::Usage(_) => 2,
            Self::Failed(_) | Self::Told | Self::Output(_) => 1,
        }
    }
}

/// Runs the program with the arguments and the environment of this process.
pub(crate) fn run() -> ExitCode {
    let (arguments, environment) = (std::env::args_os(), Environment::of_process());
    let (mut input, mut output) = (Input::of_process(), Output::of_process());
    ExitCode::from(run_with(arguments, environment, PathBuf::new(), &mut input, &mut output))
}

/// The same with everything given; relative paths start at `directory`.
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
    let dialogue = Dialogue { request: &request, json, input, output: &mut *output };
    dispatch(command, dialogue).map_or_else(|error| output.error(&error, json), |()| 0)
}

fn dispatch(command: Command, mut dialogue: Dialogue<'_, '_>) -> Result<(), CommandError> {
    let Dialogue { request, json, .. } = dialogue;
    match command {
        Command::Serve => serve(crate::config::load(request)?, request, json),
        Command::Demo => demo::run(json).map_err(|it| CommandError::Failed(chain(&it))),
        Command::Accounts { command } => accounts::run(command, &mut dialogue),
        Command::Sessions { command } => sessions::run(command, &mut dialogue),
        Command::Keys { command } => keys::run(command, &mut dialogue),
        Command::Store { command } => store::run(command, &mut dialogue),
        Command::Token { command } => token::run(command, &mut dialogue),
        Command::Clients { command } => clients::run(command, request, json, dialogue.output),
        Command::Config { command } => config::run(command, request, json, dialogue.output),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "aquaware", &mut script);
            Ok(dialogue.output.bytes(&script)?)
        }
    }
}

fn serve(loaded: Loaded, request: &Request, json: bool) -> Result<(), CommandError> {
    let failed = |error: &dyn std::error::Error| CommandError::Failed(chain(error));
    telemetry::install(&loaded.config.log, json).map_err(|it| failed(&it))?;
    compose::serve(loaded, request.clone()).map_err(|it| failed(&it))
}

#[cfg(test)]
mod tests;
