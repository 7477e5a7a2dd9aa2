//! `cargo xtask layers`: crates depend only as the layers allow.
//!
//! The rules are in `rules.rs`, pure; `graph.rs` reads what cargo knows into their terms.

mod graph;
mod rules;

use crate::cargo;
use crate::failure::Failure;
use crate::layers::graph::Graph;
use crate::tidy::Tree;

/// Runs the command.
///
/// # Errors
/// A forbidden arrow, or a crate that the table of layers doesn't know.
pub(crate) fn run() -> Result<(), Failure> {
    let graph = Graph::read(&cargo::metadata()?)?;
    let mut violations = rules::violations(&graph);
    for file in Tree::read(cargo::root())?.files() {
        violations.extend(rules::jwt_outside_its_module(&file.path, &file.text));
    }
    Failure::if_any(violations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_keeps_its_layers() {
        if let Err(failure) = run() {
            panic!("{failure}");
        }
    }
}
