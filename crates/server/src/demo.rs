//! `aquaware demo`: the life of a session, walked over real HTTP against a server of its own.
//!
//! The order of the journey stands here, and the beginning and the end of its server. What each
//! step does is in [`steps`], how it is told in [`tell`]. Nothing of the machine's own
//! configuration or data is read or touched.

mod client;
mod launch;
mod shown;
mod stage;
mod steps;
mod tell;

use std::io::{self, BufWriter, IsTerminal as _, Write};

use tempfile::TempDir;
use thiserror::Error;

use self::client::{Http, World};
use self::launch::{LaunchError, launch};
use self::stage::{Stage, Stop};
use self::steps::{account, device, ending, keys, renewal, theft};
use self::tell::{Lines, Tally, Teller, Text};

/// Why the demo didn't end well.
#[derive(Debug, Error)]
pub(crate) enum DemoError {
    /// There is nowhere to put the server's data, or it couldn't be removed again.
    #[error("can't make or remove the demo's temporary directory")]
    Directory(#[source] io::Error),
    /// The server didn't start.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// What happens couldn't be told.
    #[error("can't write the demo's output")]
    Output(#[source] io::Error),
    /// The journey was walked and told, and not everything went as it should.
    #[error("{0} of the demo's expectations not met")]
    Unmet(usize),
}

/// Walks the whole journey and tells it on standard output: as text, or with `json` as one JSON
/// object a step. Blocks for some seconds; must not be called from an async runtime.
///
/// # Errors
/// Whenever not every step went as it should, or not all of it could be told. The server is
/// stopped and its directory removed in any case.
pub(crate) fn run(json: bool) -> Result<(), DemoError> {
    let output = io::stdout();
    let colours = output.is_terminal() && !no_color();
    let mut output = BufWriter::new(output.lock());
    let tally = if json {
        run_told_by(&mut Lines::new(&mut output))
    } else {
        run_told_by(&mut Text::new(&mut output, colours))
    }?;
    output.flush().map_err(DemoError::Output)?;
    if tally.unmet() == 0 { Ok(()) } else { Err(DemoError::Unmet(tally.unmet())) }
}

/// The convention of <https://no-color.org>: set, and not empty.
#[allow(clippy::disallowed_methods, reason = "a convention of terminals is not a setting")]
fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Starts the server, walks, and leaves nothing behind.
fn run_told_by(teller: &mut dyn Teller) -> Result<Tally, DemoError> {
    let directory = tempfile::Builder::new().prefix("aquaware-demo-").tempdir();
    let directory = directory.map_err(DemoError::Directory)?;
    let launched = launch(directory.path())?;
    let walked = told_journey(&Http::new(format!("http://{}", launched.public())), teller);
    launched.stop();
    remove(directory)?;
    walked.map_err(DemoError::Output)
}

fn remove(directory: TempDir) -> Result<(), DemoError> {
    directory.close().map_err(DemoError::Directory)
}

/// Walks in `world` from end to end, whatever happens on the way.
fn told_journey(world: &dyn World, teller: &mut dyn Teller) -> io::Result<Tally> {
    teller.open(world.base())?;
    let mut stage = Stage::new(world, teller);
    let walked = journey(&mut stage);
    stage.finish(walked)
}

/// The journey.
fn journey(stage: &mut Stage<'_>) -> Result<(), Stop> {
    let ann = account::sign_up(stage)?;
    let laptop = account::log_in(stage, &ann)?;
    account::ask(stage, &ann, &laptop)?;
    keys::check_offline(stage, &laptop)?;
    account::let_expire(stage, &laptop)?;

    let laptop = renewal::refresh(stage, &laptop)?;
    let laptop = renewal::retry(stage, &laptop)?;
    let laptop = renewal::tabs(stage, &laptop)?;

    let phone = theft::second_session(stage, &ann, &laptop)?;
    let laptop = theft::steal(stage, &laptop)?;
    let phone = theft::aftermath(stage, &laptop, &phone)?;

    let controller = device::keep_one_token(stage, &ann)?;
    let tablet = ending::list(stage, &ann)?;
    ending::log_out(stage, &phone)?;
    ending::log_out_everywhere(stage, &tablet, &controller)
}

#[cfg(test)]
mod tests;
