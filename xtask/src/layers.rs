//! `cargo xtask layers`: crates depend on each other only downwards, and files of one crate import
//! each other without circles.
//!
//! Which crates may name a foreign engine such as diesel is decided in `deny.toml`.

mod crates;
mod imports;

use crate::cargo;
use crate::error::TaskError;
use crate::tree::Tree;

/// Runs the command.
///
/// # Errors
/// A forbidden dependency, a crate that the table of layers does not know, or a circle.
pub(crate) fn run() -> Result<(), TaskError> {
    let mut violations = crates::violations(&cargo::metadata()?)?;
    violations.extend(imports::circles(&Tree::read(cargo::root())?));
    TaskError::if_any(&violations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_keeps_its_layers() {
        if let Err(error) = run() {
            panic!("{error}");
        }
    }
}
