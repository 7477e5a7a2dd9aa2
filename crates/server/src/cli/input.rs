//! What commands read: standard input, or a person at the terminal.

use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read};

use aquaware_core::secret::Password;
use zeroize::Zeroizing;

use super::CommandError;
use super::arguments::PasswordSource;

/// More than any token or password has.
pub(super) const MOST_BYTES: usize = 16 * 1024;

/// Standard input, or what stands for it in a test.
pub(super) struct Input {
    stream: Box<dyn Read>,
    /// Whether a person can be asked.
    terminal: bool,
}

impl Input {
    /// Standard input of this process.
    pub(super) fn of_process() -> Self {
        let stdin = io::stdin();
        Self { terminal: stdin.is_terminal(), stream: Box::new(stdin) }
    }

    /// These bytes, and nobody to ask.
    #[cfg(test)]
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        Self { stream: Box::new(io::Cursor::new(bytes.to_vec())), terminal: false }
    }

    /// Whether a person can be asked.
    pub(super) const fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Everything up to the end; at a terminal, one line.
    ///
    /// # Errors
    /// What is no text, or longer than anything that makes sense here.
    pub(super) fn text(&mut self) -> Result<Zeroizing<String>, CommandError> {
        // Room for all of it, so that no copy is left behind by growth.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MOST_BYTES + 1));
        let most = u64::try_from(MOST_BYTES + 1).unwrap_or(u64::MAX);
        let mut stream = BufReader::with_capacity(1, (&mut self.stream).take(most));
        if self.terminal {
            stream.read_until(b'\n', &mut bytes).map_err(unreadable)?;
        } else {
            stream.read_to_end(&mut bytes).map_err(unreadable)?;
        }
        if bytes.len() > MOST_BYTES {
            let message = format!("standard input is longer than {MOST_BYTES} bytes");
            return Err(CommandError::Usage(message));
        }
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| CommandError::Usage("standard input is no UTF-8 text".to_owned()))?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// A new password: the one line of standard input, or typed twice at the terminal.
    ///
    /// # Errors
    /// Nobody to ask, two that differ, none at all.
    pub(super) fn new_password(&mut self, from: PasswordSource) -> Result<Password, CommandError> {
        let password = if from.password_stdin { self.line()? } else { self.typed_twice()? };
        if password.is_empty() {
            return Err(CommandError::Failed("no password was given".to_owned()));
        }
        Ok(Password::new(password.to_string()))
    }

    fn line(&mut self) -> Result<Zeroizing<String>, CommandError> {
        let text = self.text()?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.contains('\n') {
            let message = "standard input has more than the one line of a password";
            return Err(CommandError::Usage(message.to_owned()));
        }
        Ok(Zeroizing::new(line.to_owned()))
    }

    fn typed_twice(&self) -> Result<Zeroizing<String>, CommandError> {
        if !self.terminal {
            let message = "there is no terminal to ask for the password at; \
                           use --password-stdin to read it from standard input";
            return Err(CommandError::Usage(message.to_owned()));
        }
        let ask = |prompt| rpassword::prompt_password(prompt).map(Zeroizing::new);
        let first = ask("New password: ").map_err(unreadable)?;
        let second = ask("The same once more: ").map_err(unreadable)?;
        if first == second {
            Ok(first)
        } else {
            Err(CommandError::Failed("the two passwords differ; nothing was changed".to_owned()))
        }
    }
}

fn unreadable(error: io::Error) -> CommandError {
    CommandError::Failed(format!("can't read the input: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STDIN: PasswordSource = PasswordSource { password_stdin: true };

    fn password(bytes: &[u8]) -> Result<String, CommandError> {
        Input::of_bytes(bytes).new_password(STDIN).map(|it| it.expose().to_owned())
    }

    #[test]
    fn a_password_is_one_line_without_its_end() {
        for text in ["seven blue snails", "seven blue snails\n", "seven blue snails\r\n"] {
            assert_eq!(password(text.as_bytes()).unwrap(), "seven blue snails", "{text:?}");
        }
        assert_eq!(password(b" spaces stay \n").unwrap(), " spaces stay ");
    }

    #[test]
    fn what_is_no_password_is_refused() {
        assert!(matches!(password(b"one\ntwo\n"), Err(CommandError::Usage(_))));
        assert!(matches!(password(b"\xff"), Err(CommandError::Usage(_))));
        assert!(matches!(password(&[b'a'; MOST_BYTES + 1]), Err(CommandError::Usage(_))));
        for empty in [&b""[..], b"\n"] {
            assert!(matches!(password(empty), Err(CommandError::Failed(_))));
        }
    }

    #[test]
    fn without_a_terminal_nobody_is_asked() {
        let asked =
            Input::of_bytes(b"x\nx\n").new_password(PasswordSource { password_stdin: false });
        let message = asked.unwrap_err().to_string();
        assert!(message.contains("--password-stdin"), "{message}");
    }
}
