//! `cargo xtask interop`: client libraries of other projects use the built program.
//!
//! The clients are libraries of Python and Node in pinned versions and of Go in the distribution's,
//! driven by the scripts in `tests/interop`, which decide what is checked. This command installs the libraries, starts a
//! server for each script, and passes its address and secrets as environment variables.

mod accepted;
mod environment;
mod go;
mod language;
mod node;
mod python;
mod server;
mod suites;
mod tally;
mod tools;

use std::path::Path;

use clap::Args;

use crate::error::TaskError;
use crate::interop::accepted::Accepted;
use crate::interop::environment::Environment;
use crate::interop::go::Go;
use crate::interop::language::Language;
use crate::interop::node::Node;
use crate::interop::python::Python;
use crate::interop::suites::{SUITES, Suite};
use crate::interop::tally::Tally;
use crate::packages::Permission;
use crate::program;
use crate::report::Report;
use crate::tool;

/// The program, as `cargo xtask test` builds it: a small test among the targets makes cargo settle
/// on the same features, so that neither command has to build everything again.
const TARGETS: [&str; 4] = ["--bin", "aquaware", "--test", "servers"];

/// The options of the command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Only the scripts with names that contain this; the table in docs/interop.md is not compared.
    #[arg(long, default_value = "", value_name = "NAME", hide_default_value = true)]
    only: String,
    /// Do not install the distribution's packages.
    #[arg(long)]
    no_install: bool,
}

/// Runs the command. Its last line counts the checks.
///
/// # Errors
/// Something is missing and cannot be installed, or a check failed.
pub(crate) fn run(options: &Options) -> Result<(), TaskError> {
    let permission = Permission::unless(options.no_install);
    let mut report = Report::default();
    let (mut tally, mut accepted) = (Tally::default(), Accepted::default());
    let program = report.step("build", || program::build(&TARGETS));
    let tools = report.step("tools", || tool::ensure(&tools::TOOLS, permission));
    report.step("proxies", || tool::ensure(&tool::PROXIES, permission));
    let python = tools.and_then(|()| report.step("Python packages", Python::prepare));
    let node = tools.and_then(|()| report.step("Node packages", Node::prepare));
    let go = tools.and_then(|()| report.step("Go programs", Go::prepare));
    for suite in SUITES.iter().filter(|it| it.name.contains(&options.only)) {
        let environment: Option<&dyn Environment> = match suite.language {
            Language::Python => python.as_ref().map(|it| it as &dyn Environment),
            Language::Node => node.as_ref().map(|it| it as &dyn Environment),
            Language::Go => go.as_ref().map(|it| it as &dyn Environment),
        };
        match (&program, environment) {
            (Some(program), Some(environment)) => {
                let found = (&mut tally, &mut accepted);
                let _ = report.step(suite.name, || drive(suite, program, environment, found));
            }
            _ => {
                tally.fail();
                report.skip(suite.name, "its requirements are missing");
            }
        }
    }
    if tally.is_success() && options.only.is_empty() {
        report.step("docs/interop.md", || accepted.update_page());
    }
    if report.finish().is_ok() && tally.is_success() {
        println!("{tally}");
        return Ok(());
    }
    Err(TaskError::Message(tally.as_failure().to_string()))
}

/// Runs a script against a new server, and counts its checks.
fn drive(
    suite: &Suite,
    program: &Path,
    environment: &dyn Environment,
    (total, accepted): (&mut Tally, &mut Accepted),
) -> Result<(), TaskError> {
    let tally = server::Server::start(program, suite.algorithm).and_then(|server| {
        let tally = suites::run(suite, environment, &server, accepted)?;
        if !tally.is_success() {
            eprintln!("{}", server.log());
        }
        Ok(tally)
    });
    match tally {
        Ok(tally) => {
            total.add(tally);
            if tally.is_success() { Ok(()) } else { Err(TaskError::Message(tally.to_string())) }
        }
        Err(error) => {
            total.fail();
            Err(error)
        }
    }
}
