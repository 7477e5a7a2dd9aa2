//! A program that does not outlive this process.
//!
//! Safe Rust cannot make the system end a child when its parent dies. So each program runs under
//! a shell (`watchdog.sh`) that waits for the end of a pipe which this process holds: the
//! system closes it however this process ends, and the shell then ends the program.

mod descendants;

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::data_dir::{self, DataDir, Owner};
use crate::error::ServersError;
use crate::wait::{TIMEOUT, until};

/// How to start a program.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    /// The file for its standard input.
    pub(crate) input: PathBuf,
    /// Its working directory, which also contains its log.
    pub(crate) directory: PathBuf,
    /// The user that it runs as, if not as the caller.
    owner: Option<Owner>,
    /// The script that runs it.
    watchdog: PathBuf,
    /// The signal that ends it and its descendants when it is dropped.
    pub(crate) end: Signal,
}

impl Launch {
    /// In the data directory, as its owner.
    pub(crate) fn new(program: PathBuf, dir: &DataDir) -> Self {
        Self {
            program,
            arguments: Vec::new(),
            input: PathBuf::from("/dev/null"),
            directory: dir.path().to_owned(),
            owner: dir.owner(),
            watchdog: dir.watchdog(),
            end: Signal::SIGKILL,
        }
    }

    pub(crate) fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Its log, over all its starts.
    pub(crate) fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    fn name(&self) -> String {
        let name = self.program.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    fn command(&self) -> Result<Command, ServersError> {
        let log = self.log();
        let written = OpenOptions::new().create(true).append(true).open(&log);
        let written = written
            .map_err(|source| ServersError::io(format!("write {}", log.display()), source))?;
        let mut command = Command::new("/bin/sh");
        command
            .arg(&self.watchdog)
            .arg(self.end.as_str().trim_start_matches("SIG"))
            .args([&self.input, &self.program])
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(written)
            .current_dir(&self.directory)
            // Variables of the caller that configure other servers must not reach this one.
            .env_clear()
            .envs([("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"), ("LC_ALL", "C")])
            .env("TMPDIR", &self.directory)
            // Signals from the terminal must only reach the caller.
            .process_group(0);
        if let Some(Owner { user, group }) = self.owner {
            command.uid(user).gid(group);
        }
        Ok(command)
    }
}

/// A running program. It is ended when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    watchdog: Child,
    id: Pid,
}

impl Process {
    pub(crate) fn start(launch: &Launch) -> Result<Self, ServersError> {
        let failed = |source| ServersError::io(format!("start {}", launch.name()), source);
        let mut watchdog = launch.command()?.spawn().map_err(failed)?;
        let mut line = String::new();
        if let Some(stdout) = watchdog.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(failed)?;
        }
        match line.trim().parse() {
            Ok(id) => Ok(Self { watchdog, id: Pid::from_raw(id) }),
            Err(_) => Err(ended(launch, "the shell that runs it failed")),
        }
    }

    /// Runs a program until it exits.
    ///
    /// # Errors
    /// It fails, or takes too long.
    pub(crate) fn run(launch: &Launch) -> Result<(), ServersError> {
        let mut process = Self::start(launch)?;
        match until(TIMEOUT, || process.ended())? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(ended(launch, &status.to_string())),
            None => Err(ServersError::Timeout {
                what: format!("the end of {}", launch.name()),
                waited: TIMEOUT,
                log: data_dir::tail(&launch.log()),
            }),
        }
    }

    /// Its exit status; `None` while it is running.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>, ServersError> {
        self.watchdog.try_wait().map_err(|source| ServersError::io("look at a process", source))
    }

    pub(crate) const fn id(&self) -> i32 {
        self.id.as_raw()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        // It may just have ended, which the caller notices when it waits for it.
        let _ = kill(self.id, signal);
    }

    /// Kills it and its descendants immediately, as a power failure would.
    pub(crate) fn kill(&mut self) {
        let descendants = self.halt();
        self.signal(Signal::SIGKILL);
        for id in &descendants {
            let _ = kill(*id, Signal::SIGKILL);
        }
        let _ = self.watchdog.wait();
        // A database does not start again while a process of the old one is running.
        let _ = until(TIMEOUT, || {
            Ok((!descendants.iter().any(|id| descendants::is_alive(*id))).then_some(()))
        });
    }

    /// Suspends it and its descendants until [`Self::resume`].
    pub(crate) fn pause(&self) {
        for id in self.halt() {
            let _ = kill(id, Signal::SIGSTOP);
        }
    }

    /// Suspends it, and returns its descendants: from then on it starts no others.
    fn halt(&self) -> Vec<Pid> {
        self.signal(Signal::SIGSTOP);
        let _ = until(TIMEOUT, || Ok(descendants::is_still(self.id).then_some(())));
        descendants::below(self.id)
    }

    pub(crate) fn resume(&self) {
        for id in descendants::below(self.id) {
            let _ = kill(id, Signal::SIGCONT);
        }
        self.signal(Signal::SIGCONT);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.watchdog.try_wait(), Ok(None)) {
            // A paused program cannot shut down, and would wait for paused children.
            self.resume();
        }
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}

/// The error of a program that ended.
pub(crate) fn ended(launch: &Launch, status: &str) -> ServersError {
    ServersError::Ended {
        what: launch.name(),
        status: status.to_owned(),
        log: data_dir::tail(&launch.log()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(dir: &DataDir, script: &str) -> Launch {
        Launch::new("/bin/sh".into(), dir).argument("-c").argument(script)
    }

    #[test]
    fn a_failing_program_is_an_error_with_its_log() {
        let dir = DataDir::create("process", None).unwrap();
        Process::run(&shell(&dir, "exit 0")).unwrap();
        let error = Process::run(&shell(&dir, "echo because; exit 3")).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("exit status: 3") && text.contains("because"), "{text}");
    }

    #[test]
    fn a_program_reads_its_input_to_the_end() {
        let dir = DataDir::create("process", None).unwrap();
        let mut launch = shell(&dir, "read -r word && test \"$word\" = hello && ! read -r _");
        launch.input = dir.path().join("input");
        dir.write(&launch.input, "hello\n").unwrap();
        Process::run(&launch).unwrap();
    }

    #[test]
    fn a_killed_process_tree_leaves_no_process() {
        let dir = DataDir::create("process", None).unwrap();
        let mut process = Process::start(&shell(&dir, "sleep 1000 & wait")).unwrap();
        let descendants =
            until(TIMEOUT, || Ok(descendants::below(process.id).first().copied())).unwrap();
        process.kill();
        assert!(process.ended().unwrap().is_some());
        assert!(!descendants::is_alive(descendants.unwrap()));
    }

    #[test]
    fn a_program_that_ignores_signals_or_is_paused_ends_when_dropped() {
        for script in
            ["trap '' TERM; echo ready; while :; do sleep 0.1; done", "echo ready; kill -s STOP $$"]
        {
            let dir = DataDir::create("process", None).unwrap();
            let process = Process::start(&shell(&dir, script)).unwrap();
            let ready =
                || Ok(data_dir::tail(&dir.path().join("log")).contains("ready").then_some(()));
            until(TIMEOUT, ready).unwrap().unwrap();
            let id = process.id;
            drop(process);
            assert!(!descendants::is_alive(id), "{script}");
        }
    }
}
