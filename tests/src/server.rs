//! A running server that can be stopped, killed, and restarted in the same directory.

use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use aquaware_servers::Port;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::client::Client;
use crate::program::{self, Outcome};
use crate::setup::{Setup, claim_port};
use crate::time::wait_for;

const STARTS_WITHIN: Duration = Duration::from_secs(60);
/// The contract allows requests in flight 30 seconds.
const STOPS_WITHIN: Duration = Duration::from_secs(35);

/// The ports of the public listener and the management listener. They stay claimed between two starts.
type Ports = Arc<[Port; 2]>;

/// A server for one test. It is killed when dropped.
#[derive(Debug)]
pub struct Server {
    setup: Setup,
    ports: Ports,
    child: Child,
    readers: Vec<JoinHandle<()>>,
    log: Log,
}

/// The output of a running program.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

/// A stopped server, with its directory, its settings and its log.
#[derive(Debug)]
pub struct Stopped {
    setup: Setup,
    ports: Ports,
    log: Log,
}

impl Setup {
    /// Starts the server on free ports, and waits until it is ready.
    #[must_use]
    pub fn start(self) -> Server {
        self.start_with_output(Stdio::piped(), Stdio::piped())
    }

    /// Starts the server on free ports, and waits until it responds, ready or not.
    #[must_use]
    pub fn start_unready(self) -> Server {
        let mut server = Stopped::on_new_ports(self).spawn(Stdio::piped(), Stdio::piped());
        server.wait_for_status("/health/live");
        server
    }

    /// Runs `serve` with these streams until it ends, which it must do soon.
    #[must_use]
    pub fn end_of(self, stdout: Stdio, stderr: Stdio) -> Outcome {
        let mut command = self.command();
        let _ = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        let mut child = command.spawn().expect("the program can be started");
        program::wait(&mut child, STOPS_WITHIN)
    }

    /// As [`Self::start`], with these streams as standard output and standard error.
    #[must_use]
    pub fn start_with_output(self, stdout: Stdio, stderr: Stdio) -> Server {
        Stopped::on_new_ports(self).start_with_output(stdout, stderr)
    }
}

impl Server {
    /// The address of the public listener.
    #[must_use]
    pub fn public(&self) -> SocketAddr {
        self.ports[0].address()
    }

    /// The address of the management listener.
    #[must_use]
    pub fn management(&self) -> SocketAddr {
        self.ports[1].address()
    }

    /// A client of the public listener.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::of(self.public())
    }

    /// A file in the data directory.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.setup.file(name)
    }

    /// Its log so far, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// The processor time that the process has used so far, in all its threads, those that have ended
    /// included.
    ///
    /// # Panics
    /// Panics if the operating system does not report it.
    #[must_use]
    pub fn processor_time(&self) -> Duration {
        /// The kernel reports it in units of 10 ms to every program (`USER_HZ`).
        const TICK: Duration = Duration::from_millis(10);
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.expect("a running process has a state");
        // The name in brackets may contain blanks. The fields 14 and 15 are utime and stime.
        let (_, after_name) = stat.rsplit_once(')').expect("a name in brackets");
        let fields = after_name.split_whitespace().skip(11).take(2);
        let ticks: u32 = fields.map(|field| field.parse::<u32>().expect("a number")).sum();
        TICK * ticks
    }

    /// How many file descriptors the process has open.
    ///
    /// # Panics
    /// Panics if the operating system does not report it.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.child.id()));
        open.expect("a running process has descriptors").count()
    }

    /// Stops it with SIGTERM; it must exit with status 0.
    #[must_use]
    pub fn stop(mut self) -> Stopped {
        self.ask_to_stop();
        assert_eq!(self.end(), Outcome::Exit(0), "after SIGTERM\n{}", self.log());
        self.stopped()
    }

    /// Stops it with SIGINT, as a terminal does.
    #[must_use]
    pub fn interrupt(mut self) -> Stopped {
        self.signal(Signal::SIGINT);
        assert_eq!(self.end(), Outcome::Exit(0), "after SIGINT\n{}", self.log());
        self.stopped()
    }

    /// Sends SIGTERM without waiting.
    pub fn ask_to_stop(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Sends SIGHUP: keys and client profiles are reloaded.
    pub fn ask_to_reload(&self) {
        self.signal(Signal::SIGHUP);
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(id), signal).expect("a child can be signalled");
    }

    /// Kills it immediately, as a power failure would.
    #[must_use]
    pub fn kill9(mut self) -> Stopped {
        self.child.kill().expect("a child can be killed");
        assert_eq!(self.end(), Outcome::Signal, "after SIGKILL\n{}", self.log());
        self.stopped()
    }

    fn end(&mut self) -> Outcome {
        let outcome = program::wait(&mut self.child, STOPS_WITHIN);
        for reader in self.readers.drain(..) {
            reader.join().expect("reading the log goes well");
        }
        outcome
    }

    fn stopped(&self) -> Stopped {
        Stopped { setup: self.setup.clone(), ports: Arc::clone(&self.ports), log: self.log.clone() }
    }

    fn is_ok(&self, path: &str) -> bool {
        let response = Client::of(self.management()).get(path).try_send();
        response.is_ok_and(|response| response.status == 200)
    }

    fn wait_for_status(&mut self, path: &str) {
        let mut ended = None;
        wait_for("the server to be ready", STARTS_WITHIN, || {
            ended = self.child.try_wait().expect("a child can be asked");
            (ended.is_some() || self.is_ok(path)).then_some(())
        });
        if let Some(status) = ended {
            let _ = self.end();
            panic!("the server ended at its start: {status}\n{}", self.log());
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let last: Vec<&str> = log.lines().rev().take(30).collect();
            for line in last.iter().rev() {
                #[allow(clippy::print_stderr, reason = "it explains the test that just failed")]
                {
                    eprintln!("server: {line}");
                }
            }
        }
    }
}

impl Stopped {
    fn on_new_ports(setup: Setup) -> Self {
        let ports = [claim_port(), claim_port()];
        let setup = setup.listening(ports[0].address(), ports[1].address());
        Self { setup, ports: Arc::new(ports), log: Log::default() }
    }

    /// Restarts it on the same ports.
    #[must_use]
    pub fn start(self) -> Server {
        self.start_with_output(Stdio::piped(), Stdio::piped())
    }

    fn start_with_output(self, stdout: Stdio, stderr: Stdio) -> Server {
        let mut server = self.spawn(stdout, stderr);
        server.wait_for_status("/health/ready");
        server
    }

    fn spawn(self, stdout: Stdio, stderr: Stdio) -> Server {
        let Self { setup, ports, log } = self;
        let mut command = setup.command();
        let _ = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        let mut child = command.spawn().expect("the program can be started");
        let readers = [
            child.stdout.take().map(|stream| log.follow(stream)),
            child.stderr.take().map(|stream| log.follow(stream)),
        ];
        let readers = readers.into_iter().flatten().collect();
        Server { setup, ports, child, readers, log }
    }

    /// Its settings, for a start with different ones.
    #[must_use]
    pub fn setup(&self) -> Setup {
        self.setup.clone()
    }

    /// A file in the data directory.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.setup.file(name)
    }

    /// Its log, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.text()
    }
}

impl Log {
    fn follow(&self, mut stream: impl Read + Send + 'static) -> JoinHandle<()> {
        let log = self.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                let mut bytes = log.0.lock().unwrap_or_else(PoisonError::into_inner);
                bytes.extend_from_slice(&buffer[..read]);
            }
        })
    }

    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
