//! `aquaware demo`: a complete session over real HTTP, against a temporary server.
//!
//! Neither the configuration nor any data of this machine is read or changed.

mod client;
mod device;
mod redact;
mod report;
mod steps;

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::Path;

use thiserror::Error;

use self::client::Client;
use self::report::{Format, Report};
use self::steps::{ACCESS_LIFETIME, Demo, RETRY_WINDOW, StepError};
use crate::compose::{Running, StartError, start};
use crate::config::{Problems, Request, load};

/// Why the demo failed.
#[derive(Debug, Error)]
pub(crate) enum DemoError {
    #[error("failed to create or remove the temporary directory of the demo")]
    Directory(#[source] io::Error),
    #[error("the configuration of the demo is invalid; this is a bug")]
    Configuration(#[from] Problems),
    #[error("failed to start the server of the demo")]
    Start(#[from] StartError),
    #[error("failed to set up the client of the demo")]
    Client(#[source] io::Error),
    #[error("failed to write the output of the demo")]
    Output(#[from] io::Error),
    #[error("{0} checks of the demo failed")]
    Failed(usize),
}

/// Runs the demo and prints it on standard output, as text or as one JSON object per step. Blocks
/// for some seconds; must not be called from an async runtime.
///
/// # Errors
/// [`DemoError`]. The server is stopped and its directory removed in any case.
pub(crate) fn run(json: bool) -> Result<(), DemoError> {
    let output = io::stdout();
    let colours = output.is_terminal() && !no_color();
    let mut output = BufWriter::new(output.lock());
    let directory = tempfile::Builder::new().prefix("aquaware-demo-").tempdir();
    let directory = directory.map_err(DemoError::Directory)?;
    let server = start_server(directory.path())?;
    let format = if json { Format::Json } else { Format::Text { colours } };
    let failed = run_against(&format!("http://{}", server.public), &mut output, format);
    server.stop();
    directory.close().map_err(DemoError::Directory)?;
    match failed? {
        0 => Ok(()),
        failed => Err(DemoError::Failed(failed)),
    }
}

/// The convention of <https://no-color.org>: set, and not empty.
#[allow(clippy::disallowed_methods, reason = "a convention of terminals is not a setting")]
fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Runs all steps against the server at `base`; returns the number of failed checks.
fn run_against(base: &str, output: &mut dyn Write, format: Format) -> Result<usize, DemoError> {
    let client = Client::new(base.to_owned()).map_err(DemoError::Client)?;
    let mut report = Report::new(output, format);
    report.open(base)?;
    let mut demo = Demo { client, report: &mut report };
    match demo.run() {
        Ok(()) => {}
        Err(StepError::Output(error)) => return Err(error.into()),
        Err(error) => {
            report.check("the demo can continue", true.into(), error.to_string().into())?;
        }
    }
    report.close()?;
    Ok(report.failed())
}

/// Starts a server with its data in `directory`, on free ports.
fn start_server(directory: &Path) -> Result<Running, DemoError> {
    let lifetime = format!("{}s", ACCESS_LIFETIME.as_secs());
    let retry_window = format!("{}ms", RETRY_WINDOW.as_millis());
    let settings = [
        ("AQUAWARE_LISTEN__PUBLIC", "127.0.0.1:0"),
        ("AQUAWARE_LISTEN__MANAGEMENT", "127.0.0.1:0"),
        ("AQUAWARE_LISTEN__WORKERS", "2"),
        ("AQUAWARE_LOG__LEVEL", "off"),
        ("AQUAWARE_CLIENTS__WEB__ACCESS_LIFETIME", &lifetime),
        ("AQUAWARE_CLIENTS__WEB__RETRY_WINDOW", &retry_window),
        ("AQUAWARE_CLIENTS__APP__ACCESS_LIFETIME", "5m"),
    ];
    let environment = settings.into_iter().collect();
    let request = Request { file: None, environment, directory: directory.to_owned() };
    Ok(start(load(&request)?)?)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::{Shutdown, TcpListener};
    use std::thread;

    use super::*;

    /// Runs the demo against a server that answers its first request with `response`.
    fn printed(response: &'static str, format: Format) -> (usize, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let mut connection = listener.accept().unwrap().0;
            let _ = connection.read(&mut [0; 4096]).unwrap();
            connection.write_all(response.as_bytes()).unwrap();
            // The rest of the request: closing with unread bytes would take the response back.
            connection.shutdown(Shutdown::Write).unwrap();
            let _ = std::io::copy(&mut connection, &mut std::io::sink());
        });
        let mut output = Vec::new();
        let failed = run_against(&base, &mut output, format).unwrap();
        server.join().unwrap();
        (failed, String::from_utf8(output).unwrap())
    }

    const ERROR: &str = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

    #[test]
    fn unexpected_responses_are_reported_and_the_demo_stops_when_it_cannot_continue() {
        let (failed, text) = printed(ERROR, Format::Text { colours: false });
        assert_eq!(failed, 3, "{text}");
        assert!(text.contains("✗ 201: the account exists"), "{text}");
        assert!(text.contains("✗ the demo can continue"), "{text}");
        assert!(text.contains("3 of 4 checks failed"), "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains("nine snails"), "{text}");
    }

    #[test]
    fn json_output_is_one_object_per_step() {
        let (failed, text) = printed(ERROR, Format::Json);
        assert_eq!(failed, 3, "{text}");
        let steps: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(steps.len(), 2, "{text}");
        assert_eq!(steps[0]["ok"], false);
        assert_eq!(steps[0]["checks"][0]["expected"], 201);
        assert!(!text.contains("nine snails"), "{text}");
    }
}
