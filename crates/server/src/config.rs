//! The configuration: what was typed ([`raw`]) becomes what is meant ([`checked`]).
//!
//! [`load`] is the only way in. It takes the environment as an argument, reads the file, and gives
//! either a configuration in which nothing is left to check, or every mistake in it at once.

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
mod unavailable;
mod value;

use std::io::ErrorKind;
use std::path::PathBuf;

use serde_json::Value as Json;

pub(crate) use self::checked::{
    Accounts, Config, Engine, Log, LogFormat, Origin, Signup, StoreUrl, Stores,
};
use self::problem::Problem;
pub(crate) use self::problem::Problems;
use self::raw::Raw;
pub(crate) use self::source::Environment;
use self::source::{FILE_VARIABLE, Source};

/// The file that is read where none is named, if it is there.
const USUAL_FILE: &str = "aquaware.toml";

/// Where a configuration comes from. Kept by a running server, to load it again on SIGHUP.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// `--config FILE`.
    pub(crate) file: Option<PathBuf>,
    /// The variables.
    pub(crate) environment: Environment,
    /// Where relative paths start; empty for the working directory.
    pub(crate) directory: PathBuf,
}

/// A configuration and what it was made from.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// What is meant.
    pub(crate) config: Config,
    /// The file that was read, as it was named.
    pub(crate) file: Option<PathBuf>,
    raw: Raw,
}

impl Loaded {
    /// The configuration in force as TOML, secrets masked, with the source of what is no default.
    pub(crate) fn toml(&self) -> String {
        show::toml(&self.raw)
    }

    /// The same in JSON.
    pub(crate) fn json(&self) -> Json {
        show::json(&self.raw)
    }
}

/// Reads and checks the configuration.
///
/// # Errors
/// Every mistake there is. Where the file can't be read to its end, those of the variables are
/// told with it, while the rest of the file isn't judged.
pub(crate) fn load(request: &Request) -> Result<Loaded, Problems> {
    let mut raw = Raw::new();
    let file = read_file(request, &mut raw);
    raw.add_environment(&request.environment);
    let mut problems = std::mem::take(&mut raw.problems);
    let checked = checked::check(&raw, &request.directory);
    match checked {
        Ok(config) if problems.is_empty() => return Ok(Loaded { config, file, raw }),
        Ok(_) => {}
        Err(more) => problems
            .extend(more.into_iter().filter(|problem| {
                !raw.incomplete || matches!(problem.source, Source::Variable(_))
            })),
    }
    Err(Problems(in_order(problems)))
}

/// The file that was read, if there is one.
fn read_file(request: &Request, raw: &mut Raw) -> Option<PathBuf> {
    let variable = request.environment.file().filter(|_| request.file.is_none());
    if variable.is_some_and(|value| value.is_empty()) {
        let source = Source::Variable(FILE_VARIABLE.to_owned());
        raw.add_unusable_file(Problem::at(source, "names no file; name one or unset it"));
        return None;
    }
    let named = request.file.clone().or_else(|| variable.map(PathBuf::from));
    let path = named.clone().unwrap_or_else(|| PathBuf::from(USUAL_FILE));
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
            raw.add_unusable_file(Problem::at(source, format!("can't be read{named}: {error}")));
        }
    }
    Some(path)
}

/// Those of the file by line, then those of the variables by name.
fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by(|a, b| place(a).cmp(&place(b)));
    problems
}

fn place(problem: &Problem) -> (u8, usize, &str) {
    match &problem.source {
        Source::Default => (0, 0, ""),
        Source::File { line, .. } => (1, *line, ""),
        Source::Variable(name) => (2, 0, name),
    }
}

#[cfg(test)]
mod tests;
