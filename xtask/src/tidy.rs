//! `cargo xtask tidy`: what can be said of the text of files without compiling anything.
//!
//! Each check is a pure function of the [`Tree`], so that each has a test that sees it go red.

mod docs;
mod markdown;
mod rust;
mod text;
mod tree;

use std::fmt;

use crate::cargo;
use crate::failure::Failure;
pub(crate) use crate::tidy::tree::Tree;

/// Something to mend.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    /// Counted from one; zero for the file as a whole.
    line: usize,
    what: String,
}

impl Finding {
    fn file(path: &str, what: impl Into<String>) -> Self {
        Self::line(path, 0, what)
    }

    fn line(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.into(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

type Check = fn(&Tree) -> Vec<Finding>;

const CHECKS: [Check; 11] = [
    text::trailing_whitespace,
    text::private_paths,
    rust::opening,
    rust::size,
    rust::tabs,
    rust::banned_words,
    docs::links,
    docs::names,
    docs::decision_records,
    docs::changelog,
    docs::front_page,
];

/// Runs the command.
///
/// # Errors
/// Any check found something, or the files can't be read.
pub(crate) fn run() -> Result<(), Failure> {
    let tree = Tree::read(cargo::root())?;
    let mut findings: Vec<Finding> = CHECKS.iter().flat_map(|check| check(&tree)).collect();
    findings.sort();
    Failure::if_any(findings.iter().map(Finding::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_names_the_line_if_there_is_one() {
        assert_eq!(Finding::line("a.rs", 3, "bad").to_string(), "a.rs:3: bad");
        assert_eq!(Finding::file("a.rs", "bad").to_string(), "a.rs: bad");
    }
}
