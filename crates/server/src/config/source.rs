//! The sources of values, and the environment variables as an argument.
//!
//! The environment of the process is read once, at the entry point. Everything else receives it as
//! an argument, so that tests can pass their own.

use std::ffi::OsString;
use std::fmt;

/// The variable with the path of the configuration file.
pub(crate) const FILE_VARIABLE: &str = "AQUAWARE_CONFIG";
/// The prefix of all other variables of this program.
pub(crate) const PREFIX: &str = "AQUAWARE_";

/// The source of a value, as displayed in errors and by `config show`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Default,
    /// A line of the file, starting with 1; 0 is the whole file.
    File {
        path: String,
        line: usize,
    },
    /// An environment variable, by its name.
    Variable(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: 0 } => f.write_str(path),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// The environment variables of a process. They may be secrets and are never formatted.
#[derive(Clone, Default)]
pub(crate) struct Environment(Vec<(OsString, OsString)>);

impl Environment {
    /// The current environment of this process.
    #[allow(clippy::disallowed_methods, reason = "this is where the environment is read")]
    pub(crate) fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// The value of [`FILE_VARIABLE`], if it is set and not empty.
    pub(super) fn file(&self) -> Option<&OsString> {
        let found = self.0.iter().find(|(name, _)| name == FILE_VARIABLE);
        found.map(|(_, value)| value).filter(|value| !value.is_empty())
    }

    /// The variables of this program except [`FILE_VARIABLE`], ordered by name.
    pub(super) fn variables(&self) -> Vec<(String, Option<&str>)> {
        let mut variables: Vec<_> = self
            .0
            .iter()
            .filter(|(name, _)| name != FILE_VARIABLE)
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_str()))
            .filter(|(name, _)| name.to_ascii_uppercase().starts_with(PREFIX))
            .collect();
        variables.sort();
        variables
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment({} variables)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_variables_are_ignored() {
        let environment = Environment::from_iter([
            ("PATH", "/bin"),
            ("AQUAWARE_LOG__LEVEL", "debug"),
            ("AQUAWARE_CONFIG", "a.toml"),
            ("aquaware_issuer", "x"),
        ]);
        let names: Vec<_> = environment.variables().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["AQUAWARE_LOG__LEVEL", "aquaware_issuer"]);
        assert_eq!(environment.file().unwrap(), "a.toml");
    }

    #[test]
    fn an_environment_is_never_formatted() {
        let environment = Environment::from_iter([("AQUAWARE_STORE__SESSIONS", "horse")]);
        assert!(!format!("{environment:?}").contains("horse"));
    }
}
