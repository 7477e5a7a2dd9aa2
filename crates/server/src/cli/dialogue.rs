//! What a command needs to speak with whoever called it.

use aquaware_core::service::RequestContext;
use aquaware_core::time::Clock as _;
use serde_json::Value as Json;

use super::CommandError;
use super::input::Input;
use super::output::Output;
use crate::causes::chain;
use crate::compose::{Administration, administer};
use crate::config::{Config, Request, StoreUrl, load};
use aquaware_core::time::SystemClock;

/// Configuration, input and output of one command.
pub(super) struct Dialogue<'a, 'o> {
    /// Where the configuration comes from.
    pub(super) request: &'a Request,
    /// Whether a program listens.
    pub(super) json: bool,
    /// What is read.
    pub(super) input: &'a mut Input,
    /// What is written.
    pub(super) output: &'a mut Output<'o>,
}

impl Dialogue<'_, '_> {
    /// The configuration, checked.
    pub(super) fn config(&self) -> Result<Config, CommandError> {
        Ok(load(self.request)?.config)
    }

    /// The configuration, if others can reach its stores.
    pub(super) fn config_with_stores(&self) -> Result<Config, CommandError> {
        let config = self.config()?;
        match memory_store(&config) {
            Some(setting) => Err(CommandError::Usage(format!(
                "{setting} is \"memory:\": what is kept there lives inside the running server and \
                 can't be reached from outside"
            ))),
            None => Ok(config),
        }
    }

    /// Writes the answer: `json` for a program, `text` for a person.
    pub(super) fn answer(&mut self, json: &Json, text: &str) -> Result<(), CommandError> {
        if self.json {
            self.output.json(json)?
        } else {
            self.output.line(text.trim_end())?
        }
        Ok(())
    }

    /// Goes on if that is meant: by `--yes`, or by a person who is asked.
    pub(super) fn confirm(&mut self, what: &str, yes: bool) -> Result<(), CommandError> {
        if yes {
            return Ok(());
        }
        if !self.input.is_terminal() {
            return Err(CommandError::Usage(format!("{what}. Say --yes if that is meant")));
        }
        self.output.hint(&format!("{what}. Type yes if that is meant: "));
        if self.input.text()?.trim() == "yes" {
            return Ok(());
        }
        Err(CommandError::Failed("nothing was changed".to_owned()))
    }
}

/// The setting that puts a store where nobody else can reach it.
pub(super) fn memory_store(config: &Config) -> Option<&'static str> {
    let stores =
        [("store.accounts", &config.store.accounts), ("store.sessions", &config.store.sessions)];
    stores.into_iter().find(|(_, url)| matches!(url, StoreUrl::Memory)).map(|(setting, _)| setting)
}

/// Does `work` with the stores of `config`, opened for it.
pub(super) fn with_stores<T>(
    config: &Config,
    work: impl AsyncFnOnce(Administration, RequestContext) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let now = SystemClock.now();
    actix_web::rt::System::new().block_on(async {
        let opened = administer(config, now).await.map_err(failed)?;
        let context = opened.sessions.context(now);
        work(opened, context).await
    })
}

/// A failure with everything behind it.
pub(super) fn failed(error: impl std::error::Error) -> CommandError {
    CommandError::Failed(chain(&error))
}
