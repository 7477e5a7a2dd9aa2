//! Standard input of commands: a stream, or a terminal.

use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read};

use aquaware_core::secret::Password;
use zeroize::Zeroizing;

use super::arguments::PasswordSource;
use super::error::CommandError;

/// The maximum length of the input, more than any token or password needs.
pub(super) const MAX_INPUT_BYTES: usize = 16 * 1024;

/// Standard input, or a buffer in tests.
pub(super) struct Input {
    stream: Box<dyn Read>,
    /// Whether it is a terminal, where a person can be prompted.
    terminal: bool,
}

impl Input {
    /// Standard input of this process.
    pub(super) fn of_process() -> Self {
        let stdin = io::stdin();
        Self { terminal: stdin.is_terminal(), stream: Box::new(stdin) }
    }

    /// These bytes, without a terminal.
    #[cfg(test)]
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        Self { stream: Box::new(io::Cursor::new(bytes.to_vec())), terminal: false }
    }

    /// Whether it is a terminal, where a person can be prompted.
    pub(super) const fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// The stream itself, for input of any length.
    pub(super) fn stream(&mut self) -> &mut dyn Read {
        &mut self.stream
    }

    /// Reads to the end, or one line at a terminal.
    ///
    /// # Errors
    /// Input that is not UTF-8 or longer than [`MAX_INPUT_BYTES`].
    pub(super) fn text(&mut self) -> Result<Zeroizing<String>, CommandError> {
        // Allocated at once: growing would leave copies of a secret in freed memory.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_INPUT_BYTES + 1));
        let limit = u64::try_from(MAX_INPUT_BYTES + 1).unwrap_or(u64::MAX);
        let mut stream = BufReader::with_capacity(1, (&mut self.stream).take(limit));
        if self.terminal {
            stream.read_until(b'\n', &mut bytes).map_err(unreadable)?;
        } else {
            stream.read_to_end(&mut bytes).map_err(unreadable)?;
        }
        if bytes.len() > MAX_INPUT_BYTES {
            let message = format!("standard input is longer than {MAX_INPUT_BYTES} bytes");
            return Err(CommandError::Usage(message));
        }
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| CommandError::Usage("standard input is not valid UTF-8".to_owned()))?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// Reads a new password: one line of standard input, or typed twice at the terminal.
    ///
    /// # Errors
    /// No terminal, two different passwords, or an empty one.
    pub(super) fn new_password(&mut self, from: PasswordSource) -> Result<Password, CommandError> {
        let password = if from.password_stdin { self.line()? } else { self.typed_twice()? };
        if password.is_empty() {
            return Err(CommandError::Failed("the password is empty".to_owned()));
        }
        Ok(Password::new(password.to_string()))
    }

    fn line(&mut self) -> Result<Zeroizing<String>, CommandError> {
        let text = self.text()?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.contains('\n') {
            let message = "standard input has more than one line; a password is one line";
            return Err(CommandError::Usage(message.to_owned()));
        }
        Ok(Zeroizing::new(line.to_owned()))
    }

    fn typed_twice(&self) -> Result<Zeroizing<String>, CommandError> {
        if !self.terminal {
            let message = "there is no terminal to prompt for the password; \
                           use --password-stdin to read it from standard input";
            return Err(CommandError::Usage(message.to_owned()));
        }
        let ask = |prompt| rpassword::prompt_password(prompt).map(Zeroizing::new);
        let first = ask("New password: ").map_err(unreadable)?;
        let second = ask("Repeat the password: ").map_err(unreadable)?;
        if first == second {
            Ok(first)
        } else {
            Err(CommandError::Failed("the two passwords differ; nothing was changed".to_owned()))
        }
    }
}

fn unreadable(error: io::Error) -> CommandError {
    CommandError::Failed(format!("failed to read the input: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STDIN: PasswordSource = PasswordSource { password_stdin: true };

    fn password(bytes: &[u8]) -> Result<String, CommandError> {
        Input::of_bytes(bytes).new_password(STDIN).map(|it| it.expose().to_owned())
    }

    #[test]
    fn a_password_is_one_line_without_the_line_break() {
        for text in ["seven blue snails", "seven blue snails\n", "seven blue snails\r\n"] {
            assert_eq!(password(text.as_bytes()).unwrap(), "seven blue snails", "{text:?}");
        }
        assert_eq!(password(b" spaces stay \n").unwrap(), " spaces stay ");
    }

    #[test]
    fn invalid_input_is_rejected_as_a_password() {
        assert!(matches!(password(b"one\ntwo\n"), Err(CommandError::Usage(_))));
        assert!(matches!(password(b"\xff"), Err(CommandError::Usage(_))));
        assert!(matches!(password(&[b'a'; MAX_INPUT_BYTES + 1]), Err(CommandError::Usage(_))));
        for empty in [&b""[..], b"\n"] {
            assert!(matches!(password(empty), Err(CommandError::Failed(_))));
        }
    }

    #[test]
    fn without_a_terminal_there_is_no_prompt() {
        let asked =
            Input::of_bytes(b"x\nx\n").new_password(PasswordSource { password_stdin: false });
        let message = asked.unwrap_err().to_string();
        assert!(message.contains("--password-stdin"), "{message}");
    }
}
