//! `cargo xtask chaos`: the client libraries in `clients` and `examples/clients` against the built
//! program.
//!
//! Each library has tests in its own language, which also check its size.

mod libraries;
mod tools;

use crate::chaos::libraries::LIBRARIES;
use crate::error::TaskError;
use crate::packages::Permission;
use crate::program;
use crate::report::Report;

/// The program, as `cargo xtask interop` builds it.
const TARGETS: [&str; 4] = ["--bin", "aquaware", "--test", "servers"];

/// Runs the command.
///
/// # Errors
/// Something is missing and cannot be installed, or a check failed.
pub(crate) fn run(permission: Permission) -> Result<(), TaskError> {
    let mut report = Report::default();
    let tools = report.step("tools", || tools::ensure(permission));
    let program = report.step("build", || program::build(&TARGETS));
    for library in &LIBRARIES {
        match (&program, tools) {
            (Some(program), Some(())) => {
                let _ = report.step(library.name, || library.test(program));
            }
            _ => report.skip(library.name, "its requirements are missing"),
        }
    }
    report.finish()
}
