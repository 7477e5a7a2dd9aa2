//! Where answers and troubles are written: two streams, given as arguments.

use std::io::{self, ErrorKind, Write};

use serde_json::{Value as Json, json};

use super::CommandError;
use crate::causes::chain;

/// Standard output and standard error, or what stands for them in a test.
pub(super) struct Output<'a> {
    answers: Box<dyn Write + 'a>,
    troubles: Box<dyn Write + 'a>,
}

impl<'a> Output<'a> {
    /// The two streams of this process.
    pub(super) fn of_process() -> Self {
        Self::new(io::stdout(), io::stderr())
    }

    /// Answers go to the first, troubles to the second.
    pub(super) fn new(answers: impl Write + 'a, troubles: impl Write + 'a) -> Self {
        Self { answers: Box::new(answers), troubles: Box::new(troubles) }
    }

    /// Writes an answer. That nobody reads to its end (`| head`) is no failure.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.answers.write_all(bytes).and_then(|()| self.answers.flush());
        written.or_else(
            |error| {
                if error.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(error) }
            },
        )
    }

    /// Writes a line of an answer.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// Writes an answer for programs.
    pub(super) fn json(&mut self, value: &Json) -> io::Result<()> {
        self.line(&format!("{value:#}"))
    }

    /// Tells a person something beside the answer, or asks.
    pub(super) fn hint(&mut self, text: &str) {
        // Nobody is left to tell when standard error is closed.
        let _ = self.troubles.write_all(text.as_bytes()).and_then(|()| self.troubles.flush());
    }

    /// Tells what went wrong and gives the exit status for it.
    pub(super) fn error(&mut self, error: &CommandError, json: bool) -> u8 {
        let text = match error {
            CommandError::Told => return error.status(),
            CommandError::Configuration(problems) if json => format!("{:#}", problems.json()),
            _ if json => {
                format!("{:#}", json!({ "ok": false, "errors": [{ "message": chain(error) }] }))
            }
            _ => format!("aquaware: {}", chain(error)),
        };
        // Nobody is left to tell when standard error is closed; the status says it all the same.
        let _ = writeln!(self.troubles, "{text}");
        error.status()
    }

    /// Prints help or what was wrong with the arguments, and gives the exit status for it.
    pub(super) fn usage(&mut self, error: &clap::Error) -> u8 {
        let text = error.render().to_string();
        let _ = if error.use_stderr() {
            self.troubles.write_all(text.as_bytes())
        } else {
            self.bytes(text.as_bytes())
        };
        u8::try_from(error.exit_code()).unwrap_or(2)
    }
}
