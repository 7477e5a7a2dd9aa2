//! The built program: finding it, and running it until it exits.

use std::io::{Read, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::time::wait_for;

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It exited with this status.
    Exit(i32),
    /// A signal ended it.
    Signal,
}

impl From<ExitStatus> for Outcome {
    fn from(status: ExitStatus) -> Self {
        status.code().map_or(Self::Signal, Self::Exit)
    }
}

/// A finished run of the program.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How it ended.
    pub outcome: Outcome,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Finished {
    /// Its output as JSON, after a success.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        self.is(0);
        self.printed_json()
    }

    /// Its output as JSON, whatever its exit status.
    #[must_use]
    #[track_caller]
    pub fn printed_json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts an exit status.
    #[track_caller]
    pub fn is(&self, status: i32) {
        assert_eq!(self.outcome, Outcome::Exit(status), "{}\n{}", self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }

    /// Asserts an error with this exit status and this message, and no output.
    #[track_caller]
    pub fn is_rejected(&self, status: i32, told: &str) {
        self.is(status);
        assert_eq!(self.stdout, "", "{}", self.stderr);
        assert!(self.stderr.contains(told), "{told:?} isn't told: {}", self.stderr);
    }
}

/// The path of the program: `$AQUAWARE_BIN`, or else the target directory of this test.
pub(crate) fn path() -> PathBuf {
    #[allow(clippy::disallowed_methods, reason = "tests are told so where the program is")]
    let named = std::env::var("AQUAWARE_BIN").map(PathBuf::from);
    let program = named.unwrap_or_else(|_| {
        let test = std::env::current_exe().expect("a test knows its own file");
        // target/debug/deps/e2e-0123 -> target/debug/aquaware
        let profile = test.ancestors().nth(2).expect("a test lies two levels deep");
        profile.join("aquaware")
    });
    assert!(
        program.is_file(),
        "there is no program at {}: build it with `cargo build -p aquaware`, or name one in \
         AQUAWARE_BIN",
        program.display()
    );
    program
}

/// Longer than any command takes on a busy machine.
const ENDS_WITHIN: Duration = Duration::from_secs(120);

/// Runs `command` with this standard input until it exits, which must happen within two minutes.
pub(crate) fn run(mut command: Command, input: &[u8]) -> Finished {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program can be started");
    let (stdout, stderr) = (reader(child.stdout.take()), reader(child.stderr.take()));
    // It may exit without reading it.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input));
    let outcome = wait(&mut child, ENDS_WITHIN);
    let text = |reader: JoinHandle<String>| reader.join().expect("what it wrote can be read");
    Finished { outcome, stdout: text(stdout), stderr: text(stderr) }
}

/// Reads a stream to its end, while the process is running.
fn reader(stream: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            stream.read_to_end(&mut bytes).expect("a pipe can be read");
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Waits until `child` ends; it is killed after `at_most`.
pub(crate) fn wait(child: &mut Child, at_most: Duration) -> Outcome {
    let id = child.id();
    let mut killed = false;
    let end = Instant::now() + at_most;
    let status = wait_for("a process to end", at_most + Duration::from_secs(5), || {
        if !killed && Instant::now() > end {
            killed = true;
            let _ = child.kill();
        }
        child.try_wait().expect("a child can be asked")
    });
    assert!(!killed, "the process {id} didn't end within {at_most:?} and was killed");
    status.into()
}
