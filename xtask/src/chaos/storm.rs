//! A storm: sessions of one library, in a process that is killed now and then, through a bad network,
//! against a server that is killed and restarted.
//!
//! The process is the library's *driver*, a program in its own language. It receives
//! `CHAOS_PROXY` and `CHAOS_SERVER` (the server's addresses through and beside the bad network),
//! `CHAOS_DIRECTORY`, `CHAOS_NAME`, `CHAOS_SESSIONS`, `CHAOS_REFRESHES` (of each session),
//! `CHAOS_AT_ONCE` (how many sessions) and `CHAOS_OFFLINE` (in seconds). For each session `N` it
//! keeps these files in the directory, so that it continues after a kill:
//!
//! | file | content |
//! | --- | --- |
//! | `N.session` | the storage of the library |
//! | `N.count` | one byte for each refresh |
//! | `N.logout` | a line for each end of the session although its token was not stolen: why |
//! | `N.fork` | the stored token was not the live one in the end |
//! | `N.offline` | its age is the time that the client has spent offline, after its refreshes |
//! | `N.back` | it has renewed after that |
//! | `N.thief` | a thief is at work: in every tenth session, after its refreshes |
//! | `N.caught`, `N.escaped` | whether thief and owner were both logged out |
//! | `N.done` | the session is complete |
//!
//! Every tenth session, from the fifth on, is of the client `device`, without rotation. Sessions 1
//! and 2 are of the client `offline`, the others of the client `strict`. During the refreshes the
//! driver also lets its storage fail and lose the last write, shares the session between five
//! clients, and shifts the clock by a day.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::cargo;
use crate::chaos::libraries::Library;
use crate::chaos::network::Network;
use crate::error::TaskError;
use crate::server::Server;

/// How often the driver is killed.
const KILLS: u32 = 6;
/// The pause between two kills of the server, and of the driver.
const SERVER_LIVES: Duration = Duration::from_millis(2_300);
const DRIVER_LIVES: Duration = Duration::from_millis(1_700);
/// The sessions that go offline, and for how many seconds: longer than an access token of the client
/// `offline` lives, and more than half of the life of its refresh token.
const OFFLINE: (u64, u64) = (2, 16);
/// How many sessions the driver runs at once. More do not end sooner, and those that are offline take
/// no turn.
const AT_ONCE: u64 = OFFLINE.0 + 8;
/// Every library must manage so many refreshes in a second, even on a busy machine.
const MIN_RATE: u64 = 5;

/// What a storm consists of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub(super) refreshes: u64,
    pub(super) seed: u64,
}

impl Extent {
    /// Sessions, and refreshes of each.
    const fn sessions(self) -> (u64, u64) {
        let sessions = match self.refreshes / 50 {
            few @ 0..=400 => {
                if few < 20 {
                    20
                } else {
                    few
                }
            }
            _ => 400,
        };
        (sessions, self.refreshes.div_ceil(sessions))
    }
}

/// What was found in the directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Findings {
    done: u64,
    refreshes: u64,
    logouts: u64,
    forks: u64,
    back: u64,
    caught: u64,
    escaped: u64,
}

/// Runs a storm and checks what it left. The logouts of a rival are only counted, and its sessions
/// have no thieves.
///
/// # Errors
/// The driver failed or hung, a session ended or branched, or a thief was not found.
pub(super) fn run(
    library: &Library,
    program: &Path,
    extent: Extent,
    is_rival: bool,
) -> Result<(), TaskError> {
    let directory = TempDir::new().map_err(TaskError::io("cannot create a directory"))?;
    let data = directory.path().join("server");
    fs::create_dir(&data).map_err(TaskError::io("cannot create a directory"))?;
    let mut server = Server::start(program, &data, &[])?;
    let network = Network::before(server.address(), extent.seed)?;
    let (sessions, each) = extent.sessions();
    let notes = directory.path().join("sessions");
    fs::create_dir(&notes).map_err(TaskError::io("cannot create a directory"))?;
    let mut driver = library.driver(program);
    driver
        .env("CHAOS_PROXY", format!("http://{}", network.address()))
        .env("CHAOS_SERVER", format!("http://{}", server.address()))
        .env("CHAOS_DIRECTORY", &notes)
        .env("CHAOS_NAME", format!("storm-{}", extent.seed))
        .env("CHAOS_SESSIONS", sessions.to_string())
        .env("CHAOS_REFRESHES", each.to_string())
        .env("CHAOS_AT_ONCE", AT_ONCE.to_string())
        .env("CHAOS_OFFLINE", OFFLINE.1.to_string())
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1")
        .stdin(Stdio::null());
    cargo::announce(&driver);
    let start = Instant::now();
    // A rival spends most of its time on logins.
    let patience = if is_rival { 4 } else { 1 };
    let limit = Duration::from_secs(60 + patience * extent.refreshes / MIN_RATE);
    weather(&mut driver, &mut server, limit)?;
    let findings = Findings::read(&notes)?;
    let took = start.elapsed().as_secs_f64();
    println!("{}: {findings}; {} requests, {took:.0} s", library.name, network.requests());
    findings.check(sessions, each, is_rival)
}

/// Runs the driver to its end, killing it and the server in between.
fn weather(driver: &mut Command, server: &mut Server, limit: Duration) -> Result<(), TaskError> {
    let failed = || TaskError::io("cannot run the driver");
    let start = Instant::now();
    let mut child = Running(driver.spawn().map_err(failed())?);
    let (mut kills, mut server_died, mut driver_died) = (0, start, start);
    loop {
        if let Some(status) = child.0.try_wait().map_err(failed())? {
            if status.success() {
                return Ok(());
            }
            return Err(TaskError::Message(format!("the driver failed: {status}")));
        }
        if start.elapsed() > limit {
            return Err(TaskError::Message(format!("the driver hangs after {limit:?}")));
        }
        if server_died.elapsed() > SERVER_LIVES {
            server.restart()?;
            server_died = Instant::now();
        }
        if driver_died.elapsed() > DRIVER_LIVES && kills < KILLS {
            drop(child);
            child = Running(driver.spawn().map_err(failed())?);
            driver_died = Instant::now();
            kills += 1;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// A process that is killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Findings {
    fn read(directory: &Path) -> Result<Self, TaskError> {
        let failed = || TaskError::io("cannot read what the driver left");
        let mut found = Self::default();
        for entry in fs::read_dir(directory).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let length = entry.metadata().map_err(failed())?.len();
            match name.rsplit('.').next() {
                Some("done") => found.done += 1,
                Some("count") => found.refreshes += length,
                Some("logout") => {
                    let reasons = fs::read_to_string(entry.path()).unwrap_or_default();
                    found.logouts += reasons.lines().count().max(1) as u64;
                    eprintln!("{name}: {}", reasons.lines().collect::<Vec<_>>().join(", "));
                }
                Some("fork") => found.forks += 1,
                Some("back") => found.back += 1,
                Some("caught") => found.caught += 1,
                Some("escaped") => found.escaped += 1,
                _ => {}
            }
        }
        Ok(found)
    }

    fn check(self, sessions: u64, each: u64, is_rival: bool) -> Result<(), TaskError> {
        let expected = Self {
            done: sessions,
            refreshes: self.refreshes.max(sessions * each),
            logouts: if is_rival { self.logouts } else { 0 },
            back: if is_rival { 0 } else { OFFLINE.0.min(sessions) },
            caught: if is_rival { 0 } else { sessions.div_ceil(10) },
            ..Self::default()
        };
        if self == expected {
            return Ok(());
        }
        Err(TaskError::Message(format!("expected {expected}")))
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { done, refreshes, logouts, forks, back, caught, escaped } = self;
        write!(
            f,
            "{done} sessions, {refreshes} refreshes, {logouts} logouts, {forks} forks, \
             {back} back after weeks offline, {caught} thieves caught, {escaped} escaped"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refreshes_are_spread_over_sessions() {
        for (refreshes, expected) in
            [(100, (20, 5)), (2_000, (40, 50)), (100_000, (400, 250)), (2_001, (40, 51))]
        {
            assert_eq!(Extent { refreshes, seed: 0 }.sessions(), expected);
        }
    }

    #[test]
    fn what_a_driver_left_is_counted_and_compared() {
        let directory = TempDir::new().unwrap();
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        for name in ["0.done", "1.done", "0.back", "1.back", "0.caught", "0.thief", "1.session"] {
            write(name, "");
        }
        write("0.count", "...");
        write("1.count", "....");
        let found = Findings::read(directory.path()).unwrap();
        let expected =
            Findings { done: 2, refreshes: 7, back: 2, caught: 1, ..Findings::default() };
        assert_eq!(found, expected);
        assert!(found.check(2, 3, false).is_ok());
        for (sessions, each) in [(3, 3), (2, 4), (1, 7), (12, 1)] {
            assert!(found.check(sessions, each, false).is_err());
        }
        for name in ["1.logout", "1.fork", "2.back", "1.escaped"] {
            write(name, "");
            let found = Findings::read(directory.path()).unwrap();
            assert!(found.check(2, 3, false).is_err(), "{name}");
            fs::remove_file(directory.path().join(name)).unwrap();
        }
    }
}
