//! `cargo xtask tidy`: checks of the text of files that need no compiler.
//!
//! Each check is a pure function of the [`Tree`], so that its test can see it fail.

mod conformance;
mod docs;
mod finding;
mod language;
mod markdown;
mod rust;
mod snippets;
mod text;

use crate::cargo;
use crate::error::TaskError;
use crate::tidy::finding::Finding;
use crate::tree::Tree;

type Check = fn(&Tree) -> Vec<Finding>;

const CHECKS: [Check; 12] = [
    text::trailing_whitespace,
    text::private_paths,
    rust::opening,
    rust::size,
    rust::banned_words,
    docs::links,
    docs::names,
    docs::decision_records,
    docs::changelog,
    docs::long_cells,
    conformance::check,
    snippets::check,
];

/// Runs the command.
///
/// # Errors
/// A check found something, or the files cannot be read.
pub(crate) fn run() -> Result<(), TaskError> {
    let tree = Tree::read(cargo::root())?;
    let mut findings: Vec<Finding> = CHECKS.iter().flat_map(|check| check(&tree)).collect();
    findings.sort();
    let mut lines: Vec<_> = findings.iter().map(Finding::to_string).collect();
    let counts = language::count(&tree);
    eprintln!("per 10,000 words of comments and documentation: {counts}");
    lines.extend(counts.excess());
    TaskError::if_any(&lines)
}
