//! `cargo xtask interop`: clients that others wrote use the built program.
//!
//! The clients are libraries of Python and Node in pinned versions, driven by the scripts in
//! `tests/interop`. What they check is theirs to say; here they get what they need: installed
//! libraries, a server of their own for each script, and its address and secrets as variables.

mod environment;
mod server;
mod suites;
mod tally;
mod tools;

use std::path::Path;

use crate::failure::Failure;
use crate::interop::environment::{Environment, Node, Python};
use crate::interop::suites::{Language, SUITES, Suite};
pub(crate) use crate::interop::tally::Tally;
use crate::packages::Permission;
use crate::program;
use crate::report::Report;

/// What is built: the program, as `cargo xtask test` builds it. A small test among the targets
/// makes cargo settle on the same features, so that neither command builds for itself alone.
const TARGETS: [&str; 4] = ["--bin", "aquaware", "--test", "servers"];

/// Runs the command. Its last line counts the checks.
///
/// # Errors
/// Something is missing and can't be had, or any check failed.
pub(crate) fn run(permission: Permission) -> Result<(), Failure> {
    let mut report = Report::default();
    let mut tally = Tally::default();
    let program = report.step("build", || program::build(&TARGETS));
    let tools = report.step("tools", || tools::ensure(permission));
    let python = tools.and_then(|()| report.step("Python packages", Python::prepare));
    let node = tools.and_then(|()| report.step("Node packages", Node::prepare));
    for suite in &SUITES {
        let environment: Option<&dyn Environment> = match suite.language {
            Language::Python => python.as_ref().map(|it| it as &dyn Environment),
            Language::Node => node.as_ref().map(|it| it as &dyn Environment),
        };
        match (&program, environment) {
            (Some(program), Some(environment)) => {
                let _ = report.step(suite.name, || drive(suite, program, environment, &mut tally));
            }
            _ => {
                tally.fail();
                report.skip(suite.name, "what it needs is missing");
            }
        }
    }
    if report.finish().is_ok() && tally.is_good() {
        println!("{tally}");
        return Ok(());
    }
    Err(Failure::Checks(tally.never_good()))
}

/// Runs a script against a server of its own, and counts what it checked.
fn drive(
    suite: &Suite,
    program: &Path,
    environment: &dyn Environment,
    total: &mut Tally,
) -> Result<(), Failure> {
    let tally = server::Server::start(program, suite.algorithm).and_then(|server| {
        let tally = suites::run(suite, environment, &server)?;
        if !tally.is_good() {
            eprintln!("{}", server.log());
        }
        Ok(tally)
    });
    match tally {
        Ok(tally) => {
            total.add(tally);
            if tally.is_good() { Ok(()) } else { Err(Failure::Checks(tally)) }
        }
        Err(failure) => {
            total.fail();
            Err(failure)
        }
    }
}
