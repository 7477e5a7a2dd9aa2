//! Standard output for results and standard error for errors, passed as arguments.

use std::io::{self, ErrorKind, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::error::CommandError;
use aquaware_core::error_chain;

/// How long an error waits for a reader of standard error.
const ERROR_TIMEOUT: Duration = Duration::from_secs(5);

/// Standard error, which may be a pipe that is full and never read: the exit status must not wait for
/// it forever.
struct PatientStderr;

impl Write for PatientStderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (done, written) = mpsc::sync_channel(1);
        let (length, copy) = (bytes.len(), bytes.to_vec());
        let write = move || done.send(io::stderr().write_all(&copy));
        let _ = thread::Builder::new().name("stderr".to_owned()).spawn(write)?;
        let written = written.recv_timeout(ERROR_TIMEOUT);
        written.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())).map(|()| length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard output and standard error, or buffers in tests.
pub(super) struct Output<'a> {
    results: Box<dyn Write + 'a>,
    errors: Box<dyn Write + 'a>,
}

impl<'a> Output<'a> {
    /// The streams of this process.
    pub(super) fn of_process() -> Self {
        Self::new(io::stdout(), PatientStderr)
    }

    /// Answers go to the first, errors to the second.
    pub(super) fn new(results: impl Write + 'a, errors: impl Write + 'a) -> Self {
        Self { results: Box::new(results), errors: Box::new(errors) }
    }

    /// Writes a part of the result. A reader that stops early (`| head`) is not an error.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.results.write_all(bytes).and_then(|()| self.results.flush());
        written.or_else(
            |error| {
                if error.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(error) }
            },
        )
    }

    /// Writes a line of the result.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// Writes a result as JSON.
    pub(super) fn json(&mut self, value: &Json) -> io::Result<()> {
        self.line(&format!("{value:#}"))
    }

    /// Writes a warning or a prompt.
    pub(super) fn hint(&mut self, text: &str) {
        // A closed standard error cannot be reported anywhere.
        let _ = self.errors.write_all(text.as_bytes()).and_then(|()| self.errors.flush());
    }

    /// Prints an error and returns its exit status.
    pub(super) fn error(&mut self, error: &CommandError, json: bool) -> u8 {
        let text = match error {
            CommandError::Negative => return error.status(),
            CommandError::Configuration(problems) if json => format!("{:#}", problems.json()),
            _ if json => {
                format!(
                    "{:#}",
                    json!({ "ok": false, "errors": [{ "message": error_chain(error) }] })
                )
            }
            _ => format!("aquaware: {}", error_chain(error)),
        };
        // If standard error is closed, the exit status still reports the error.
        let _ = writeln!(self.errors, "{text}");
        error.status()
    }

    /// Prints help or an error in the arguments, and returns the exit status.
    pub(super) fn usage(&mut self, error: &clap::Error) -> u8 {
        let text = error.render().to_string();
        let _ = if error.use_stderr() {
            self.errors.write_all(text.as_bytes())
        } else {
            self.bytes(text.as_bytes())
        };
        u8::try_from(error.exit_code()).unwrap_or(2)
    }
}
