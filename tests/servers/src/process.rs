//! A program that doesn't outlive us.
//!
//! Safe Rust can't ask the system to end a child when its parent dies. So each program runs under
//! a shell (`process/watchdog.sh`) that waits for the end of a pipe which we hold: the system
//! closes it however we end, and the shell then ends the program.

mod family;

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::ServersError;
use crate::home::{self, Home, Owner};
use crate::wait::{PATIENCE, until};

/// The shell script that a home keeps for those that run in it.
pub(crate) const WATCHDOG: &str = include_str!("process/watchdog.sh");

/// How to start a program.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    /// What it reads from standard input.
    pub(crate) input: PathBuf,
    /// Where it runs. Its log is put here as well.
    pub(crate) directory: PathBuf,
    /// Whom it runs as, if not as the caller.
    owner: Option<Owner>,
    /// The script that runs it.
    watchdog: PathBuf,
    /// What ends it when nobody needs it any more, together with all that it started.
    pub(crate) end: Signal,
}

impl Launch {
    /// In the home, as its owner.
    pub(crate) fn new(program: PathBuf, home: &Home) -> Self {
        Self {
            program,
            arguments: Vec::new(),
            input: PathBuf::from("/dev/null"),
            directory: home.path().to_owned(),
            owner: home.owner(),
            watchdog: home.watchdog(),
            end: Signal::SIGKILL,
        }
    }

    pub(crate) fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// What it wrote, over all its starts.
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
            // What the caller's environment says of other servers is not meant for this one.
            .env_clear()
            .envs([("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"), ("LC_ALL", "C")])
            .env("TMPDIR", &self.directory)
            // Signals from the terminal are for the caller alone.
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

    /// Runs a program to its end.
    ///
    /// # Errors
    /// It reports failure, or takes too long.
    pub(crate) fn run(launch: &Launch) -> Result<(), ServersError> {
        let mut process = Self::start(launch)?;
        match until(PATIENCE, || process.ended())? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(ended(launch, &status.to_string())),
            None => Err(ServersError::TooLate {
                what: format!("the end of {}", launch.name()),
                waited: PATIENCE,
                log: home::tail(&launch.log()),
            }),
        }
    }

    /// How it ended; `None` while it runs.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>, ServersError> {
        self.watchdog.try_wait().map_err(|source| ServersError::io("look at a process", source))
    }

    pub(crate) const fn id(&self) -> i32 {
        self.id.as_raw()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        // It may just have ended, which is no harm: the caller finds out by asking.
        let _ = kill(self.id, signal);
    }

    /// Ends it and all that it started, at once, as a power cut does.
    pub(crate) fn kill(&mut self) {
        let family = family::below(self.id);
        self.signal(Signal::SIGKILL);
        for id in &family {
            let _ = kill(*id, Signal::SIGKILL);
        }
        let _ = self.watchdog.wait();
        // A database doesn't start again while a part of the old one is still there.
        let _ =
            until(PATIENCE, || Ok((!family.iter().any(|id| family::is_alive(*id))).then_some(())));
    }

    /// Stops it and all that it started from running, until [`Self::resume`].
    pub(crate) fn pause(&self) {
        self.signal(Signal::SIGSTOP);
        for id in family::below(self.id) {
            let _ = kill(id, Signal::SIGSTOP);
        }
    }

    pub(crate) fn resume(&self) {
        for id in family::below(self.id) {
            let _ = kill(id, Signal::SIGCONT);
        }
        self.signal(Signal::SIGCONT);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.watchdog.try_wait(), Ok(None)) {
            // A paused program can't end in order, and waits for its children if they are paused.
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
        log: home::tail(&launch.log()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(home: &Home, script: &str) -> Launch {
        Launch::new("/bin/sh".into(), home).argument("-c").argument(script)
    }

    #[test]
    fn a_program_that_fails_is_an_error_with_its_log() {
        let home = Home::create("process", None).unwrap();
        Process::run(&shell(&home, "exit 0")).unwrap();
        let error = Process::run(&shell(&home, "echo because; exit 3")).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("exit status: 3") && text.contains("because"), "{text}");
    }

    #[test]
    fn a_program_reads_its_input_to_the_end() {
        let home = Home::create("process", None).unwrap();
        let mut launch = shell(&home, "read -r word && test \"$word\" = hello && ! read -r _");
        launch.input = home.path().join("input");
        home.write(&launch.input, "hello\n").unwrap();
        Process::run(&launch).unwrap();
    }

    #[test]
    fn nothing_of_a_killed_family_is_left() {
        let home = Home::create("process", None).unwrap();
        let mut process = Process::start(&shell(&home, "sleep 1000 & wait")).unwrap();
        let family = until(PATIENCE, || Ok(family::below(process.id).first().copied())).unwrap();
        process.kill();
        assert!(process.ended().unwrap().is_some());
        assert!(!family::is_alive(family.unwrap()));
    }

    #[test]
    fn a_stubborn_or_paused_program_ends_when_dropped() {
        for script in
            ["trap '' TERM; echo ready; while :; do sleep 0.1; done", "echo ready; kill -s STOP $$"]
        {
            let home = Home::create("process", None).unwrap();
            let process = Process::start(&shell(&home, script)).unwrap();
            let ready = || Ok(home::tail(&home.path().join("log")).contains("ready").then_some(()));
            until(PATIENCE, ready).unwrap().unwrap();
            let id = process.id;
            drop(process);
            assert!(!family::is_alive(id), "{script}");
        }
    }
}
