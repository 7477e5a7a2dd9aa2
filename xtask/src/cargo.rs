//! Running cargo and other programs in the workspace's root.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use cargo_metadata::{Metadata, MetadataCommand};

use crate::error::TaskError;

/// The directory of the workspace's manifest.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The cargo that runs this program, so that one toolchain does everything, with these arguments.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// Prints the command line and runs the command on the terminal.
///
/// # Errors
/// It cannot be started, or reports failure.
pub(crate) fn run(command: &mut Command) -> Result<(), TaskError> {
    announce(command);
    let status = command.status().map_err(not_started(command))?;
    succeeded(command, status)
}

/// Runs the command, its errors on the terminal, and returns its standard output.
///
/// # Errors
/// It cannot be started, reports failure, or writes something that is not UTF-8.
pub(crate) fn output(command: &mut Command) -> Result<String, TaskError> {
    let output = command.stderr(Stdio::inherit()).output().map_err(not_started(command))?;
    succeeded(command, output.status)?;
    String::from_utf8(output.stdout)
        .map_err(|_| TaskError::Message(format!("`{}` did not write UTF-8", line(command))))
}

/// Whether the program is installed: whether this command line succeeds, silently.
pub(crate) fn is_there(words: &[&str]) -> bool {
    let Some((program, arguments)) = words.split_first() else { return false };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Prints the command line.
pub(crate) fn announce(command: &Command) {
    eprintln!("$ {}", line(command));
}

/// The workspace and all of its dependencies.
///
/// # Errors
/// A manifest is invalid, or crates cannot be fetched.
pub(crate) fn metadata() -> Result<Metadata, TaskError> {
    let mut command = MetadataCommand::new();
    command.current_dir(root());
    command.exec().map_err(|error| TaskError::Message(error.to_string()))
}

fn succeeded(command: &Command, status: ExitStatus) -> Result<(), TaskError> {
    if status.success() {
        return Ok(());
    }
    Err(TaskError::Program { line: line(command), status: status.to_string() })
}

fn not_started(command: &Command) -> impl FnOnce(std::io::Error) -> TaskError + use<> {
    TaskError::io(format!("cannot run `{}`", line(command)))
}

/// The command line as one would type it: the program without its directory.
fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_contains_the_lock_file() {
        assert!(root().join("Cargo.lock").is_file());
    }

    #[test]
    fn a_command_is_shown_as_typed() {
        let mut command = Command::new("/somewhere/bin/cargo");
        command.args(["test", "--workspace"]);
        assert_eq!(line(&command), "cargo test --workspace");
    }

    #[test]
    fn a_failing_program_is_an_error() {
        let error = run(&mut Command::new("false")).unwrap_err();
        assert!(matches!(error, TaskError::Program { .. }), "{error}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("no-such-program-anywhere")).unwrap_err();
        assert!(error.to_string().contains("no-such-program-anywhere"), "{error}");
        assert!(!is_there(&["no-such-program-anywhere"]) && !is_there(&["false"]));
        assert!(is_there(&["true"]));
    }
}
