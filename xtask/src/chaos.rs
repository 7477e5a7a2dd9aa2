//! `cargo xtask chaos`: the client libraries against the built program.
//!
//! Each library has tests in its own language, which also check its size, and a driver that takes
//! it through a storm.

mod libraries;
mod network;
mod order;
mod storm;
mod tools;

use std::path::PathBuf;

use clap::Args;

use crate::chaos::libraries::{LIBRARIES, Library, RIVALS};
use crate::chaos::storm::Extent;
use crate::error::TaskError;
use crate::packages::Permission;
use crate::program;
use crate::report::Report;
use crate::tool;

/// The program, as `cargo xtask interop` builds it, and the driver of the Rust client.
const TARGETS: [&str; 6] = ["--bin", "aquaware", "--bin", "client-driver", "--test", "servers"];

/// The options of the command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// How many refreshes each library makes in the storm.
    #[arg(long, default_value_t = 2_000, value_name = "COUNT")]
    refreshes: u64,
    /// What determines the faults of the network.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,
    /// Only the libraries with names that begin so, in lower case.
    #[arg(long, default_value = "", value_name = "NAME", hide_default_value = true)]
    only: String,
    /// Take public libraries of others through the storm instead, and count their logouts.
    #[arg(long)]
    rivals: bool,
    /// Use this program instead of building one. Drivers that are built must be beside it.
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// Do not install the distribution's packages.
    #[arg(long)]
    no_install: bool,
}

/// Runs the command.
///
/// # Errors
/// Something is missing and cannot be installed, or a check failed.
pub(crate) fn run(options: &Options) -> Result<(), TaskError> {
    let Options { refreshes, seed, ref only, rivals, ref program, no_install } = *options;
    let mut report = Report::default();
    let tools = report.step("tools", || {
        let permission = Permission::unless(no_install);
        tool::ensure(&tools::TOOLS, permission)?;
        if rivals { tool::ensure(&tools::NPM, permission) } else { Ok(()) }
    });
    // Tests and drivers run in other directories.
    let program = program.as_ref().map(std::path::absolute).transpose();
    let program = program.map_err(TaskError::io("cannot find the current directory"))?;
    let program = program.or_else(|| report.step("build", || program::build(&TARGETS)));
    let libraries: &[Library] = if rivals { &RIVALS } else { &LIBRARIES };
    for library in libraries.iter().filter(|it| it.name.to_lowercase().starts_with(only)) {
        match (&program, tools) {
            (Some(program), Some(())) => {
                let _ = report.step(library.name, || {
                    library.test(program)?;
                    storm::run(library, program, Extent { refreshes, seed }, rivals)
                });
            }
            _ => report.skip(library.name, "its requirements are missing"),
        }
    }
    report.finish()
}
