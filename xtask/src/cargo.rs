//! Running cargo and other programs in the workspace's root.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use serde_json::Value;

use crate::failure::Failure;

/// The directory of the workspace's manifest.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The cargo that runs us, so that one toolchain does everything, with these arguments.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// Shows the command's line and runs it on the terminal.
///
/// # Errors
/// It can't be started, or it reports failure.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    announce(command);
    let status = command.status().map_err(|source| not_started(command, source))?;
    succeeded(command, status)
}

/// Runs the command, its errors on the terminal, and gives what it writes to standard output.
///
/// # Errors
/// It can't be started, reports failure, or writes something that isn't UTF-8.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let output =
        command.stderr(Stdio::inherit()).output().map_err(|source| not_started(command, source))?;
    succeeded(command, output.status)?;
    String::from_utf8(output.stdout)
        .map_err(|_| Failure::Unexpected(format!("`{}` wrote something unreadable", line(command))))
}

/// Shows the command's line.
pub(crate) fn announce(command: &Command) {
    eprintln!("$ {}", line(command));
}

/// What cargo knows of the workspace and all it depends on here.
///
/// The graph is that of this machine's platform: for others cargo would have to fetch crates that
/// nothing here builds. What a manifest itself names is complete.
///
/// # Errors
/// A manifest is wrong, or crates can't be fetched.
pub(crate) fn metadata() -> Result<Value, Failure> {
    let host = output(Command::new("rustc").args(["--print", "host-tuple"]).current_dir(root()))?;
    let text = output(&mut cargo(&[
        "metadata",
        "--format-version",
        "1",
        "--filter-platform",
        host.trim(),
    ]))?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::Unexpected(format!("cargo metadata isn't JSON: {error}")))
}

fn succeeded(command: &Command, status: ExitStatus) -> Result<(), Failure> {
    if status.success() {
        return Ok(());
    }
    Err(Failure::Program { line: line(command), status: status.to_string() })
}

fn not_started(command: &Command, source: std::io::Error) -> Failure {
    Failure::Io { what: format!("can't run `{}`", line(command)), source }
}

/// As one would type it: the program without its directory.
fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let words: Vec<_> = std::iter::once(name)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_holds_the_lock_file() {
        assert!(root().join("Cargo.lock").is_file());
    }

    #[test]
    fn a_command_is_shown_as_typed() {
        let mut command = Command::new("/somewhere/bin/cargo");
        command.args(["test", "--workspace"]);
        assert_eq!(line(&command), "cargo test --workspace");
    }

    #[test]
    fn a_program_that_fails_is_a_failure() {
        let failure = run(&mut Command::new("false")).unwrap_err();
        assert!(matches!(failure, Failure::Program { .. }), "{failure}");
    }

    #[test]
    fn a_program_that_is_missing_is_named() {
        let failure = run(&mut Command::new("no-such-program-anywhere")).unwrap_err();
        assert!(failure.to_string().contains("no-such-program-anywhere"), "{failure}");
    }
}
