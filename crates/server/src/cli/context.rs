//! What every command uses: configuration, input and output.

use aquaware_core::service::RequestContext;
use aquaware_core::time::Clock as _;
use serde_json::Value as Json;

use super::error::CommandError;
use super::input::Input;
use super::output::Output;
use crate::compose::{UseCases, use_cases_for_commands};
use crate::config::{Config, Request, StoreUrl, load};
use crate::telemetry::with_events;
use aquaware_core::error_chain;
use aquaware_core::time::SystemClock;

/// The configuration, input and output of one command.
pub(super) struct Context<'a, 'o> {
    pub(super) request: &'a Request,
    pub(super) json: bool,
    pub(super) input: &'a mut Input,
    pub(super) output: &'a mut Output<'o>,
}

impl Context<'_, '_> {
    pub(super) fn config(&self) -> Result<Config, CommandError> {
        Ok(load(self.request)?.config)
    }

    /// Loads the configuration, which must not keep stores in memory.
    pub(super) fn config_with_stores(&self) -> Result<Config, CommandError> {
        let config = self.config()?;
        match memory_store(&config) {
            Some(setting) => Err(CommandError::Usage(format!(
                "{setting} is \"memory:\"; this data exists only inside the running server and \
                 cannot be accessed by commands"
            ))),
            None => Ok(config),
        }
    }

    /// Prints the result, as JSON or as text.
    pub(super) fn print(&mut self, json: &Json, text: &str) -> Result<(), CommandError> {
        if self.json {
            self.output.json(json)?
        } else {
            self.output.line(text.trim_end())?
        }
        Ok(())
    }

    /// Continues if the operator confirms: with `--yes`, or at the terminal.
    pub(super) fn confirm(&mut self, what: &str, yes: bool) -> Result<(), CommandError> {
        if yes {
            return Ok(());
        }
        if !self.input.is_terminal() {
            return Err(CommandError::Usage(format!("{what}; use --yes to confirm")));
        }
        self.output.hint(&format!("{what}. Type yes to confirm: "));
        if self.input.text()?.trim() == "yes" {
            return Ok(());
        }
        Err(CommandError::Failed("nothing was changed".to_owned()))
    }
}

/// The setting that keeps a store in the memory of the server.
pub(super) fn memory_store(config: &Config) -> Option<&'static str> {
    let stores =
        [("store.accounts", &config.store.accounts), ("store.sessions", &config.store.sessions)];
    stores.into_iter().find(|(_, url)| matches!(url, StoreUrl::Memory)).map(|(setting, _)| setting)
}

/// Opens the stores of `config` and runs `work` with them. Events are written to standard error.
pub(super) fn with_stores<T>(
    config: &Config,
    work: impl AsyncFnOnce(UseCases, RequestContext) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    with_events(&config.log, || with_stores_silently(config, work))
}

/// As [`with_stores`], without the events.
pub(super) fn with_stores_silently<T>(
    config: &Config,
    work: impl AsyncFnOnce(UseCases, RequestContext) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let now = SystemClock.now();
    actix_web::rt::System::new().block_on(async {
        let opened = use_cases_for_commands(config, now).await.map_err(failed)?;
        let request = opened.sessions.context(now);
        work(opened, request).await
    })
}

/// An error with its causes.
pub(super) fn failed(error: impl std::error::Error) -> CommandError {
    CommandError::Failed(error_chain(&error))
}
