//! The configuration, from the file and the environment ([`raw`]) to checked values ([`checked`]).
//!
//! [`load`] is the only entry point. It receives the environment as an argument, reads the file, and
//! returns either a fully checked configuration or all errors at once.

mod checked;
mod parse;
mod problem;
mod raw;
mod reader;
mod schema;
mod secret;
mod show;
mod source;
mod types;
mod value;

use std::io::ErrorKind;
use std::path::PathBuf;

use serde_json::Value as Json;

pub(crate) use self::checked::{
    Accounts, Config, Engine, Log, LogFormat, SIMPLEJWT_CLIENT, Signup, SimpleJwt, StoreUrl,
    Stores, Webhook,
};
pub(crate) use self::problem::{Problem, Problems};
use self::raw::Raw;
use self::schema::Key;
pub(crate) use self::source::Environment;
use self::source::{FILE_VARIABLE, Source};

/// The file that is read by default, if it exists.
const DEFAULT_FILE: &str = "aquaware.toml";

/// The sources of a configuration. A running server keeps them, to reload on SIGHUP.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) file: Option<PathBuf>,
    pub(crate) environment: Environment,
    /// The base of relative paths; empty for the working directory.
    pub(crate) directory: PathBuf,
}

/// A configuration and its sources.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// The path of the file that was read, as given.
    pub(crate) file: Option<PathBuf>,
    /// Valid settings that are probably not intended.
    pub(crate) warnings: Vec<Problem>,
    raw: Raw,
}

impl Loaded {
    /// The effective configuration as TOML, with secrets masked and the sources of non-default values.
    pub(crate) fn toml(&self) -> String {
        show::toml(&self.raw, self.config.store.shares_limits())
    }

    /// This configuration with the settings of `new` that can change while a server runs: those of
    /// clients, and when and how keys are created; and the keys of the other settings that differ.
    ///
    /// # Errors
    /// All errors of the combination, for example a file that a relative path no longer names.
    pub(crate) fn reloaded(
        &self,
        new: &Self,
        request: &Request,
    ) -> Result<(Self, Vec<String>), Problems> {
        const KEYS: [Key; 2] = [Key::plain("keys.algorithm"), Key::plain("keys.rotate_every")];
        let apply = |key: &Key| key.client().is_some() || KEYS.contains(key);
        let (raw, differing) = self.raw.reloaded(&new.raw, apply);
        let config = checked::check(&raw, &request.directory).map_err(Problems)?;
        let warnings = checked::warnings(&config, &raw);
        let loaded = Self { config, file: new.file.clone(), warnings, raw };
        Ok((loaded, differing.iter().map(Key::to_string).collect()))
    }

    pub(crate) fn json(&self) -> Json {
        show::json(&self.raw, self.config.store.shares_limits())
    }
}

/// Reads and checks the configuration.
///
/// # Errors
/// All errors. If the file cannot be parsed, only errors in environment variables are reported with
/// it: other errors could be consequences.
pub(crate) fn load(request: &Request) -> Result<Loaded, Problems> {
    let mut raw = Raw::new();
    let file = read_file(request, &mut raw);
    raw.add_environment(&request.environment);
    let mut problems = std::mem::take(&mut raw.problems);
    let checked = checked::check(&raw, &request.directory);
    match checked {
        Ok(config) if problems.is_empty() => {
            let warnings = checked::warnings(&config, &raw);
            return Ok(Loaded { config, file, warnings, raw });
        }
        Ok(_) => {}
        Err(more) => problems
            .extend(more.into_iter().filter(|problem| {
                !raw.incomplete || matches!(problem.source, Source::Variable(_))
            })),
    }
    Err(Problems(in_order(problems)))
}

/// Reads the file, if there is one, and returns its path.
fn read_file(request: &Request, raw: &mut Raw) -> Option<PathBuf> {
    let variable = request.environment.file().filter(|_| request.file.is_none());
    let named = request.file.clone().or_else(|| variable.map(PathBuf::from));
    let path = named.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    let shown = path.display().to_string();
    match std::fs::read(request.directory.join(&path)) {
        Ok(bytes) => raw.add_file(&shown, &bytes),
        Err(error) if error.kind() == ErrorKind::NotFound && named.is_none() => return None,
        Err(error) => {
            let named = if variable.is_some() {
                format!(" (named by {FILE_VARIABLE})")
            } else {
                String::new()
            };
            let source = Source::File { path: shown, line: 0 };
            raw.add_unusable_file(Problem::at(source, format!("cannot be read{named}: {error}")));
        }
    }
    Some(path)
}

/// Errors in the file by line, then errors in variables by name.
fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by(|a, b| rank(a).cmp(&rank(b)));
    problems
}

fn rank(problem: &Problem) -> (u8, usize, &str) {
    match &problem.source {
        Source::Default => (0, 0, ""),
        Source::File { line, .. } => (1, *line, ""),
        Source::Variable(name) => (2, 0, name),
    }
}

#[cfg(test)]
mod tests;
