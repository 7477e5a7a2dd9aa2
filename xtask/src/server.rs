//! A server that is killed or stopped, and started again on the same ports, with its data.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aquaware_servers::Port;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::TaskError;

const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// A running server. It is killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    program: PathBuf,
    directory: PathBuf,
    /// Environment variables.
    settings: Vec<(String, String)>,
    public: Port,
    management: Port,
    child: Child,
}

impl Server {
    /// Starts the program in this directory, and waits until it is ready. The settings, such as
    /// `("store.sessions", "memory:")`, override those of a storm.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn start(
        program: &Path,
        directory: &Path,
        settings: &[(&str, &str)],
    ) -> Result<Self, TaskError> {
        let claim = || Port::claim().map_err(|error| TaskError::Message(format!("{error:?}")));
        let (public, management) = (claim()?, claim()?);
        let text = configuration(public.address(), management.address());
        fs::write(directory.join("aquaware.toml"), text)
            .map_err(TaskError::io("cannot write a configuration"))?;
        let variable = |(key, value): &(&str, &str)| {
            let name = format!("AQUAWARE_{}", key.to_ascii_uppercase().replace('.', "__"));
            (name, (*value).to_owned())
        };
        let mut settings: Vec<_> = settings.iter().map(variable).collect();
        for (key, address) in [("PUBLIC", public.address()), ("MANAGEMENT", management.address())] {
            settings.push((format!("AQUAWARE_LISTEN__{key}"), address.to_string()));
        }
        let child = spawn(program, directory, &settings)?;
        let (program, directory) = (program.to_owned(), directory.to_owned());
        let mut server = Self { program, directory, settings, public, management, child };
        server.wait_until_ready()?;
        Ok(server)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.public.address()
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Stops it with SIGTERM, which must succeed, and starts this program in its place.
    ///
    /// # Errors
    /// It fails to stop, or the program does not start.
    pub(crate) fn replace(&mut self, program: &Path) -> Result<(), TaskError> {
        self.stop()?;
        program.clone_into(&mut self.program);
        self.child = spawn(&self.program, &self.directory, &self.settings)?;
        self.wait_until_ready()
    }

    /// Stops it with SIGTERM.
    ///
    /// # Errors
    /// Its exit status is not 0.
    pub(crate) fn stop(&mut self) -> Result<(), TaskError> {
        let id = i32::try_from(self.child.id()).unwrap_or_default();
        let failed = || TaskError::io("cannot stop the server");
        kill(Pid::from_raw(id), Signal::SIGTERM).map_err(|error| failed()(error.into()))?;
        let status = self.child.wait().map_err(failed())?;
        if status.success() {
            return Ok(());
        }
        Err(TaskError::Message(format!("the server did not stop in order: {status}")))
    }

    /// Kills it as a power cut would, and starts it again.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn restart(&mut self) -> Result<(), TaskError> {
        self.kill();
        self.child = spawn(&self.program, &self.directory, &self.settings)?;
        self.wait_until_ready()
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn wait_until_ready(&mut self) -> Result<(), TaskError> {
        let end = Instant::now() + STARTS_WITHIN;
        while !is_ready(self.management.address()) {
            let ended = self.child.try_wait().map_err(TaskError::io("cannot wait for it"))?;
            if ended.is_some() || Instant::now() > end {
                let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
                return Err(TaskError::Message(format!("the server did not start\n{log}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(
    program: &Path,
    directory: &Path,
    settings: &[(String, String)],
) -> Result<Child, TaskError> {
    let log = File::options().create(true).append(true).open(directory.join("log"));
    let log = log.map_err(TaskError::io("cannot write a log"))?;
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().to_ascii_uppercase().starts_with("AQUAWARE_") {
            command.env_remove(name);
        }
    }
    command.envs(settings.iter().cloned());
    command.current_dir(directory).stdin(Stdio::null()).stdout(log).stderr(Stdio::null());
    command.spawn().map_err(TaskError::io("cannot start the program"))
}

/// Nothing is limited, hashing is cheap, and no repeat is recognised by its time.
fn configuration(public: SocketAddr, management: SocketAddr) -> String {
    format!(
        r#"issuer = "http://{public}"

[listen]
public = "{public}"
management = "{management}"

[log]
level = "warn"

[accounts.argon2]
memory_kib = 64
iterations = 1

[limits]
login_per_address = "unlimited"
signup_per_address = "unlimited"
refresh_per_session = "unlimited"

[clients.strict]
retry_window = "0s"

[clients.offline]
retry_window = "0s"
access_lifetime = "10s"
refresh_lifetime = "30s"
"#
    )
}

fn is_ready(management: SocketAddr) -> bool {
    let request = "GET /health/ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let ask = || {
        let mut stream = TcpStream::connect(management)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}
