//! Where a value was typed, and the environment as one argument.
//!
//! The process environment is read once, at the outermost place. Everything behind it takes the
//! pairs as they are, so a test passes its own.

use std::ffi::OsString;
use std::fmt;

/// The variable that names the configuration file.
pub(crate) const FILE_VARIABLE: &str = "AQUAWARE_CONFIG";
/// What every other variable of this program begins with.
pub(crate) const PREFIX: &str = "AQUAWARE_";

/// Where a value comes from, as an error or `config show` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nobody typed it.
    Default,
    /// A line of the file, counted from 1; 0 stands for the file as a whole.
    File {
        /// The file as it was named.
        path: String,
        /// The line.
        line: usize,
    },
    /// A variable, as it is spelled in the environment.
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

/// The variables of a process. Their values may be secrets, so they are never formatted.
#[derive(Clone, Default)]
pub(crate) struct Environment(Vec<(OsString, OsString)>);

impl Environment {
    /// The variables of this process, as they are now.
    #[allow(clippy::disallowed_methods, reason = "this is where the environment is read")]
    pub(crate) fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// The value of [`FILE_VARIABLE`], if it is set.
    pub(super) fn file(&self) -> Option<&OsString> {
        self.0.iter().find(|(name, _)| name == FILE_VARIABLE).map(|(_, value)| value)
    }

    /// The variables that speak to this program, [`FILE_VARIABLE`] aside, in order of name.
    pub(super) fn ours(&self) -> Vec<(String, Option<&str>)> {
        let mut ours: Vec<_> = self
            .0
            .iter()
            .filter(|(name, _)| name != FILE_VARIABLE)
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_str()))
            .filter(|(name, _)| name.to_ascii_uppercase().starts_with(PREFIX))
            .collect();
        ours.sort();
        ours
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
    fn only_variables_of_this_program_are_looked_at() {
        let environment = Environment::from_iter([
            ("PATH", "/bin"),
            ("AQUAWARE_LOG__LEVEL", "debug"),
            ("AQUAWARE_CONFIG", "a.toml"),
            ("aquaware_issuer", "x"),
        ]);
        let names: Vec<_> = environment.ours().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["AQUAWARE_LOG__LEVEL", "aquaware_issuer"]);
        assert_eq!(environment.file().unwrap(), "a.toml");
    }

    #[test]
    fn an_environment_is_never_formatted() {
        let environment = Environment::from_iter([("AQUAWARE_STORE__SESSIONS", "horse")]);
        assert!(!format!("{environment:?}").contains("horse"));
    }
}
