//! The setup of a server: a directory, a store, and settings as environment variables.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aquaware_servers::Port;
use tempfile::TempDir;

use crate::clock;
use crate::program::{self, Finished, Outcome};
use crate::receiver::{Receiver, WEBHOOK_SECRET};
use crate::store::Store;
use crate::terminal;
use crate::time::wait_for;

/// The default issuer. Its 30 characters are part of the expected lengths of tokens.
pub const ISSUER: &str = "https://login.aquarium.example";

/// A server that is not started yet. By default nothing is limited and hashing is cheap.
#[derive(Clone, Debug)]
pub struct Setup {
    directory: Arc<TempDir>,
    settings: BTreeMap<String, String>,
    /// The limit on open file descriptors.
    descriptors: Option<usize>,
    /// How far its clock is from the real one, as libfaketime has it.
    clock: Option<String>,
}

impl Setup {
    /// A server on this store, in a new directory.
    #[must_use]
    pub fn on(store: Store) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let (settings, descriptors, clock) = Default::default();
        let setup = Self { directory: Arc::new(directory), settings, descriptors, clock };
        let path = setup.path().display().to_string();
        let url = store.url();
        [
            ("issuer", ISSUER),
            ("data_dir", &path),
            ("listen.workers", "2"),
            ("store.sessions", &url),
            ("store.accounts", &url),
            ("store.timeout", "10s"),
            // Many servers of many tests share one database.
            ("store.pool_size", "4"),
            ("accounts.argon2.memory_kib", "64"),
            ("accounts.argon2.iterations", "1"),
            ("limits.login_per_address", "unlimited"),
            ("limits.signup_per_address", "unlimited"),
            ("limits.refresh_per_session", "unlimited"),
            ("limits.failed_logins_per_account", "unlimited"),
            ("limits.failed_clients_per_address", "unlimited"),
        ]
        .into_iter()
        .fold(setup, |setup, (key, value)| setup.set(key, value))
    }

    /// A server on the default store.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "it makes a directory")]
    pub fn new() -> Self {
        Self::on(Store::SQLITE)
    }

    /// With this setting, for example `listen.public`, as an environment variable.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        let _ = self.settings.insert(variable(key), value.to_owned());
        self
    }

    /// With a webhook to this receiver.
    #[must_use]
    pub fn webhook(self, receiver: &Receiver) -> Self {
        self.set("webhook.url", &receiver.url()).set("webhook.secret", WEBHOOK_SECRET)
    }

    /// Without this setting, so that the program's default applies.
    #[must_use]
    pub fn unset(mut self, key: &str) -> Self {
        let _ = self.settings.remove(&variable(key));
        self
    }

    /// With at most this many open file descriptors.
    #[must_use]
    pub fn with_descriptors(self, count: usize) -> Self {
        Self { descriptors: Some(count), ..self }
    }

    /// With a clock that is this far from the real one, such as `+45d` or `-3d`; `+0` for the real one.
    #[must_use]
    pub fn at_clock(self, offset: &str) -> Self {
        Self { clock: Some(offset.to_owned()), ..self }
    }

    /// The data directory, which is also the working directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// With an empty database, for commands that run before a server: they create none.
    #[must_use]
    #[track_caller]
    pub fn migrated(self) -> Self {
        self.run(&["store", "migrate"]).is(0);
        self
    }

    /// A file in the data directory.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file into the data directory.
    #[must_use]
    pub fn with_file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.file(name), text).expect("a file can be written");
        self
    }

    /// Runs the program with these arguments until it exits. For starts that must fail, and for
    /// commands other than `serve`.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Finished {
        self.run_fed(arguments, "")
    }

    /// As [`Self::run`], with this standard input.
    #[must_use]
    pub fn run_fed(&self, arguments: &[&str], input: &str) -> Finished {
        let mut command = self.command();
        let _ = command.args(arguments);
        if arguments.contains(&"serve") {
            // Starts that must fail may bind before they do, and not all on the default ports.
            for key in ["listen.public", "listen.management"].map(variable) {
                if !self.settings.contains_key(&key) {
                    let _ = command.env(key, "127.0.0.1:0");
                }
            }
        }
        program::run(command, input.as_bytes())
    }

    /// Runs the program with a standard input that does not end, and kills it once `is_time`.
    ///
    /// # Panics
    /// If that takes a minute, or if the program ends before.
    pub fn run_killed_when(
        &self,
        arguments: &[&str],
        input: &str,
        mut is_time: impl FnMut() -> bool,
    ) {
        let mut command = self.command();
        let _ = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.stdin(Stdio::piped()).spawn().expect("the program can be started");
        let mut stdin = child.stdin.take().expect("it was requested");
        std::thread::scope(|scope| {
            // A part of it may be unread when the program ends.
            let writer = scope.spawn(move || stdin.write_all(input.as_bytes()).map(|()| stdin));
            wait_for("the time to kill", Duration::from_secs(60), || is_time().then_some(()));
            assert!(child.try_wait().expect("a child can be asked").is_none(), "it has ended");
            let _ = child.kill();
            let _ = child.wait().expect("a child can be awaited");
            drop(writer.join());
        });
    }

    /// Runs the program at a terminal, typing an answer to each of these questions, and returns the
    /// outcome and the text on the terminal.
    #[must_use]
    pub fn run_at_terminal(
        &self,
        arguments: &[&str],
        answers: &[(&str, &str)],
    ) -> (Outcome, String) {
        let mut command = self.command();
        let _ = command.args(arguments);
        terminal::run(&command, answers)
    }

    /// The program with these settings and no others.
    #[allow(
        clippy::disallowed_methods,
        reason = "settings of the caller must not reach the program"
    )]
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = match self.descriptors {
            None => Command::new(program::path()),
            Some(count) => {
                let mut shell = Command::new("sh");
                let script = format!("ulimit -n {count} && exec \"$0\" \"$@\"");
                let _ = shell.arg("-c").arg(script).arg(program::path());
                shell
            }
        };
        let _ = command.current_dir(self.path());
        if let Some(offset) = &self.clock {
            let _ = command
                .env("LD_PRELOAD", clock::library())
                .env("FAKETIME", offset)
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().to_ascii_uppercase().starts_with("AQUAWARE_") {
                let _ = command.env_remove(name);
            }
        }
        let _ = command.envs(&self.settings);
        command
    }

    /// With listeners on `public` and `management`.
    pub(crate) fn listening(self, public: SocketAddr, management: SocketAddr) -> Self {
        self.set("listen.public", &public.to_string())
            .set("listen.management", &management.to_string())
    }
}

/// The environment variable of a setting.
fn variable(key: &str) -> String {
    format!("AQUAWARE_{}", key.to_ascii_uppercase().replace('.', "__"))
}

/// A free loopback address, which no other test and no database server takes as long as this process
/// runs.
#[must_use]
pub fn free_address() -> SocketAddr {
    static CLAIMED: Mutex<Vec<Port>> = Mutex::new(Vec::new());
    let port = claim_port();
    let address = port.address();
    CLAIMED.lock().unwrap_or_else(PoisonError::into_inner).push(port);
    address
}

/// A port that only its owner listens at.
pub(crate) fn claim_port() -> Port {
    Port::claim().expect("a port of the loopback is free")
}
